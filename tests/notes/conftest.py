"""A small study with the shape of `optimizers` (made-up numbers, real equations, no torch), and its note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.notes import Written, make, write
from passo.notes.content import Note
from passo.store import Store, StoredStudy, open_study

SEEDS, EPOCHS, PER_EPOCH, CLASSES = (0, 1, 2), 2, 20, ("Coat", "Bag", "Shirt")
STEPS = EPOCHS * PER_EPOCH
SGD: dict[str, Any] = {"name": "sgd", "lr": 0.03}
NESTEROV: dict[str, Any] = {**SGD, "momentum": 0.9, "nesterov": True}
ADAM: dict[str, Any] = {"name": "adam", "lr": 0.003}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": SGD,
    "momentum": {**SGD, "momentum": 0.9},
    "momentum-dampened": {**SGD, "momentum": 0.9, "dampening": 0.9},
    "nesterov": NESTEROV,
    "adam": ADAM,
    "adam-beta1-0": {**ADAM, "betas": [0.0, 0.999]},
    "adam-beta2-0.9": {**ADAM, "betas": [0.9, 0.9]},
    "adam-eps-0.1": {**ADAM, "eps": 0.1},
    "adamw": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
    "rmsprop": {"name": "rmsprop", "lr": 0.003},
    "nesterov-step": NESTEROV,
    "nesterov-plateau": NESTEROV,
    "nesterov-cyclic": NESTEROV,
    "nesterov-onecycle": NESTEROV,
    "adam-final": {**ADAM, "lr": 0.01},
    "nesterov-cyclic-final": {**NESTEROV, "lr": 0.01},
    "sgd-torch": {"name": "sgd"},
    "sgd-keras": {"name": "keras-sgd"},
    "rmsprop-torch": {"name": "rmsprop"},
    "rmsprop-keras": {"name": "keras-rmsprop"},
    "adam-torch": {"name": "adam"},
    "adam-keras": {"name": "keras-adam"},
    "adagrad-torch": {"name": "adagrad"},
    "adagrad-keras": {"name": "keras-adagrad"},
    "adadelta-torch": {"name": "adadelta"},
    "adadelta-keras": {"name": "keras-adadelta"},
    "ftrl-keras": {"name": "ftrl"},
    "momentum-step": {**SGD, "momentum": 0.9},
    "momentum-step-keras": {**SGD, "name": "keras-sgd", "momentum": 0.9},
}
RATES = {"sgd": 0.001, "keras-sgd": 0.01, "rmsprop": 0.01, "adagrad": 0.01, "adadelta": 1.0}
DROPPED = {"name": "StepLR", "step_size": "1 epoch", "gamma": 0.1}
OPTIONS = {"eps": 1e-8, "initial_accumulator_value": 0.1, "momentum": 0.9}
SCHEDULES: dict[str, dict[str, Any]] = {
    "nesterov-step": {"name": "StepLR", "step_size": "1 epoch", "gamma": 0.3},
    "nesterov-plateau": {"name": "ReduceLROnPlateau", "factor": 0.3},
    "nesterov-cyclic": {"name": "CyclicLR", "base_lr": 0.003, "max_lr": 0.06},
    "nesterov-onecycle": {"name": "OneCycleLR", "max_lr": 0.06},
    "momentum-step": DROPPED,
    "momentum-step-keras": DROPPED,
    "nesterov-cyclic-final": {"name": "CyclicLR", "base_lr": 0.01, "max_lr": 0.1, "mode": "triangular2"},
}
GRID = [f"line-{kind}-{plan}" for kind in ("momentum", "nesterov") for plan in ("none", "step", "cyclic")]
PLANS = {"StepLR": "epoch", "ReduceLROnPlateau": "plateau", "CyclicLR triangular2": "step", "OneCycleLR": "step"}


@pytest.fixture(scope="session")
def build() -> Callable[..., StoredStudy]:
    """`build(folder, seeds=…, leave_out=…)` writes a made-up study."""
    return study


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return study(tmp_path_factory.mktemp("notes") / "study")


@pytest.fixture(scope="session")
def note(made_up: StoredStudy) -> Note:
    return make(made_up)


@pytest.fixture(scope="session")
def written(made_up: StoredStudy, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(made_up, tmp_path_factory.mktemp("written") / "note")


def study(
    folder: Path,
    *,
    seeds: tuple[int, ...] = SEEDS,
    leave_out: tuple[str, ...] = (),
    base: dict[str, Any] | None = None,
) -> StoredStudy:
    """Write the study and open it; configurations may be left out."""
    config = {"base": base or {"dataset": "fashion-mnist-sample"}}
    with Store.create(folder, name="optimizers", config=config) as store:
        store.facts(data=_data(), environment=_environment(), seconds=12.0, failed=[])
        for name, optimizer in OPTIMIZERS.items():
            for seed in seeds if name not in leave_out else ():
                _train(store, name, optimizer, seed)
        _others(store, seeds)
    return open_study(folder)


def _data() -> dict[str, Any]:
    return {
        "name": "fashion-mnist-sample",
        "title": "a sample",
        "source": "embedded in passo",
        "sample": True,
        "sha256": {"train-images-idx3-ubyte": "ab" * 32},
        "classes": list(CLASSES),
        "counts": {"train": 2700, "validation": 300, "test": 1000},
        "scaling": {"name": "standardize"},
        "seed": 0,
        "licence": "MIT",
    }


def _environment() -> dict[str, Any]:
    return {"python": "3.11", "torch": "2.13.0", "threads": 2, "platform": "Linux x86_64", "cores": 2}


def _train(store: Store, name: str, optimizer: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng([seed, *name.encode()])
    schedule = SCHEDULES.get(name)
    config = {
        "optimizer": optimizer,
        "schedule": schedule,
        "epochs": EPOCHS,
        "batch_size": 64,
        "model": {"name": "tiny-cnn"},
    }
    run = store.add_run(name, config=config, seed=seed)
    better = 0.05 * ("nesterov" in name)
    falling = np.repeat([1, 0.1], PER_EPOCH) if schedule is DROPPED else np.linspace(1, 0.1, STEPS)
    lrs = np.full(STEPS, optimizer.get("lr", RATES.get(optimizer["name"], 0.001))) * (falling if schedule else 1)
    losses = 2.3 * np.exp(-np.arange(STEPS) / 30) + 0.05 * rng.standard_normal(STEPS)
    for t in range(1, STEPS + 1):
        row = {"train/loss": losses[t - 1], "lr": lrs[t - 1]}
        run.scalars(t, t / PER_EPOCH, {**row, "momentum": optimizer["momentum"]} if "momentum" in optimizer else row)
        if t % PER_EPOCH == 0:
            told = {"epoch/train_loss": 1 / t, "validation/loss": 1.1 / t, "validation/accuracy": 0.6 + better}
            run.scalars(t, t / PER_EPOCH, told)
    luck = 0.01 * rng.standard_normal()
    run.scalars(STEPS, EPOCHS, {"test/loss": 0.8 - better, "test/accuracy": 0.7 + better + luck})
    run.info(parameters=1586, weights_sha256="cd" * 32, steps_per_epoch=PER_EPOCH, seconds=1.0)
    if seed == SEEDS[0]:
        _watch(run, optimizer, lrs, rng)
    run.finish()


def _watch(run: Any, optimizer: dict[str, Any], lrs: np.ndarray, rng: np.random.Generator) -> None:
    """Traces and statistics of three weights, by the optimiser's own equations; and test predictions."""
    grad = 0.05 + 0.1 * rng.standard_normal((STEPS, 3))
    stages = _adam(optimizer, grad) if optimizer["name"].startswith("adam") else _sgd(optimizer, grad)
    update = -lrs[:, None] * stages["adapted"]
    if optimizer["name"] == "ftrl":
        stages = {"theta": np.vstack([[1.0, 1.0, 1.0], 0.01 * grad[1:]]), **stages}
    stages = {"grad_raw": grad, "grad": grad, **stages, "update": update, "residual": 1e-9 * grad}
    trace = np.stack(list(stages.values()), 1).astype(np.float32)  # (T, S, K)
    meta = {"stages": list(stages), "every": 1}
    run.array("trace", trace, **meta, coordinates=[["conv1.weight", [0, 0, k, k]] for k in range(3)])
    both = np.stack([trace.mean(2), np.sqrt((trace**2).mean(2))], -1)[:, :, None]  # (T, S, 1, 2)
    run.array("statistics", both, **meta, parameters=["conv1.weight"], sizes=[3], quantities=["mean", "rms"])
    run.info(watch={"hyper": [{"lr": float(lrs[0]), **OPTIONS, **optimizer}]})
    run.array("trace/steps", np.arange(1, STEPS + 1))
    run.array("trace/lr", lrs)
    run.info(residual_roundings={"conv1.weight": 1.5})
    scores = rng.random((60, len(CLASSES))) + 2 * np.eye(len(CLASSES))[np.arange(60) % len(CLASSES)]
    run.array("test/probabilities", (scores / scores.sum(1, keepdims=True)).astype(np.float32))
    run.array("test/labels", np.arange(60) % len(CLASSES))


