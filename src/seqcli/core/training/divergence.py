"""Detecting a training that diverges: its loss rises far above where it began, or above that of guessing."""

from seqcli.core.training.state import Position

BEGINNING = 10  # the mean loss of this many first steps counts as the loss at the beginning
ENOUGH = 30  # before this step no loss is too high: the learning rate still rises, and few steps may be chance
SPAN = 10  # the recent loss is a running mean over about this many steps


def follow(at: Position, loss: float) -> None:
    """Update the position's first and recent loss with the loss of the step that was just made, number `at.step`."""
    if at.step <= BEGINNING:
        at.first_loss += (loss - at.first_loss) / at.step
        at.recent_loss = at.first_loss
    else:
        at.recent_loss += (loss - at.recent_loss) / SPAN


def diverged(at: Position, guessing: float | None, *, last: bool) -> str | None:
    """Return what is wrong with the loss, in words, or None if nothing is.

    `guessing` is the loss of a model that finds all answers equally likely, or None where there is no such figure. The
    thresholds leave room for chance, dropout and label smoothing. During the training only an enormous loss counts,
    because a high one may still fall; at the end (`last`) it cannot.
    """
    if at.step < ENOUGH:
        return None
    most = max(at.first_loss, guessing or 0.0)
    if at.recent_loss > (1.5 * most + 0.5 if last else 10 * most + 10):
        return f"the loss is {at.recent_loss:.3g}, far above the {at.first_loss:.3g} that it began with"
    if last and guessing is not None and at.recent_loss > 1.25 * guessing + 0.25:
        return f"the loss is {at.recent_loss:.3g}, and guessing has {guessing:.3g}"
    return None
