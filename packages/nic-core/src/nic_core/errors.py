"""Errors that a user can act on. The command line prints them as one line and exits with 1."""

from typing import Any


class NicError(Exception):
    """Base of every error that nic raises on purpose; the message is one complete sentence for the user."""


class BadPicture(NicError):
    """The input is no picture, is cut short, or has a form that cannot be coded."""


class DamagedFile(NicError):
    """A .nic file is cut, altered or contradicts itself."""


class UnsupportedFile(NicError):
    """A .nic file is sound but comes from a newer version, or exceeds a limit of this reader."""


class CodecNotFound(NicError):
    """No installed plugin brings the codec, or two do."""


class WeightsNotFound(NicError):
    """No installed, stored or given weights fit."""


class BadWeights(NicError):
    """A weights file or checkpoint is damaged or belongs to something else."""


class BadOption(NicError):
    """An option or a value does not exist, has the wrong type or is out of range."""


class PluginFault(NicError):
    """A plugin breaks its contract: it raised what it may not, or gave what nobody can use.

    The message names the plugin; what it raised is the cause.
    """


class TargetUnreachable(NicError):
    """No quality of a codec reaches the target rate or fidelity.

    nearest: the `nic_core.host.target.Trial` that came nearest.
    """

    def __init__(self, message: str, nearest: Any) -> None:
        super().__init__(message)
        self.nearest = nearest


class OutOfMemory(NicError):
    """The device has too little memory for the picture."""


class OutOfTime(NicError):
    """Decoding takes longer than the limit that its caller set."""


class NoEngine(NicError):
    """No installed package brings the engine that shall run workers, or two do."""


class CannotStart(NicError):
    """A worker cannot open what its work needs; others could not either."""


class WorkerDied(NicError):
    """A worker process ended without an answer: killed, out of memory, or crashed in native code."""


class MachineLost(WorkerDied):
    """A worker's machine is gone, by no fault of what the worker did."""


class CannotRead(NicError):
    """A file is not there, or may not be read."""


class CannotWrite(NicError):
    """A file cannot be written: the folder is missing or read-only, or the disk is full."""
