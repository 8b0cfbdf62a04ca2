"""When a training has gone wrong: a loss that rises far above where it began, or above that of guessing."""

from seqcli.core.training.state import Position

BEGINNING = 10  # steps whose mean loss is what a training began with
ENOUGH = 30  # steps before which a loss may be high: rates rise, and few steps are chance
SPAN = 10  # steps that the loss of now is a running mean of


def follow(at: Position, loss: float) -> None:
    """Take account of the loss of the step that has just been made, number `at.step`."""
    if at.step <= BEGINNING:
        at.first_loss += (loss - at.first_loss) / at.step
        at.recent_loss = at.first_loss
    else:
        at.recent_loss += (loss - at.recent_loss) / SPAN


def diverged(at: Position, guessing: float | None, *, last: bool) -> str | None:
    """What is wrong with the loss, in words; None when nothing is.

    `guessing` is the loss of a model that finds everything equally likely, where there is such a figure. There is room
    for chance, dropout and label smoothing. In the midst of a training only a loss that has left all bounds counts,
    because a high one may fall again; at its end (`last`) it will not.
    """
    if at.step < ENOUGH:
        return None
    most = max(at.first_loss, guessing or 0.0)
    if at.recent_loss > (1.5 * most + 0.5 if last else 10 * most + 10):
        return f"the loss is {at.recent_loss:.3g}, far above the {at.first_loss:.3g} that it began with"
    if last and guessing is not None and at.recent_loss > 1.25 * guessing + 0.25:
        return f"the loss is {at.recent_loss:.3g}, and guessing has {guessing:.3g}"
    return None