def _adam(optimizer: dict[str, Any], grad: np.ndarray) -> dict[str, np.ndarray]:
    beta1, beta2 = optimizer.get("betas", (0.9, 0.999))
    m, v, ms, vs = 0.0, 0.0, [], []
    for g in grad:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        ms.append(m)
        vs.append(v)
    t = np.arange(1, STEPS + 1)[:, None]
    m_hat, v_hat = np.array(ms) / (1 - beta1**t), np.array(vs) / (1 - beta2**t)
    adapted = m_hat / (np.sqrt(v_hat) + optimizer.get("eps", 1e-8))
    averages = {"exp_avg": np.array(ms), "exp_avg_sq": np.array(vs), "exp_avg_hat": m_hat, "exp_avg_sq_hat": v_hat}
    return {**averages, "adapted": adapted}


def _sgd(optimizer: dict[str, Any], grad: np.ndarray) -> dict[str, np.ndarray]:
    if not optimizer.get("momentum"):
        return {"adapted": grad}
    buffer = [grad[0]]
    for g in grad[1:]:
        buffer.append(0.9 * buffer[-1] + (1 - optimizer.get("dampening", 0)) * g)
    b = np.array(buffer)
    return {"momentum_buffer": b, "adapted": grad + 0.9 * b if optimizer.get("nesterov") else b}


