"""A training that stops after any step and goes on ends like one that never stopped: losses, weights, random states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import passo
from passo.errors import CheckpointError
from passo.training import Progress, fit, weights_sha256
from passo.training.checkpoint import load, save

X, Y = torch.randn(70, 4, generator=torch.Generator().manual_seed(1)), torch.arange(70) % 3
EPOCHS, STEPS = 3, 15  # of 16, 16, 16, 16 and 6


def _batches(kind: str) -> Any:
    own = torch.Generator().manual_seed(3)
    return {
        "own generator": lambda: passo.Batches(X, Y, 16, generator=own),
        "global generator": lambda: passo.Batches(X, Y, 16),
        "in order": lambda: passo.Batches(X, Y, 16, shuffle=False),
        "balanced": lambda: passo.Batches(X, Y, 16, weights="balanced", generator=own),
        "loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True),
        "loader with a generator": lambda: DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True, generator=own),
        "list": lambda: [(X[:16], Y[:16]), (X[16:32], Y[16:32])] * 2 + [(X[32:], Y[32:])],
    }[kind]()


def _made(kind: str) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, torch.optim.Adam(model.parameters(), lr=0.01), _batches(kind)


KINDS = [
    *("own generator", "global generator", "in order", "balanced"),
    *("loader", "loader with a generator", "list"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_after_any_step_to_the_same_bits(tmp_path: Path, kind: str) -> None:
    model, optimizer, batches = _made(kind)
    torch.manual_seed(5)
    whole = [
        (record.step, record.epoch, float(record.loss), None if record.end is None else record.end.train_loss)
        for record in fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=EPOCHS)
    ]
    ended = weights_sha256(model), torch.rand(1).item()
    assert len(whole) == STEPS
    for stop in range(1, STEPS):
        model, optimizer, batches = _made(kind)
        torch.manual_seed(5)
        progress, seen = Progress(), []
        for record in fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=EPOCHS, progress=progress):
            seen.append((record.step, record.epoch, float(record.loss), record.end and record.end.train_loss))
            if record.step == stop:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                save(tmp_path / "state", {**state, "progress": progress.state(batches)})
                break
        model, optimizer, batches = _made(kind)
        torch.manual_seed(99)  # whatever another process has drawn by then
        state = load(tmp_path / "state")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        progress = Progress.of(state["progress"], torch.device("cpu"))
        for record in fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=EPOCHS, progress=progress):
            seen.append((record.step, record.epoch, float(record.loss), record.end and record.end.train_loss))
        assert seen == whole, stop
        assert (weights_sha256(model), torch.rand(1).item()) == ended, stop


def test_data_that_became_fewer_are_noticed() -> None:
    model, optimizer, batches = _made("list")
    progress = Progress()
    for record in fit(model, nn.CrossEntropyLoss(), optimizer, batches, progress=progress):
        if record.step == 3:
            break
    again = Progress.of(progress.state(batches), torch.device("cpu"))
    with pytest.raises(CheckpointError, match="fewer than 4 mini-batches"):
        list(fit(model, nn.CrossEntropyLoss(), optimizer, batches[:2], progress=again))
