"""A small study folder in the shape of the study `optimizers`, with invented numbers; written in a second, no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from passo.store import RunWriter, Store, StoredStudy, open_study

EPOCHS, PER_EPOCH, SEEDS = 3, 20, (0, 1, 2)
STEPS = EPOCHS * PER_EPOCH
CLASSES = ("boot", "coat", "shirt")
COORDINATES = [["conv1.weight", [0, 0, 0, 0]], ["conv1.weight", [0, 0, 1, 1]], ["conv1.weight", [0, 0, 2, 2]]]
MINIMUM, LEAST = (0.2, 0.5), 0.01
_SGD = {"name": "sgd", "lr": 0.05}
_NESTEROV = {**_SGD, "momentum": 0.9, "nesterov": True}
_ADAM = {"name": "adam", "lr": 0.002}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "sgd": _SGD,
    "momentum": {**_SGD, "momentum": 0.9},
    "momentum-dampened": {**_SGD, "momentum": 0.9, "dampening": 0.9},
    "nesterov": _NESTEROV,
    "adam": _ADAM,
    "adam-beta1-0": {**_ADAM, "betas": [0.0, 0.999]},
    "adam-beta2-0.9": {**_ADAM, "betas": [0.9, 0.9]},
    "adam-eps-0.1": {**_ADAM, "eps": 0.1},
    "nesterov-step": _NESTEROV,
    "nesterov-plateau": _NESTEROV,
    "nesterov-cyclic": _NESTEROV,
    "nesterov-onecycle": _NESTEROV,
    "adam-final": _ADAM,
    "nesterov-cyclic-final": _NESTEROV,
}
LIBRARIES: dict[str, dict[str, Any]] = {
    "sgd-torch": {"name": "sgd"},
    "sgd-keras": {"name": "keras-sgd", "lr": 0.01},
    "adam-torch": {"name": "adam"},
    "adam-keras": {"name": "keras-adam"},
    "ftrl-keras": {"name": "ftrl"},
    "momentum-step": {**_SGD, "momentum": 0.9},
    "momentum-step-keras": {**_SGD, "name": "keras-sgd", "momentum": 0.9},
}
"""One name in two libraries, and a rate that drops after half of the steps; only where `libraries` asks for them."""


def write(folder: Path, seeds: tuple[int, ...] = SEEDS, *, libraries: bool = False) -> StoredStudy:
    """Write the study into an empty folder and open it."""
    with Store.create(folder, name="synthetic", config={}) as store:
        store.facts(data={"name": "invented", "classes": list(CLASSES), "sample": True})
        _write_line(store)
        for name in ("StepLR", "CyclicLR triangular"):
            _write_plan(store, name)
        for name, best in (("range-adam", 0.01), ("range-nesterov", 0.1)):
            for seed in seeds:
                _write_range(store, name, best, seed)
        for rank, (name, optimizer) in enumerate((CONFIGURATIONS | (LIBRARIES if libraries else {})).items()):
            for seed in seeds:
                _write_training(store, name, optimizer, rank, seed)
    return open_study(folder)


def _write_training(store: Store, name: str, optimizer: dict[str, Any], rank: int, seed: int) -> None:
    optimizer = {"lr": 0.001, **optimizer}
    config = {"optimizer": optimizer, "model": {"name": "tiny"}, "dataset": {"name": "invented"}, "batch_size": 8}
    run = store.add_run(name, config=config, seed=seed)
    random = np.random.default_rng(100 * rank + seed)
    lr = np.full(STEPS, optimizer["lr"]) * (1 + ("cyclic" in name) * np.abs(np.sin(np.arange(STEPS) / 6)))
    lr[STEPS // 2 :] *= 0.1 if name.startswith("momentum-step") else 1
    losses = 2.3 * np.exp(-np.arange(STEPS) / 30) + 0.2 + 0.05 * random.standard_normal(STEPS)
    for step in range(1, STEPS + 1):
        run.scalars(step, step / PER_EPOCH, {"train/loss": losses[step - 1], "lr": lr[step - 1]})
    level = 0.6 + 0.02 * rank + 0.03 * random.standard_normal()
    for epoch in range(1, EPOCHS + 1):
        loss = level + 1 / epoch
        values = {"epoch/train_loss": loss, "validation/loss": loss + 0.1, "validation/accuracy": 1 - loss / 3}
        run.scalars(epoch * PER_EPOCH, epoch, values)
    run.scalars(STEPS, EPOCHS, {"test/loss": level, "test/accuracy": 1 - level / 2})
    if seed == 0:
        _write_microscope(run, optimizer, lr, random)
    run.finish()


def stages(optimizer: dict[str, Any], grad: np.ndarray, lr: np.ndarray) -> dict[str, np.ndarray]:
    """What each stage would be for gradients (T, K) and rates (T,): the plain recursions."""
    found = {"grad_raw": grad, "grad": grad, "decayed": grad}
    t = np.arange(1, len(grad) + 1)[:, None]
    if optimizer["name"] == "adam":
        (beta1, beta2), eps = optimizer.get("betas", (0.9, 0.999)), optimizer.get("eps", 1e-8)
        found["exp_avg"] = _recursion(grad, beta1, 1 - beta1)
        found["exp_avg_sq"] = _recursion(grad**2, beta2, 1 - beta2)
        found["exp_avg_hat"] = found["exp_avg"] / (1 - beta1**t)
        found["exp_avg_sq_hat"] = found["exp_avg_sq"] / (1 - beta2**t)
        found["adapted"] = found["exp_avg_hat"] / (np.sqrt(found["exp_avg_sq_hat"]) + eps)
    elif "momentum" in optimizer:
        found["momentum_buffer"] = buffer = _recursion(grad, optimizer["momentum"], 1.0)
        found["adapted"] = grad + optimizer["momentum"] * buffer if optimizer.get("nesterov") else buffer
    else:
        found["adapted"] = grad
    found["update"] = -lr[:, None] * found["adapted"]
    found["residual"] = np.full_like(grad, 1e-9)
    return found


def _recursion(x: np.ndarray, past: float, now: float) -> np.ndarray:
    kept, last = np.empty_like(x), np.zeros(x.shape[1:])
    for t, value in enumerate(x):
        kept[t] = last = past * last + now * value
    return kept


def _write_microscope(run: RunWriter, optimizer: dict[str, Any], lr: np.ndarray, random: np.random.Generator) -> None:
    grad = 0.1 * random.standard_normal((STEPS, len(COORDINATES))) + 0.02
    found = stages(optimizer, grad, lr)
    trace = np.stack(list(found.values()), 1).astype(np.float32)  # (T, S, K)
    statistics = np.stack([trace.mean(-1), np.sqrt((trace**2).mean(-1))], -1)[:, :, None]  # (T, S, P, Q)
    meta = {"stages": list(found), "every": 1}
    run.array("trace", trace, coordinates=COORDINATES, **meta)
    run.array("trace/steps", np.arange(1, STEPS + 1))
    run.array("trace/lr", lr)
    sizes = {"parameters": ["conv1.weight"], "sizes": [len(COORDINATES)]}
    run.array("statistics", statistics, quantities=["mean", "rms"], **sizes, **meta)
    run.info(residual_roundings={"conv1.weight": 1.25})
    labels = np.arange(30) % len(CLASSES)
    weights = np.exp(random.standard_normal((30, len(CLASSES))) + 2 * np.eye(len(CLASSES))[labels])
    run.array("test/probabilities", (weights / weights.sum(1, keepdims=True)).astype(np.float32))
    run.array("test/labels", labels)


def _write_range(store: Store, name: str, best: float, seed: int) -> None:
    run = store.add_run(name, config={}, seed=seed, kind="lr_range")
    lr = np.geomspace(1e-5, 1, 50)
    smoothed = 2.3 - 1.5 / (1 + (best / lr) ** 2) + 4 * lr**2
    run.array("lr", lr)
    run.array("loss", smoothed + 0.1 * np.random.default_rng(seed).standard_normal(50))
    run.array("smoothed", smoothed)
    run.info(suggestion=best * (1 + 0.1 * seed), diverged_at=None, lr_min=1e-5, lr_max=1.0)
    run.finish()


def _write_line(store: Store) -> None:
    def loss(b: Any, w: Any) -> Any:
        return LEAST + (b - MINIMUM[0]) ** 2 + 0.3 * (w - MINIMUM[1]) ** 2 + 0.4 * (b - MINIMUM[0]) * (w - MINIMUM[1])

    there = {"minimum": list(MINIMUM), "loss_minimum": LEAST}
    run = store.add_run("line-surface", config={}, kind="surface")
    b, w = np.linspace(-0.5, 1, 21), np.linspace(-0.5, 1.5, 25)
    run.array("b", b)
    run.array("w", w)
    run.array("loss", loss(b[:, None], w[None, :]))
    run.info(**there, x="one half", y="the other half")
    run.finish()
    grid = [f"line-{kind}-{schedule}" for kind in ("momentum", "nesterov") for schedule in ("none", "step", "cyclic")]
    for i, name in enumerate(["line-sgd", "line-momentum", "line-nesterov", *grid]):
        run = store.add_run(name, config={}, kind="descent")
        shrinking = (0.9 - 0.02 * i) ** np.arange(31) * np.cos(0.3 * i * np.arange(31))
        path = np.array(MINIMUM) + shrinking[:, None] * np.array([0.5, -0.6])
        run.array("path", path)
        run.array("loss", loss(path[:, 0], path[:, 1]))
        run.array("lr", np.full(30, 0.1))
        run.info(**there)
        run.finish()


def _write_plan(store: Store, name: str) -> None:
    run = store.add_run(name, config={}, kind="schedule")
    epochs = np.arange(100) / 10
    per_epoch = name == "StepLR"
    run.array("epochs", epochs)
    run.array("lr", 0.1 * 0.5 ** np.floor(epochs / 3) if per_epoch else 0.01 + 0.09 * np.abs((epochs + 1) % 2 - 1))
    run.info(steps_per_epoch=10, when="epoch" if per_epoch else "step")
    run.finish()