def _others(store: Store, seeds: tuple[int, ...]) -> None:
    lr = np.geomspace(1e-5, 1, 50)
    loss = 2.3 - 1.5 * np.exp(-((np.log10(lr) + 2) ** 2))
    for name in ("range-adam", "range-nesterov"):
        for seed in seeds:
            run = store.add_run(name, config={}, seed=seed, kind="lr_range")
            for key, values in {"lr": lr, "loss": loss, "smoothed": loss}.items():
                run.array(key, values)
            run.info(suggestion=0.005 * (1 + seed), diverged_at=0.9 if seed else None, lr_min=1e-5, lr_max=1.0)
            run.finish()
    least = {"minimum": [0.1, 0.6], "loss_minimum": 0.01}
    for i, name in enumerate(["line-sgd", "line-momentum", "line-nesterov", *GRID]):
        run = store.add_run(name, config={}, kind="descent")
        left = np.exp(-np.linspace(0, 2 + i / 4, 31))[:, None]
        path = np.array([0.1, 0.6]) + left * np.array([0.6, -1.0])
        run.array("path", path)
        run.array("loss", 0.01 + left[:, 0] ** 2)
        run.array("lr", np.full(30, 0.1 if i < 3 else 0.3))
        run.info(**least)
        run.finish()
    surface = store.add_run("line-surface", config={}, kind="surface")
    b, w = np.linspace(-0.3, 0.9, 25), np.linspace(-0.6, 1.4, 25)
    db, dw = b[:, None] - 0.1, w[None, :] - 0.6
    for key, values in {"b": b, "w": w, "loss": 0.01 + db**2 + 0.6 * db * dw + 0.2 * dw**2}.items():
        surface.array(key, values)
    surface.info(**least, x="brightness above", y="brightness below")
    surface.finish()
    for name, when in PLANS.items():
        run = store.add_run(name, config={}, kind="schedule")
        run.array("epochs", np.arange(200) / 20)
        run.array("lr", np.linspace(0.1, 0.01, 200))
        run.info(steps_per_epoch=20, when=when)
        run.finish()
