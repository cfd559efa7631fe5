"""Every exception that passo raises on purpose, as a tree.

PassoError                 something the person at the keyboard can act on; exit code 1
├── UsageError             the request itself is wrong; exit code 2
│   ├── UnknownName        a name that no registry knows; carries the nearest one
│   └── ConfigError        a configuration key or value is wrong; says which key
├── DataError              a data set cannot be used
│   ├── DataNotFound       not on this machine, and could not be fetched
│   └── DataCorrupt        truncated, wrong magic number, wrong digest, labels ≠ images
├── StoreError             a study folder cannot be used
│   ├── FolderInUse        it holds something else; nothing was written
│   ├── SchemaMismatch     written by an incompatible version of passo
│   └── CheckpointError    a checkpoint cannot be written, or read, or is damaged
├── TrainingError          a training cannot go on (no batches, no gradient, its time is up)
│   └── Diverged           its loss, a gradient or a weight is not finite; carries step, epoch and the batch
└── MissingExtra           an optional dependency is not installed; says the line that installs it

RecordingWarning           a warning: what is recorded no longer reaches its store; the training goes on
TrainingWarning            a warning: the microscope sees that a training handles its parts wrongly
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class PassoError(Exception):
    """The root of all errors that passo raises on purpose."""

    exit_code = 1


class UsageError(PassoError, ValueError):
    """The request itself is wrong."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that the registry asked does not know."""


class ConfigError(UsageError):
    """A configuration key or value is wrong."""


class DataError(PassoError):
    """A data set cannot be used."""


class DataNotFound(DataError):
    """The data are not on this machine and could not be fetched."""


class DataCorrupt(DataError):
    """The bytes are not what they should be."""


class StoreError(PassoError):
    """A study folder cannot be used."""


class FolderInUse(StoreError):
    """The output folder already holds something else; nothing was written."""


class SchemaMismatch(StoreError):
    """The study was written with a schema that this version does not read."""


class CheckpointError(StoreError):
    """A checkpoint cannot be written or read, or is damaged."""


class TrainingError(PassoError):
    """A training cannot go on."""


class Diverged(TrainingError):
    """The loss (or `what` else) is not finite at `step` of `epoch`.

    `batch` (x, y), where it is known, is the one that gave it, the `part`-th (from 0) of the step's; `positions` are
    those of its samples in the training part, where the batches tell them.
    """

    def __init__(
        self, step: int, epoch: int, what: str = "the loss", *, batch: Any = None, part: int = 0, positions: Any = None
    ) -> None:
        super().__init__(f"{what} is not finite at step {step:,} (epoch {epoch})")
        self.step, self.epoch, self.what = step, epoch, what
        self.batch, self.part, self.positions = batch, part, positions


class MissingExtra(PassoError):
    """An optional dependency is not installed."""


class RecordingWarning(UserWarning):
    """What is recorded no longer reaches its store; the training goes on."""


class TrainingWarning(UserWarning):
    """A training handles its parts wrongly: gradients never cleared, eval mode, a schedule stepped too early."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or answer with the one line that installs it.

    >>> require("json", "figures").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"this needs {module.split('.')[0]}, which is not installed: pip install 'passo[{extra}]'"
        ) from missing
