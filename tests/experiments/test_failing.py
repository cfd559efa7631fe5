"""A run that fails opens, says what happened, and goes on: memory, disks, sentences."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import passo
from passo import store
from passo.errors import ConfigError, StoreError, TrainingError

SMALL = {"per_class": 20, "validation": 20}


class Greedy(nn.Module):
    """Wants more memory than there is, from the fifth step on."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.steps = nn.Linear(784, 10), 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        if self.steps == 5:
            torch.empty(2**45)
        return self.out(x.flatten(1))


def test_a_run_out_of_memory_says_what_to_try_and_goes_on_from_its_last_state(tmp_path: Path) -> None:
    model = Greedy()
    with pytest.raises(TrainingError, match=r"out of memory .*batch_size=32 with accumulate=2 \(the same gradient\)"):
        passo.train("fashion-mnist-sample", model, optimizer="sgd", epochs=3, dataset=SMALL, out=tmp_path / "a")
    run = store.open_study(tmp_path / "a").runs[0]
    assert run.status == "failed"
    assert str(run.error).startswith("TrainingError: out of memory")
    assert run.metric("train/loss").steps.tolist() == [1, 2, 3, 4]
    assert store.open_study(tmp_path / "a").checkpoints() == [(run.id, 3)]
    model.steps = 100  # there is memory again
    done = passo.train("fashion-mnist-sample", model, optimizer="sgd", epochs=3, dataset=SMALL, out=tmp_path / "a")
    assert done.run.metric("train/loss").steps.tolist() == list(range(1, 10))


def test_a_network_too_large_to_build_is_one_sentence_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model mlp cannot be built .* can't allocate memory"):
        passo.train("fashion-mnist-sample", "mlp", model_options={"hidden": [2**40]}, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_disk_that_fills_up_costs_nothing_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 3, "dataset": SMALL, "out": tmp_path / "a"}
    whole = passo.train("fashion-mnist-sample", "mlp", **{**settings, "out": tmp_path / "whole"})
    commits: list[int] = []

    def full(self: store.Store, sql: str, rows: object) -> None:
        commits.append(1)
        if len(commits) > 9:
            raise StoreError(f"cannot write {self.folder}: database or disk is full")
        write(self, sql, rows)  # type: ignore[arg-type]

    write = store.Store.write
    with monkeypatch.context() as patch:
        patch.setattr(store.Store, "write", full)
        with pytest.raises(StoreError, match="disk is full"):
            passo.train("fashion-mnist-sample", "mlp", **settings)
    there = store.open_study(tmp_path / "a")
    assert (there.status, there.runs[0].status) == ("interrupted", "interrupted")
    assert there.checkpoints()
    again = passo.train("fashion-mnist-sample", "mlp", **settings)
    assert again.weights_sha256 == whole.weights_sha256
    assert again.run.metric("train/loss").steps.tolist() == list(range(1, 10))
    assert sqlite3.connect(tmp_path / "a" / "study.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)
