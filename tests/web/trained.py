"""Studies of real trainings for pages to show: one that was watched, and one that left the finite numbers."""

from contextlib import suppress
from pathlib import Path

import passo
from passo.errors import TrainingError

WATCHED, LOST = "/study/watched/run/tiny-cnn-adam-s0", "/study/lost/run/tiny-cnn-sgd-s0"


def train_both(root: Path) -> Path:
    """Two trainings on the embedded sample, in a second or two."""
    common = {"epochs": 2, "batch_size": 256, "seed": 0}
    record = {"every": 1, "predictions": True, "coordinates": 8, "snapshots": [1, 5]}
    adam = {"name": "adam", "lr": 0.01}
    passo.train("fashion-mnist-sample", "tiny-cnn", out=root / "watched", optimizer=adam, record=record, **common)
    with suppress(TrainingError):
        sgd = {"name": "sgd", "lr": 300.0}
        passo.train("fashion-mnist-sample", "tiny-cnn", out=root / "lost", optimizer=sgd, record={"every": 1}, **common)
    return root
