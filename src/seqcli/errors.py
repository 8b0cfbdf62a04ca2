"""The errors that a user can mend, by what is wrong.

    SeqcliError
    |-- ConfigError        an option, a configuration file          exit 2
    |   `-- TaskError          what a model of this task cannot do  exit 2
    |-- DataError          a text, a data file                      exit 1
    |   `-- VocabularyError    tokens that the model cannot know    exit 1
    |-- CheckpointError    a run or a checkpoint file               exit 1
    `-- TrainingError      the training itself failed               exit 1

Each message is one or more whole sentences: what is wrong, where, and what to do.
"""


class SeqcliError(Exception):
    """The base of all errors that a user can mend. `exit_code` is the exit code of the command line."""

    exit_code = 1


class ConfigError(SeqcliError):
    """Wrong usage or configuration."""

    exit_code = 2


class TaskError(ConfigError, AttributeError):
    """A method that a trained model does not have, because models of other tasks have it. `hasattr` is False for it."""


class DataError(SeqcliError):
    """A text or data file that cannot be used."""


class VocabularyError(DataError):
    """Text that the model's vocabulary cannot express."""


class CheckpointError(SeqcliError):
    """A run or checkpoint that is missing, damaged, foreign or too new."""


class TrainingError(SeqcliError):
    """Training that cannot go on: the loss is no longer a number."""
