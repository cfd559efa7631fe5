"""The best weights are kept in every case; a training stops when it has waited long enough, also when resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import passo
from passo import store
from passo.errors import ConfigError, StoreError
from passo.experiments import Keeping, Result, run, training
from passo.store.schema import STOP
from passo.training import Evaluation, StepRecord, train_config
from passo.training.step import EpochEnd
from passo.training.stopping import Best
from passo.training.tasks import TASKS

SMALL = {"per_class": 20, "validation": 40}
OVERFITS: dict[str, Any] = {"optimizer": "adam", "lr": 0.003, "dataset": SMALL}


def seen(losses: list[float], **wanted: Any) -> tuple[Best, list[int]]:
    """A `Best` that has looked at these validation losses, and its `waited` after each; the weight is the epoch."""
    config = train_config({"early_stopping": wanted})
    best, waited = Best(TASKS["classify"](config), config.early_stopping), []
    model = torch.nn.Linear(1, 1)
    for epoch, loss in enumerate(losses, start=1):
        torch.nn.init.constant_(model.weight, epoch)
        end = EpochEnd(1.0, Evaluation(loss, 1 - loss, 10), 0.0)
        best.look(end, model, step=10 * epoch, epoch=epoch)
        waited.append(best.waited)
    return best, waited


def test_epochs_without_a_gain_are_counted_and_the_best_weights_are_a_copy() -> None:
    best, waited = seen([0.9, 0.5, 0.6, 0.4, 0.45, 0.41, 0.4], patience=3)
    assert waited == [0, 0, 1, 0, 1, 2, 3]
    assert (best.stop, best.epoch, best.step, best.value) == (True, 4, 40, 0.4)
    assert best.weights["weight"].item() == 4


def test_a_gain_below_the_minimum_does_not_count_but_gives_the_best_weights() -> None:
    best, waited = seen([0.9, 0.85, 0.82, 0.79, 0.7], patience=3, min_delta=0.1)
    assert waited == [0, 1, 2, 0, 1]  # 0.79 is more than 0.1 below 0.9; 0.7 is not below 0.79 by more
    assert (best.epoch, best.stop) == (5, False)


def test_any_metric_in_either_direction_and_a_late_beginning() -> None:
    best, waited = seen([0.9, 0.5, 0.6, 0.7], patience=2, monitor="validation/accuracy")
    assert (best.mode, best.epoch, waited) == ("max", 2, [0, 0, 1, 2])
    best, _ = seen([0.9, 0.5, 0.6], patience=2, monitor="validation/accuracy", mode="min")
    assert best.epoch == 1
    best, waited = seen([0.1, 0.5, 0.6, 0.7], patience=2, start_from_epoch=2)
    assert (waited, best.epoch) == ([0, 0, 0, 1], 1)
    best, _ = seen([float("nan"), float("nan"), 0.5], patience=3)
    assert (best.epoch, best.waited) == (3, 0)


def test_without_early_stopping_the_best_weights_are_kept_beside_the_last(tmp_path: Path) -> None:
    done = passo.train("fashion-mnist-sample", "mlp", **OVERFITS, epochs=12, out=tmp_path / "a")
    losses = done.run.metric("validation/loss").values
    found = done.run.info["best"]
    assert found == {
        "monitor": "validation/loss",
        "mode": "min",
        "value": losses.min(),
        "epoch": int(losses.argmin()) + 1,
        "step": 3 * (int(losses.argmin()) + 1),
    }
    assert found["epoch"] < 12  # it does over-fit
    until = passo.train("fashion-mnist-sample", "mlp", **OVERFITS, epochs=found["epoch"], out=tmp_path / "b")
    for name in ("fc1.weight", "out.bias"):
        assert np.array_equal(done.run.array(f"best/{name}"), until.run.array(f"weights/{name}"))
        assert not np.array_equal(done.run.array(f"best/{name}"), done.run.array(f"weights/{name}"))


def test_a_training_stops_early_and_its_best_weights_are_tested(tmp_path: Path) -> None:
    settings = {**OVERFITS, "early_stopping": {"patience": 2}}
    done = passo.train("fashion-mnist-sample", "mlp", **settings, epochs=100, out=tmp_path / "a")
    losses = done.run.metric("validation/loss").values
    best = int(losses.argmin()) + 1
    assert len(losses) == best + 2
    (kind, _, told, _) = done.run.events()[-1]
    assert kind == "early stopping"
    assert told.startswith(f"stopped after epoch {best + 2}: 2 epochs without a gain in validation/loss")
    until = passo.train("fashion-mnist-sample", "mlp", **OVERFITS, epochs=best, out=tmp_path / "b")
    assert done.weights_sha256 == until.weights_sha256
    assert done.test is not None
    assert until.test is not None
    assert done.test.loss == until.test.loss
    last = {**settings, "early_stopping": {"patience": 2, "restore_best": False}}
    kept = passo.train("fashion-mnist-sample", "mlp", **last, epochs=100, out=tmp_path / "c")
    assert kept.weights_sha256 != done.weights_sha256
    assert np.array_equal(kept.run.array("best/out.bias"), done.run.array("weights/out.bias"))


def test_a_training_that_waits_goes_on_to_the_same_end(tmp_path: Path) -> None:
    settings = {**OVERFITS, "early_stopping": {"patience": 3}, "epochs": 100}
    whole = passo.train("fashion-mnist-sample", "mlp", **settings, out=tmp_path / "a")
    config = train_config({**settings, "dataset": {"name": "fashion-mnist-sample", **SMALL}, "model": "mlp"})
    epochs = len(whole.run.metric("validation/loss").values)
    for after in (3 * (epochs - 2), 3 * (epochs - 1) + 1, 3 * epochs):  # waiting; within an epoch; at its end
        folder = tmp_path / str(after)
        with training(config, folder, keeping=Keeping(seconds=None)) as opened:
            for record in opened.records:
                if not isinstance(record, Result) and record.step == after:
                    break
        again = passo.resume(folder)
        assert again.weights_sha256 == whole.weights_sha256
        assert again.run.info["best"] == whole.run.info["best"]
        assert np.array_equal(again.run.metric("train/loss").values, whole.run.metric("train/loss").values)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"early_stopping": {"monitor": "validation/acuracy"}}, "early_stopping.monitor must be one of"),
        ({"early_stopping": {"patience": 0}}, "early_stopping.patience"),
        (
            {"early_stopping": {"patience": 2}, "dataset": {"validation": None}},
            "needs a validation set",
        ),
    ],
)
def test_a_mistake_is_one_sentence(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        passo.train("fashion-mnist-sample", "mlp", out=tmp_path / "a", **settings)
    assert not (tmp_path / "a").exists()


def test_a_request_to_stop_is_heard_and_the_training_goes_on_later(tmp_path: Path) -> None:
    folder = tmp_path / "long"
    config = train_config({"model": "mlp", "dataset": {"allow_sample": True, **SMALL}, "epochs": 100_000})
    with pytest.raises(KeyboardInterrupt), training(config, folder) as opened:
        for record in opened.records:
            assert isinstance(record, StepRecord)
            if record.step == 3:
                store.ask_to_stop(folder)
    there = store.open_study(folder)
    assert there.status == "interrupted" and there.checkpoints() and not (folder / STOP).exists()
    with pytest.raises(StoreError, match="nothing to stop"):
        store.ask_to_stop(folder)
    (folder / STOP).touch()  # of one that ended before it looked: the next does not take it for its own
    with training(config, folder, keeping=Keeping(max_time=1.0)) as opened:
        assert opened.done > 3
        for _ in opened.records:
            pass
    assert store.open_study(folder).runs[0].error == "its time is up (1 s)"


def test_scalars_are_in_the_store_while_an_epoch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PERIOD", 0.0)
    config = train_config({"model": "mlp", "dataset": {"allow_sample": True, **SMALL}, "batch_size": 4, "epochs": 1})
    with training(config, tmp_path / "watched") as opened:
        for record in opened.records:
            if isinstance(record, StepRecord) and record.step == 7:
                seen = store.open_study(tmp_path / "watched").runs[0].metric("train/loss")
    assert seen.steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert len(store.open_study(tmp_path / "watched").runs[0].metric("train/loss").values) == opened.steps
