"""What a review of failing and going on found: each of these was wrong once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from typer.testing import CliRunner

import passo
from passo import store
from passo.cli.app import app
from passo.data import load
from passo.errors import ConfigError, Diverged, TrainingError
from passo.experiments import Study, keeping, run
from passo.experiments.assembling import Loaders, Parts, assemble, records_of
from passo.experiments.concluding import Result
from passo.experiments.diverged import first_in_update, report
from passo.experiments.single import training
from passo.training import Progress, StepRecord, train_config

SMALL = {"name": "fashion-mnist-sample", "per_class": 12, "validation": 20}
HUGE = {"name": "sgd", "lr": 3e38, "weight_decay": 1e4}


def test_ones_own_loaders_that_diverge_are_told_so_and_the_run_is_marked(tmp_path: Path) -> None:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(torch.rand(40, 8), torch.randint(0, 3, (40,))), 10)
    with pytest.raises(TrainingError, match="the loss is not finite at step 2"):
        passo.train(loader, nn.Sequential(nn.Linear(8, 3)), out=tmp_path / "a", optimizer="sgd", lr=1e38, epochs=2)
    (there,) = store.open_study(tmp_path / "a").runs
    assert (there.status, there.info["diverged"]["images"]) == ("diverged", [])


def overflowing(config: dict[str, Any]) -> tuple[Any, Any, Parts, Diverged]:
    """A training that has overflowed, and what it raised."""
    wanted, data = train_config(config), load(**SMALL)
    parts = assemble(wanted, data)
    with pytest.raises(Diverged) as caught:
        for _ in records_of(wanted, parts, None, Progress()):
            pass
    return wanted, data, parts, caught.value


def test_an_overflow_of_half_precision_is_looked_for_in_half_precision() -> None:
    fp16 = {"dataset": SMALL, "model": "lenet", "optimizer": "sgd", "lr": 1e5, "precision": "fp16", "epochs": 4}
    config, data, parts, error = overflowing(fp16)
    found = report(error, config, data, parts, None, records_of).found
    assert found is not None
    assert found.kind == "output"


def test_a_step_that_was_skipped_is_not_the_one_that_spoiled_the_weights() -> None:
    model = nn.Linear(2, 1)
    assert model.weight.grad is None

    def steps() -> Any:
        for step, value in ((1, float("inf")), (2, 1.0), (3, float("nan"))):
            model.weight.grad = torch.full_like(model.weight, value)
            yield StepRecord(step, 1, torch.zeros(()), 0.1, None, 1, skipped=step == 1)

    record, found = first_in_update(steps(), model, 3)
    assert record is not None
    assert found is not None
    assert (record.step, found.kind) == (3, "gradient")


def test_after_a_report_optimizer_and_model_are_those_of_the_state_that_was_kept(tmp_path: Path) -> None:
    schedule = {"name": "step", "step_size": 2, "gamma": 3e42}
    adam = {"name": "sgd", "lr": 1e-5, "weight_decay": 1e4, "momentum": 0.5}
    seen: list[tuple[Parts, Any]] = []

    def reporting(error: Diverged, config: Any, data: Any, parts: Parts, keeper: Any, records: Any) -> Any:
        found = report(error, config, data, parts, keeper, records)
        seen.append((parts, keeper.newest()))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.diverged, "report", reporting)
        with pytest.raises(TrainingError):
            passo.train(load(**SMALL), "mlp", out=tmp_path / "a", optimizer=adam, schedule=schedule, epochs=4)
    (parts, (_, state)) = seen[0]
    now, kept = parts.optimizer.state_dict()["state"], state["optimizer"]["state"]
    assert len(kept) > 0
    for place, one in kept.items():
        assert torch.equal(now[place]["momentum_buffer"], one["momentum_buffer"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_generator_is_judged_under_every_precision(tmp_path: Path, precision: str) -> None:
    data = load(**{**SMALL, "scale": "symmetric"})
    done = passo.train(data, "gan", out=tmp_path / "a", precision=precision, epochs=1, batch_size=16)
    assert done.test is not None
    assert done.test.metrics["distance"] > 0


@pytest.mark.parametrize("model", ["lenet", "tiny-cnn", "cnn2", "cnn"])
def test_lbfgs_trains_networks_whose_weights_are_kept_channels_last(tmp_path: Path, model: str) -> None:
    options: dict[str, Any] = {"optimizer": {"name": "lbfgs", "lr": 0.5, "max_iter": 2}, "epochs": 1}
    found = passo.train(load(**SMALL), model, out=tmp_path / "a", **options)
    assert found.test is not None


@pytest.mark.parametrize("setting", [{"precision": "fp16"}, {"nonfinite": "skip"}])
def test_lbfgs_is_refused_where_single_steps_may_be_skipped(setting: dict[str, str]) -> None:
    """With a scaler it took the scaled gradient for the gradient."""
    with pytest.raises(ConfigError, match="lbfgs evaluates the loss several times"):
        train_config({"optimizer": "lbfgs", **setting})


class Shaken(Dataset[tuple[Tensor, int]]):
    """What a torchvision transform does: it draws from torch's own generator when a sample is fetched."""

    def __len__(self) -> int:
        return 36

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return torch.rand(8) + 0.1 * place, place % 3


