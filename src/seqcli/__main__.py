"""`seqcli` and `python -m seqcli`: the command line, also quiet when it is stopped while it is still loading."""

import os

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # how OpenMP's threads wait, in three dialects


def wait_asleep() -> None:
    """Let the threads of a product that have done their part sleep until the others have, where nothing else is asked
    for. They would spin by default, and on a busy processor take the time that the others need.

    OpenMP reads this once, when torch is loaded, so it must be said before.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def main() -> None:
    """Run the command line."""
    wait_asleep()
    try:
        import signal

        from seqcli.cli.app import main as run

        run()
    except KeyboardInterrupt:  # while loading; there is nothing to clear up yet
        os._exit(130)
    finally:
        # all is done and said: a Ctrl-C that comes while Python clears up ends it at once, and shows nothing
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))


if __name__ == "__main__":
    main()
