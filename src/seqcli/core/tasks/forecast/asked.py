"""Reading series as the options of a training say: which columns hold what, and what to do with bad lines."""

from collections.abc import Sequence
from pathlib import Path

from seqcli.core.data.readers import find_files
from seqcli.core.events import Say, silent
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.options import ForecastOptions
from seqcli.core.tasks.forecast.plan import names_in
from seqcli.core.tasks.forecast.series import Series, read_series


def read(
    options: ForecastOptions, files: Sequence[str | Path], frequency: Frequency | None = None, *, say: Say = silent
) -> Series:
    """Read the series of files, with the columns that options name. For `frequency` and errors see `read_series`."""
    c = options
    return read_series(
        find_files(files),
        id_column=c.id_column,
        time_column=c.time_column,
        value_column=c.value_column,
        known=names_in(c.known),
        past=names_in(c.past),
        static=names_in(c.static),
        skip_bad_lines=c.skip_bad_lines,
        invalid_utf8=c.invalid_utf8,
        frequency=frequency,
        say=say,
    )
