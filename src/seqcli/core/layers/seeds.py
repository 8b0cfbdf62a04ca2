"""Seeds for the random streams of a training, one for each use, so that no two streams draw the same numbers."""

import hashlib


def salted(seed: int, use: str, *numbers: int) -> int:
    """Return a seed below 2**63 for one use of random numbers, made from the seed of the training.

    `use` names the use, such as "dropout"; `numbers`, such as that of a batch, distinguish several streams of one use.
    Without the salt, generators with the same seed would draw the same numbers: dropout masks, for example, would
    repeat those of the initial weights.
    """
    digest = hashlib.sha256(" ".join([use, str(seed), *map(str, numbers)]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