@pytest.mark.parametrize("accumulate", [1, 2])
def test_data_that_draw_as_they_are_fetched_go_on_to_the_same_bits_beside_a_dropout(
    tmp_path: Path, accumulate: int
) -> None:
    def walked(folder: Path, stop: int | None) -> str | None:
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.Linear(8, 3))
        config = train_config({"epochs": 2, "accumulate": accumulate, "dataset": "(loaders)", "model": "(Sequential)"})
        loaders = Loaders(DataLoader(Shaken(), 4, shuffle=True))
        with training(config, folder, data=loaders, model=model) as opened:
            for record in opened.records:
                if isinstance(record, Result):
                    return record.weights_sha256
                if record.step == stop:
                    break
        return None

    whole = walked(tmp_path / "whole", None)
    for stop in (2, 3, 7):
        walked(tmp_path / "parts", stop)
    assert walked(tmp_path / "parts", None) == whole is not None


def test_a_search_that_is_interrupted_leaves_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searching(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run.diverged, "report", searching)
    with pytest.raises(KeyboardInterrupt):
        passo.train(load(**SMALL), "mlp", out=tmp_path / "a", optimizer=HUGE, epochs=2)
    assert store.open_study(tmp_path / "a").runs[0].status == "interrupted"


# ── studies ──

STUDY = """
name = "s"
title = "s"
description = "One rate that is good, and one beyond all numbers"
seeds = [0]
[base]
dataset = { name = "fashion-mnist-sample", per_class = 12, validation = 20 }
model = "mlp"
epochs = 1
[[runs]]
name = "good"
optimizer = { name = "sgd", lr = 0.1 }
[[runs]]
name = "bad"
optimizer = { name = "sgd", lr = 3e38, weight_decay = 1e4 }
[[runs]]
name = "other"
optimizer = { name = "sgd", lr = 0.01 }
"""


def study(tmp_path: Path) -> Study:
    (tmp_path / "s.toml").write_text(STUDY)
    return Study(tmp_path / "s.toml")


def test_a_studys_diverged_run_is_at_its_end_and_not_tried_again(tmp_path: Path) -> None:
    """Also where the study was left between two of its runs."""
    ends: list[tuple[str, str]] = []
    for step in study(tmp_path).running(tmp_path / "out", jobs=1):
        ends.append((step.task.run_id, step.status))
        if step.status == "diverged":
            break
    assert ends == [("good-s0", "done"), ("bad-s0", "diverged")]
    ends = [(step.task.run_id, step.status) for step in study(tmp_path).running(tmp_path / "out", jobs=1)]
    assert ends == [("other-s0", "done")]
    there = store.open_study(tmp_path / "out")
    assert there.status == "done"
    assert there.run("bad-s0").info["diverged"]["found"]["name"] == "fc1.weight"
    assert there.names() == ["good", "other"]


def test_the_command_line_says_which_runs_of_a_study_diverged(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY)
    words = ["study", "run", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert "bad-s0 diverged: " in told.output
    assert "diverged, and so not compared: bad-s0" in told.output


# ── stopping early ──


def test_what_was_stopped_at_its_last_epoch_still_says_that_it_stopped_early_and_was_tested_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"dataset": {k: v for k, v in SMALL.items() if k != "name"}, "epochs": 9}
    settings |= {"optimizer": "sgd", "lr": 0.0001, "early_stopping": {"patience": 1, "min_delta": 100.0}}

    def trained(name: str) -> passo.Trained:
        return passo.train("fashion-mnist-sample", "mlp", out=tmp_path / name, **settings)

    whole = trained("whole").run
    said = [message for kind, _, message, _ in whole.events() if kind == "early stopping"]
    assert len(said) == 1
    assert whole.metric("test/loss").epochs.tolist() == [2.0]

    keep: Callable[..., None] = keeping.Keeper.keep

    def stopped(self: keeping.Keeper) -> None:
        keep(self)
        if self.progress.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keeping.Keeper, "keep", stopped)
        trained("stopped")
    again = trained("stopped").run
    assert [message for kind, _, message, _ in again.events() if kind == "early stopping"] == said
    assert again.info["weights_sha256"] == whole.info["weights_sha256"]
