"""What ended a run, in a sentence, where the error itself does not say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from passo.errors import PassoError, TrainingError
from passo.models import own_file
from passo.training import TrainConfig

_CPU = ("can't allocate memory", "not enough memory")  # torch's allocators on a CPU raise a RuntimeError


def out_of_memory(error: BaseException, config: TrainConfig) -> TrainingError | None:
    """The sentence for an allocation that failed; None for any other error."""
    full = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if not full and not (isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU)):
        return None
    why = str(error).strip().splitlines()
    what = f" ({why[0].strip().rstrip('.')})" if why else ""
    size = config.batch_size
    smaller = ""
    if isinstance(size, int) and size > 1:
        smaller = f"batch_size={size // 2} with accumulate={2 * config.accumulate} (the same gradient), "
    return TrainingError(f"out of memory{what}. Try {smaller}a smaller model, or dataset.per_class=…")


def of_own_model(error: BaseException, config: TrainConfig) -> TrainingError | None:
    """The sentence for what a model of FILE.py:FUNCTION raised, with its line; None for any other error."""
    told = None if isinstance(error, PassoError) else own_file.failing(config.model.name, error)
    return None if told is None else TrainingError(told)


@contextmanager
def memory_told(config: TrainConfig) -> Iterator[None]:
    """Turn an allocation that failed inside the block into that sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if (told := out_of_memory(error, config)) is None:
            raise
        raise told from error
