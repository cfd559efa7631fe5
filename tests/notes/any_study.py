"""A small made-up study that passo ships no note for: two optimizers at three learning rates, written without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from passo.store import Store, StoredStudy, open_study

RATES, SEEDS = (0.01, 0.03, 0.1), (0, 1, 2)
BEST = "sgd,lr=0.1"


def study(
    folder: Path, *, name: str = "mine", better: float = 0.2, finished: bool = True, called: str = "", **config: Any
) -> StoredStudy:
    """Write it: SGD gains `better` in accuracy from each step of the learning rate, Adam nothing.

    called: what the names of all configurations begin with, and all that is known of the data.
    """
    told = {"title": "My rates", "description": "Two optimizers, three rates.", "base": {"epochs": 8}, **config}
    store = Store.create(folder, name=name, config=told)
    try:
        data = {"name": "digits", "counts": {"train": 80, "test": 20}, "classes": ["0", "1"], "sha256": {}}
        data |= {"name": called, "source": called, "licence": called, "sha256": {called: "ab"}} if called else {}
        store.facts(data=data, planned=len(RATES) * len(SEEDS) * 2, seconds=3.0)
        for optimizer, gain in (("sgd", better), ("adam", 0.0)):
            for place, lr in enumerate(RATES):
                for seed in SEEDS if finished else SEEDS[:1]:
                    _train(store, f"{called}{optimizer},lr={lr:g}", optimizer, lr, seed, 0.3 + gain * place)
    finally:
        store.close("done" if finished else "interrupted")
    return open_study(folder)


def _train(store: Any, name: str, optimizer: str, lr: float, seed: int, accuracy: float) -> None:
    config = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp"},
        "optimizer": {"name": optimizer, "lr": lr},
        "epochs": 8,
        "batch_size": 16,
    }
    run = store.add_run(name, config=config, seed=seed)
    luck = 0.001 * np.random.default_rng([seed, int(1000 * lr)]).standard_normal()
    for epoch in range(1, 9):
        told = {"epoch/train_loss": 1 / epoch, "validation/loss": 1.2 / epoch, "validation/accuracy": accuracy + luck}
        run.scalars(5 * epoch, epoch, told)
    run.scalars(40, 8, {"test/accuracy": accuracy + luck, "test/loss": 1 - accuracy})
    run.info(parameters=650, weights_sha256="ab" * 32)
    run.finish()
