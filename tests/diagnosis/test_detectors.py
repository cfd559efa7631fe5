"""Each detector finds its own defect in a loop that has it, and nothing in loops that are healthy."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parent))

from loops import Lens, images, mlp, trained

from passo.diagnosis import DETECTORS, diagnose
from passo.recording import watch
from passo.recording.held import HeldRun

Schedule = torch.optim.lr_scheduler
Optimizer = torch.optim.Optimizer


def sgd(lr: float, momentum: float = 0.9, **more: Any) -> Callable[[nn.Module], Optimizer]:
    return lambda model: torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, **more)


def adam(lr: float) -> Callable[[nn.Module], Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8 * 26 * 26, 10)
    )


def deep(between: type[nn.Module], scale: float | None = None) -> nn.Module:
    hidden = [layer for _ in range(6) for layer in (between(), nn.Linear(32, 32))]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), *hidden, between(), nn.Linear(32, 10))
    for layer in model if scale else ():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, scale or 0.0)
    return model


def zeroed() -> nn.Module:
    model = mlp()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def frozen() -> nn.Module:
    model = mlp()
    model[1].requires_grad_(False)
    return model


def changed(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
    x, y, new_x, new_y = images()
    return *change(x, y), new_x, new_y


def in_order(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    order = y.argsort()
    return x[order], y[order]


def mixed_up(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]


def uneven(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    kept = torch.cat([torch.nonzero(y == label).flatten()[: (None if label < 2 else 6)] for label in range(10)])
    return x[kept], y[kept]


def leaked() -> tuple[Tensor, ...]:
    x, y, new_x, new_y = images()
    return x, y, torch.cat([x[:200], new_x]), torch.cat([y[:200], new_y])


def elsewhere(optimizer: Optimizer) -> Any:
    return Schedule.StepLR(torch.optim.SGD(optimizer.param_groups[0]["params"], lr=0.1), 1)


def clip(model: nn.Module) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)


HEALTHY: dict[str, Callable[[], Lens]] = {
    "adam": lambda: trained(),
    "sgd with momentum": lambda: trained(optimizer=sgd(0.05)),
    "sgd": lambda: trained(optimizer=sgd(0.1, 0)),
    "batch norm and dropout": lambda: trained(cnn(), epochs=2),
    "adamw": lambda: trained(optimizer=lambda m: torch.optim.AdamW(m.parameters(), lr=3e-3, weight_decay=0.01)),
    "one cycle": lambda: trained(schedule=lambda o: Schedule.OneCycleLR(o, 0.01, total_steps=150), per_batch=True),
    "step": lambda: trained(schedule=lambda o: Schedule.StepLR(o, 1, 0.5)),
    "some clipping": lambda: trained(before_step=lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1.0)),
}
BROKEN: dict[str, Callable[[], Lens]] = {
    "zero-grad": lambda: trained(clear=False),
    "eval-mode": lambda: trained(cnn(), epochs=1, mode=lambda model, _: model.eval()),
    "train-mode": lambda: trained(cnn(), epochs=1, mode=lambda model, _: model.train()),
    "schedule-elsewhere": lambda: trained(schedule=elsewhere),
    "schedule-too-slow": lambda: trained(schedule=lambda o: Schedule.OneCycleLR(o, 0.01, total_steps=150)),
    "schedule-too-fast": lambda: trained(schedule=lambda o: Schedule.StepLR(o, 5, 0.5), per_batch=True),
    "lacking": lambda: trained(optimizer=lambda model: torch.optim.Adam(model[3:].parameters(), lr=1e-3)),
    "frozen": lambda: trained(frozen()),
    "batch-of-one": lambda: trained(cnn(), size=1, epochs=1, data=changed(lambda x, y: (x[:200], y[:200]))),
    "unscaled": lambda: trained(data=changed(lambda x, y: (x * 90 + 73, y))),
    "softmax-twice": lambda: trained(mlp(nn.Softmax(1))),
    "sorted": lambda: trained(data=changed(in_order), shuffle=False),
    "labels-shuffled": lambda: trained(data=changed(mixed_up)),
    "leak": lambda: trained(data=leaked()),
    "imbalance": lambda: trained(data=changed(uneven)),
    "lr-high": lambda: trained(optimizer=adam(0.1)),
    "lr-low": lambda: trained(optimizer=adam(1e-5)),
    "clipping": lambda: trained(optimizer=sgd(0.05), before_step=clip),
    "weight-decay": lambda: trained(optimizer=sgd(0.05, weight_decay=0.3)),
    "zero-init": lambda: trained(zeroed()),
    "dead": lambda: trained(mlp(bias=-20.0)),
    "vanishing": lambda: trained(deep(nn.Sigmoid)),
    "exploding": lambda: trained(deep(nn.ReLU, 1.5)),
}


@pytest.fixture(autouse=True)
def _its_own_numbers() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_healthy_training(name: str) -> None:
    found = diagnose(HEALTHY[name]())
    assert found.names == (), str(found)
    assert found.looked == len(DETECTORS) - 2 and set(found.blind) == {"validation"}


@pytest.mark.filterwarnings("ignore:Detected call of")  # what torch says of a schedule on another optimizer
@pytest.mark.parametrize("name", BROKEN)
def test_a_detector_finds_its_defect_first(name: str) -> None:
    found = diagnose(BROKEN[name]())
    assert found.names[:1] == (name,), str(found)
    assert found.findings[0].level == ("suspected" if name == "frozen" else "found")
    assert any(character.isdigit() for character in found.findings[0].evidence) or name in ("zero-grad", "eval-mode")


def test_what_another_optimizer_trains_is_not_lacking() -> None:
    model = mlp()
    other = torch.optim.Adam(model[:3].parameters())
    lens = trained(model, lambda model: torch.optim.Adam(model[3:].parameters(), lr=1e-3), epochs=1)
    assert diagnose(lens, only="lacking").names == ()
    del other


def test_labels_are_not_judged_before_a_warm_up_has_ended() -> None:
    slow = trained(schedule=lambda o: Schedule.LinearLR(o, 1e-3, total_iters=3), epochs=3)
    assert diagnose(slow, only="labels-shuffled").names == ()


class Curves(HeldRun):
    """A run of which nothing but curves was kept: metric → steps and values."""

    def __init__(self, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__("curves", {})
        self._curves = curves

    def has(self, name: str) -> bool:
        return name in self._curves

    def metric(self, name: str) -> SimpleNamespace:
        steps, values = self._curves[name]
        return SimpleNamespace(steps=steps, values=values)


def test_examples_known_by_heart_are_suspected_where_the_validation_hardly_rises() -> None:
    steps = np.arange(1, 41)
    curves = {
        "train/loss": (steps, 2.0 / steps**2),
        "validation/loss": (steps[3::4], np.array([1.0, 0.9, 0.9, 0.91, 0.92, 0.93, 0.93, 0.94, 0.94, 0.94])),
    }
    (only,) = diagnose(Curves(curves), only="over-fitting").findings
    assert only.level == "suspected"
    curves["train/loss"] = (steps, np.linspace(2.0, 0.7, 40))
    assert diagnose(Curves(curves), only="over-fitting").names == ()


def test_a_schedule_that_nobody_holds_any_more_is_told_all_the_same() -> None:
    lens = _left(lambda o: Schedule.StepLR(o, 5, 0.5))
    gc.collect()
    assert diagnose(lens, only="schedule-too-fast").names == ("schedule-too-fast",)


def _left(schedule: Callable[[torch.optim.Optimizer], Any]) -> Lens:
    """The open lens of a training whose schedule is gone."""
    x, y, _, _ = images()
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    turning, lens = schedule(optimizer), watch(optimizer, model, warn=False)
    for rows in torch.arange(len(x)).split(16):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
        turning.step()
    return lens
