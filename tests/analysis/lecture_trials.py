"""Invented trials of a lecture's claims, of which the truth is known; three seeds each. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from passo.store import Store, StoredStudy, open_study
from passo.studies.lectured import CLAIMS, MODELS

SEEDS, EPOCHS = 3, 3
SIZES = {1: "single", 16: "16", 64: "64", 256: "256", 900: "full-batch"}
RATES = (1e-4, 1e-3, 1e-2, 1e-1)
BEST = {"adam": -2.5, "sgd": -1.5, "momentum": -2.0}  # log₁₀ of an optimizer's best rate
WIDTH = {"adam": 2.0, "sgd": 1.0, "momentum": 1.0}  # decades of which it loses ten points
OPTIMIZERS: Mapping[str, dict[str, Any]] = {
    "adam": {"name": "adam"},
    "sgd": {"name": "sgd"},
    "momentum": {"name": "sgd", "momentum": 0.9},
}
STRENGTHS = {"none": 0.0, "l2-1e-4": 1e-4, "l2-1e-3": 1e-3, "l2-1e-2": 1e-2}


def little(*what: float) -> float:
    """A small number that is the same whenever it is asked for."""
    return 1e-3 * math.sin(1000 * math.fsum(what))


def gradient_noise(store: Store) -> None:
    """The variance of independent gradients, 1/B."""
    random = np.random.default_rng(0)
    for size in (1, 5, 20, 75, 300):
        for seed in range(SEEDS):
            run = store.add_run(f"batch_size={size}", config={"batch_size": size}, seed=seed)
            gradients = random.standard_normal((4000, 8)) / math.sqrt(size)
            run.array("trace", gradients[:, None], stages=["grad_raw"], coordinates=[])
            run.info(data={"counts": {"train": 900}, "name": "invented"})
            run.finish()


def loss_after(size: int, rate: float, epoch: int) -> float:
    """Lower for small batches, and lowest at a rate that grows with the size."""
    own = -2 + 0.4 * math.log10(size)
    return 0.5 + 0.1 * math.log10(size) * (1 + 1 / epoch) + 0.1 * abs(math.log10(rate) - own)


def batch_size(store: Store) -> None:
    """An epoch takes 1/B + 0.1 seconds; the mini-batch losses swing by 1/√B."""
    random = np.random.default_rng(1)
    for size, name in SIZES.items():
        for rate in (0.01, 0.1):
            for seed in range(SEEDS):
                config = {"batch_size": "all" if size == 900 else size, "optimizer": {"name": "sgd", "lr": rate}}
                run = store.add_run(f"{name},lr={rate:g}", config=config, seed=seed)
                for epoch in range(1, EPOCHS + 1):
                    loss = loss_after(size, rate, epoch) + little(size, rate, seed)
                    took = 0.1 + (1 + 0.01 * seed) / size
                    run.scalars(100 * epoch, float(epoch), {"validation/loss": loss, "epoch/seconds": took})
                for step in range(1, 200):
                    noise = float(random.standard_normal()) / math.sqrt(size)
                    run.scalars(step, step / 70, {"train/loss": 1 + noise})
                run.info(data={"counts": {"train": 900}, "name": "invented"})
                run.finish()


def accuracy(optimizer: str, rate: float, seed: int) -> float:
    lost = 0.1 * abs(math.log10(rate) - BEST[optimizer]) / WIDTH[optimizer]
    return 0.85 - lost + little(rate, seed, len(optimizer))


def learning_rate(store: Store, model: str) -> None:
    """Adam is best between its default and 0.01, and half as sensitive; SGD's largest rate diverges with one seed."""
    for name, optimizer in OPTIMIZERS.items():
        for rate in RATES:
            for seed in range(SEEDS):
                config = {"optimizer": {**optimizer, "lr": rate}, "model": {"name": model}}
                run = store.add_run(f"{name},lr={rate:g}", config=config, seed=seed)
                if (name, rate, seed) == ("sgd", 0.1, 2):
                    run.finish("diverged", error="the loss is not finite")
                    continue
                for epoch in range(1, EPOCHS + 1):
                    value = accuracy(name, rate, seed) - 0.02 * (EPOCHS - epoch)
                    values = {"validation/accuracy": value, "validation/loss": 1 - value, "epoch/seconds": 1.0}
                    run.scalars(10 * epoch, float(epoch), values)
                run.scalars(10 * EPOCHS, float(EPOCHS), {"test/accuracy": accuracy(name, rate, seed) - 0.01})
                run.info(data={"counts": {"train": 900}, "name": "invented"})
                run.finish()


def penalties(store: Store) -> None:
    """L2 shrinks the weights to a half from strength to strength; 1e-3 is best by validation, and in the test."""
    for place, (name, strength) in enumerate(STRENGTHS.items()):
        for seed in range(SEEDS):
            run = store.add_run(name, config={"l2": strength} if strength else {}, seed=seed)
            run.array(
                "weights/fc", np.full((2, 3), 2.0**-place * (1 + 0.01 * seed)), shape=[2, 3], kernel=True, place=0
            )
            away = abs(place - 2) + little(place, seed)
            values = {"validation/loss": 0.5 + 0.1 * away, "epoch/train_loss": 0.1 + 0.1 * place}
            tests = {"test/loss": 0.55 + 0.1 * away, "test/accuracy": 0.8 - 0.01 * away}
            run.scalars(10, 1.0, {**values, **tests})
            run.info(data={"counts": {"train": 900}, "name": "invented"})
            run.finish()


def trials(folder: Path, configs: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, StoredStudy]:
    """All trials of all claims, by name; `configs` are what their studies were asked to run."""
    writers: dict[str, Callable[[Store], None]] = {
        "gradient-noise": gradient_noise,
        "batch-size": batch_size,
        "penalties": penalties,
        **{f"learning-rate-{model}": lambda store, model=model: learning_rate(store, model) for model in MODELS},
    }
    for claim in CLAIMS:
        for trial in claim.trials:
            config = dict((configs or {}).get(trial.name, {}))
            with Store.create(folder / trial.name, name=trial.study, config=config) as store:
                writers[trial.name](store)
                store.facts(status="done")
    return {trial.name: open_study(folder / trial.name) for claim in CLAIMS for trial in claim.trials}
