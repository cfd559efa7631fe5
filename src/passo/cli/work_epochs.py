"""What `passo ui` asks of its worker about a run's epochs: which examples each step draws, and their pictures."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from passo.data import Data
    from passo.explaining import Order
    from passo.figures import Figure
    from passo.training.config import TrainConfig

RUNS = 2  # whose data are kept
SIDE = 40  # points of a picture


def epochs(folder: str, run: str, language: str) -> dict[str, Any]:
    """What an iteration, a mini-batch and an epoch are in this run, in words and numbers, and the first ones drawn."""
    from passo.explaining import first_epochs, scaled
    from passo.figures.epochs import draw_epochs, sizes_table, told_epochs, told_first
    from passo.figures.scaled import draw_scaled
    from passo.language import speaking

    config, data, order = _opened(folder, run)
    with speaking(language):
        found = first_epochs(config, data)
        sizes = sizes_table(found)
        drawn = draw_epochs(found, data.train.raw, run) if data.train.raw.ndim >= 3 else None
        return {
            "told": told_epochs(found, run),
            "sizes": {"columns": sizes.columns, "rows": sizes.rows, "note": sizes.note},
            "first": told_first(order.counts.accumulate),
            "augmented": found.augmented,
            "figures": {} if drawn is None else {"epochs": _told(drawn), "scaling": _told(draw_scaled(scaled(data)))},
        }


def mini_batch(folder: str, run: str, step: int, most: int) -> dict[str, Any]:
    """The examples that a step draws, the first `most` of them with their pictures and classes.

    `places` count in the training part, `file` in the data set's file.
    """
    _, data, order = _opened(folder, run)
    one = order.batch(step)
    shown = one.index[:most]
    names = [data.classes[int(label)] for label in one.labels[:most]] if data.classes else None
    raw = data.train.raw
    return {
        "epoch": one.epoch,
        "size": len(one.index),
        "batches": min(order.counts.accumulate, math.ceil(len(one.index) / order.counts.batch_size)),
        "places": shown.tolist(),
        "file": [int(data.train.index[place]) for place in shown],
        "classes": names,
        "times": _times(data, one.labels),
        "pictures": [_picture(raw[place]) for place in shown] if raw.ndim >= 3 else None,
    }


def _told(figure: Figure) -> dict[str, Any]:
    return {"spec": figure.spec(), "sentence": figure.sentence, "caption": figure.caption}


def _times(data: Data, labels: np.ndarray) -> list[list[Any]]:
    """How often each class is in the batch, most often first."""
    import numpy as np

    if not data.classes:
        return []
    times = np.bincount(labels, minlength=len(data.classes))
    return [[data.classes[c], int(times[c])] for c in np.argsort(-times, kind="stable") if times[c]]


def _picture(pixels: np.ndarray) -> str:
    """An image (H, W) or (C, H, W) as an address."""
    import numpy as np

    from passo.figures.pictures import address

    if pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1) if pixels.shape[0] == 3 else pixels.reshape(pixels.shape[-2:])
    return address(pixels, SIDE)


def _opened(folder: str, run: str) -> tuple[TrainConfig, Data, Order]:
    from passo.store import open_study

    return _read(folder, run, open_study(folder).run(run).started)


@lru_cache(maxsize=RUNS)
def _read(folder: str, run: str, started: float) -> tuple[TrainConfig, Data, Order]:
    """A run's mini-batches; one that was trained again under the same name has begun at another time."""
    from passo.explaining import Order, run_config, run_data
    from passo.store import open_study

    found = open_study(folder).run(run)
    config, data = run_config(found), run_data(found)
    return config, data, Order(config, data)
