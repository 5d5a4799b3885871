"""Errors a person can act on. The command line prints them in one line and exits with 2."""

from labelmend.text import printable


class LabelmendError(Exception):
    """Base of every error that bad input can cause; the message names the fault and the next step."""

    def __str__(self) -> str:
        """The message in one line; names and values in it cannot steer a terminal."""
        return printable(super().__str__())


class DataError(LabelmendError):
    """A data source, manifest, image or label file cannot be used as it is."""


class UnlabelledError(DataError):
    """There are images, or room for them, but no labels: fatal to train on, not to test on."""


class SettingsError(LabelmendError):
    """A setting has a value it cannot have; the message names the flag."""


class RunError(LabelmendError):
    """A run folder cannot be read, written or resumed."""


class WriteError(RunError):
    """The system refuses to write a file: a full disk, a read-only folder, a name that is too long."""


class DivergedError(RunError):
    """A loss or a weight is no longer a finite number."""


class LabelmendWarning(UserWarning):
    """Something in the input that a person should know of, though the job goes on."""

    def __str__(self) -> str:
        """The message in one line, as of an error."""
        return printable(super().__str__())
