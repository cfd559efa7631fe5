"""The book's class trains as the book's class does, to the last bit, and without its faults."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import passo
from passo.errors import ConfigError, TrainingError
from passo.stepbystep import Architecture, StepByStep


def naive(sbs: Any, epochs: int, seed: int = 42, clip: Any = None) -> tuple[list[float], list[float]]:
    """What the book's class does with these parts, written down plainly."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    if sbs.train_loader.sampler.generator is not None:
        sbs.train_loader.sampler.generator.manual_seed(seed)
    losses, val_losses = [], []
    for _ in range(epochs):
        each = []
        for x, y in sbs.train_loader:
            sbs.model.train()
            loss = sbs.loss_fn(sbs.model(x), y)
            loss.backward()
            if clip is not None:
                clip(list(sbs.model.parameters()))
            sbs.optimizer.step()
            sbs.optimizer.zero_grad()
            each.append(loss.item())
        losses.append(np.mean(each))
        with torch.no_grad():
            each = []
            for x, y in sbs.val_loader:
                sbs.model.eval()
                each.append(sbs.loss_fn(sbs.model(x), y).item())
            val_losses.append(np.mean(each))
    return losses, val_losses


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("seed", [None, 13])
def test_the_losses_of_a_first_train_are_the_books_to_the_last_bit(build, seed, own_generator) -> None:
    plain, sbs = build(own_generator=own_generator), build(own_generator=own_generator)
    expected = naive(plain, 3, 42 if seed is None else seed)
    torch.manual_seed(99)  # what was drawn before does not matter
    sbs.train(3, *([] if seed is None else [seed]))
    assert (sbs.losses, sbs.val_losses) == expected
    assert same_weights(sbs.model, plain.model)
    assert sbs.total_epochs == 3
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def clamp(parameters: list[Any]) -> None:
    for one in parameters:
        one.grad.clamp_(-0.05, 0.05)


def shrink(norm_type: float) -> Any:
    def clip(parameters: list[Any]) -> None:
        norm = torch.linalg.vector_norm(torch.stack([one.grad.norm(norm_type) for one in parameters]), norm_type)
        for one in parameters:
            one.grad.mul_(torch.clamp(0.1 / (norm + 1e-6), max=1.0))

    return clip


@pytest.mark.parametrize(
    ("method", "arguments", "clip"),
    [
        ("set_clip_grad_value", (0.05,), clamp),
        ("set_clip_backprop", (0.05,), clamp),
        ("set_clip_grad_norm", (0.1,), shrink(2)),
        ("set_clip_grad_norm", (0.1, 1), shrink(1)),
    ],
)
def test_gradients_are_clipped_as_told_until_no_more(build, method, arguments, clip) -> None:
    plain, sbs, free = build(torch.optim.SGD, lr=0.5), build(torch.optim.SGD, lr=0.5), build(torch.optim.SGD, lr=0.5)
    expected = naive(plain, 2, clip=clip)
    getattr(sbs, method)(*arguments)
    sbs.train(2)
    np.testing.assert_allclose(sbs.losses, expected[0], rtol=1e-5)
    free.train(2)
    assert free.losses != sbs.losses
    again = build(torch.optim.SGD, lr=0.5)
    getattr(again, method)(*arguments)
    again.remove_clip()
    assert again.clipping is None
    again.train(2)
    assert again.losses == free.losses


def test_a_second_way_to_clip_takes_the_place_of_the_first(build) -> None:
    sbs, only = build(torch.optim.SGD, lr=0.5), build(torch.optim.SGD, lr=0.5)
    sbs.set_clip_backprop(1e-6)
    sbs.set_clip_grad_norm(0.1)
    only.set_clip_grad_norm(0.1)
    sbs.train(1)
    only.train(1)
    assert sbs.losses == only.losses


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("seed", [None, 7])
def test_a_second_train_goes_on_instead_of_repeating_the_first_ones_shuffle(build, seed, own_generator) -> None:
    whole, parts = build(own_generator=own_generator), build(own_generator=own_generator)
    whole.train(4, seed)
    parts.train(2, seed)
    parts.train(2, seed)
    assert parts.losses == whole.losses and parts.val_losses == whole.val_losses
    assert same_weights(parts.model, whole.model)


def test_the_second_train_sees_another_order(build) -> None:
    sbs, seen = build(), []
    inner = sbs.train_step_fn
    sbs.train_step_fn = lambda x, y: (seen.append(x), inner(x, y))[1]
    sbs.train(1)
    sbs.train(1)
    assert not torch.equal(torch.cat(seen[:4]), torch.cat(seen[4:]))


def test_another_seed_is_set_when_a_later_train_names_it(build) -> None:
    one, other = build(), build()
    for sbs, drawn in ((one, 5), (other, 6)):
        sbs.train(1)
        torch.manual_seed(drawn)
        sbs.train(1, seed=3)
    assert one.losses == other.losses


def test_gradients_left_by_a_readers_own_backward_pass_do_no_harm(build) -> None:
    clean, sbs = build(), build()
    clean.train(1)
    (sbs.model(torch.ones(2, 1, 8, 8)) * math.nan).sum().backward()
    sbs.model.norm1.load_state_dict(build().model.norm1.state_dict())
    sbs.train(1)
    assert sbs.losses == clean.losses


def test_without_a_validation_loader_its_losses_are_none(build) -> None:
    sbs = build()
    sbs.set_loaders(sbs.train_loader)
    sbs.train(2)
    assert len(sbs.losses) == 2 and sbs.val_losses == [None, None]


def test_an_epoch_that_was_broken_off_does_not_count(build) -> None:
    sbs, calls = build(), []
    inner = sbs.train_step_fn

    def step(x: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return inner(x, y)

    sbs.train_step_fn = step
    with pytest.raises(KeyboardInterrupt):
        sbs.train(3)
    assert (sbs.total_epochs, len(sbs.losses), len(sbs.val_losses)) == (1, 1, 1)


def test_what_is_missing_is_said(build) -> None:
    sbs = build()
    sbs.set_loaders(None)
    with pytest.raises(ConfigError, match=r"set_loaders\(train_loader, val_loader\) first"):
        sbs.train(1)
    sbs.set_loaders([])
    with pytest.raises(TrainingError, match="the training loader has no mini-batches"):
        sbs.train(1)


def test_passos_own_batches_and_dropout_train_as_in_fit() -> None:
    data = passo.load("fashion-mnist-sample", per_class=8)

    def parts() -> tuple[Any, Any, Any]:
        model = passo.build("mlp", data.in_shape, 10, seed=0, hidden=[16], dropout=0.5)
        batches = passo.Batches(data.train.images, data.train.labels, 16, generator=torch.Generator().manual_seed(4))
        return model, torch.optim.SGD(model.parameters(), lr=0.1), batches

    model, optimizer, batches = parts()
    fitted = passo.fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=2, seed=42)
    expected = [record.end.train_loss for record in fitted if record.end]
    ours, optimizer, batches = parts()
    sbs = StepByStep(ours, nn.CrossEntropyLoss(), optimizer)
    sbs.set_loaders(batches)
    sbs.train(2)
    np.testing.assert_allclose(sbs.losses, expected, rtol=1e-6)
    assert same_weights(ours, model)


# ── schedulers ──


@pytest.mark.parametrize(
    ("make", "when"),
    [
        (lambda o: lr_scheduler.StepLR(o, 2, 0.5), "epoch"),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), "epoch"),
        (lambda o: lr_scheduler.MultiStepLR(o, [1, 2]), "epoch"),
        (lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.9**n), "epoch"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=12), "step"),
        (lambda o: lr_scheduler.CyclicLR(o, 1e-3, 1e-1, 3, cycle_momentum=False), "step"),
    ],
)
def test_a_scheduler_is_stepped_when_it_needs_to_be(build, make, when) -> None:
    sbs, alone = build(torch.optim.SGD), build(torch.optim.SGD)
    sbs.set_lr_scheduler(make(sbs.optimizer))
    assert sbs.is_batch_lr_scheduler == (when == "step")
    sbs.train(3)
    expected, scheduler = [], make(alone.optimizer)
    for _ in range(12 if when == "step" else 3):
        alone.optimizer.step()
        scheduler.step()
        expected.append([alone.optimizer.param_groups[0]["lr"]])
    assert sbs.learning_rates == expected


def test_a_lambda_scheduler_is_stepped_per_batch_where_told(build) -> None:
    told, assigned = build(), build()
    told.set_lr_scheduler(lr_scheduler.LambdaLR(told.optimizer, lambda n: 0.9**n), when="step")
    assigned.set_lr_scheduler(lr_scheduler.LambdaLR(assigned.optimizer, lambda n: 0.9**n))
    assigned.is_batch_lr_scheduler = True  # as the book's class would be told
    for sbs in (told, assigned):
        sbs.train(2)
        np.testing.assert_allclose(sbs.learning_rates, [[0.01 * 0.9**n] for n in range(1, 9)])


def test_warm_restarts_come_on_time(build) -> None:
    sbs = build()
    sbs.train(3)  # the scheduler counts from when it was set
    sbs.set_lr_scheduler(lr_scheduler.CosineAnnealingWarmRestarts(sbs.optimizer, T_0=2))
    assert sbs.is_batch_lr_scheduler
    sbs.train(5)
    at = [epoch + batch / 4 for epoch in range(5) for batch in range(4)]  # torch's own: after batch i, epoch + i / n
    expected = [[0.01 * (1 + math.cos(math.pi * (t % 2) / 2)) / 2] for t in at]
    np.testing.assert_allclose(sbs.learning_rates, expected, rtol=1e-12, atol=1e-18)
    assert [n for n, (lr,) in enumerate(sbs.learning_rates) if lr == 0.01] == [0, 8, 16]


def test_a_plateau_follows_the_validation_loss_and_says_when_there_is_none(build) -> None:
    sbs = build()
    sbs.set_lr_scheduler(
        lr_scheduler.ReduceLROnPlateau(sbs.optimizer, patience=0, factor=0.5, threshold=9.0, threshold_mode="abs")
    )
    sbs.train(3)  # no loss falls by 9 more
    assert sbs.learning_rates == [[0.01], [0.005], [0.0025]]
    sbs.set_loaders(sbs.train_loader)
    with pytest.raises(TrainingError, match="follows the validation loss, and this training has none"):
        sbs.train(1)


def test_a_scheduler_built_on_another_optimiser_is_refused_aloud(build) -> None:
    sbs = build()
    other = torch.optim.SGD(sbs.model.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="built on another optimizer"):
        sbs.set_lr_scheduler(lr_scheduler.StepLR(other, 1))
    assert sbs.scheduler is None
    sbs.set_lr_scheduler(lr_scheduler.StepLR(sbs.optimizer, 1))
    sbs.set_optimizer(other)
    with pytest.raises(ConfigError, match="built on another optimizer"):
        sbs.train(1)
    sbs.set_lr_scheduler(lr_scheduler.StepLR(other, 1))
    sbs.train(1)


def test_all_parameter_groups_rates_are_told(build) -> None:
    sbs = build()
    groups = [{"params": sbs.model.conv1.parameters()}, {"params": sbs.model.fc1.parameters(), "lr": 0.5}]
    sbs.set_optimizer(torch.optim.SGD(groups, lr=0.1))
    sbs.set_lr_scheduler(lr_scheduler.StepLR(sbs.optimizer, 1, 0.5))
    sbs.train(2)
    assert sbs.learning_rates == [[0.05, 0.25], [0.025, 0.125]]


# ── methods that a chapter adds with setattr ──


def test_methods_that_a_chapter_adds_take_effect(build, monkeypatch) -> None:
    sbs, calls = build(), []

    def told(name: str, answer: Any = 1.0) -> Any:
        return lambda self, *given, **named: (calls.append(name), answer)[1]

    monkeypatch.setattr(StepByStep, "_epoch_schedulers", told("epoch"))
    monkeypatch.setattr(StepByStep, "_mini_batch_schedulers", told("batch"))
    monkeypatch.setattr(StepByStep, "_make_train_step_fn", lambda self: lambda x, y: (calls.append("train"), 2.0)[1])
    monkeypatch.setattr(StepByStep, "_make_val_step_fn", lambda self: lambda x, y: (calls.append("val"), 3.0)[1])
    sbs.train(1)
    assert calls == ["train", "batch"] * 4 + ["val"] * 2 + ["epoch"]
    assert (sbs.losses, sbs.val_losses) == ([2.0], [3.0])
    monkeypatch.setattr(StepByStep, "_mini_batch", told("pass", 5.0))
    sbs.train(1)
    assert calls[11:] == ["pass", "pass", "epoch"] and sbs.losses[-1] == 5.0


@pytest.mark.parametrize("on", ["class", "object", "class before"])
def test_a_step_function_given_in_any_way_is_the_one_called(build, monkeypatch, on) -> None:
    if on == "class before":
        monkeypatch.setattr(StepByStep, "train_step_fn", lambda self, x, y: 7.0)
        monkeypatch.setattr(StepByStep, "val_step_fn", lambda self, x, y: 8.0)
    sbs = build()
    if on == "class":
        monkeypatch.setattr(StepByStep, "train_step_fn", lambda self, x, y: 7.0)
        monkeypatch.setattr(StepByStep, "val_step_fn", lambda self, x, y: 8.0)
    if on == "object":
        sbs.train_step_fn, sbs.val_step_fn = lambda x, y: 7.0, lambda x, y: 8.0
    sbs.train(1)
    assert (sbs.losses, sbs.val_losses) == ([7.0], [8.0])


def test_a_step_function_is_made_once_so_that_it_may_count(build, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(StepByStep, "_make_train_step_fn", lambda self: (made.append(1), lambda x, y: 0.0)[1])
    sbs = build()
    sbs.train(3)
    assert made == [1]


def test_a_whole_training_of_the_chapters_own_runs_on_the_attributes_it_leans_on(build, monkeypatch) -> None:
    def _mini_batch(self: Any, validation: bool = False) -> Any:
        loader, step = (self.val_loader, self.val_step_fn) if validation else (self.train_loader, self.train_step_fn)
        if loader is None:
            return None
        losses = []
        for i, (x, y) in enumerate(loader):
            losses.append(step(x.to(self.device), y.to(self.device)))
            if not validation:
                self._mini_batch_schedulers(i / len(loader))
        return np.mean(losses)

    def train(self: Any, n_epochs: int, seed: int = 42) -> None:
        self.set_seed(seed)
        for _ in range(n_epochs):
            self.total_epochs += 1
            self.losses.append(self._mini_batch(validation=False))
            with torch.no_grad():
                self.val_losses.append(self._mini_batch(validation=True))
            self._epoch_schedulers(self.val_losses[-1])

    ours, theirs = build(), build()
    for sbs in (ours, theirs):
        sbs.set_lr_scheduler(lr_scheduler.CosineAnnealingWarmRestarts(sbs.optimizer, T_0=1))
    ours.train(2)
    monkeypatch.setattr(StepByStep, "_mini_batch", _mini_batch)
    monkeypatch.setattr(StepByStep, "train", train)
    theirs.train(2)
    assert theirs.losses == ours.losses and theirs.learning_rates == ours.learning_rates
    assert theirs.writer is None and theirs.handles == {}


def test_architecture_is_the_same_class_and_can_be_subclassed(build) -> None:
    class Mine(Architecture):
        def __init__(self, model: Any, loss_fn: Any, optimizer: Any) -> None:
            super().__init__(model, loss_fn, optimizer)
            self.added = True

    assert Architecture is StepByStep is passo.stepbystep.StepByStep
    plain, model = build(), build().model
    mine = Mine(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.01))
    mine.set_loaders(plain.train_loader, plain.val_loader)
    mine.train(1)
    plain.train(1)
    assert mine.added and mine.losses == plain.losses


# ── devices ──


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the device would be there")
def test_a_device_that_is_not_there_is_answered_with_one_that_is(build, capsys) -> None:
    sbs = build()
    sbs.to("cuda")
    assert sbs.device == "cpu" and "cuda" in capsys.readouterr().out
    sbs.train(1)


def test_moving_takes_along_what_the_optimizer_remembers(build) -> None:
    sbs = build()
    sbs.train(1)
    sbs.model.double()  # stands for another place: states are to follow their weights
    sbs.to("cpu")
    states = sbs.optimizer.state.values()
    assert {state["exp_avg"].dtype for state in states} == {torch.float64}


def test_importing_and_training_need_neither_matplotlib_nor_tensorboard() -> None:
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'tensorboardX', 'tensorboard', 'torchvision'): sys.modules[name] = None\n"
        "import torch, passo\n"
        "from torch import nn\n"
        "model = nn.Sequential(nn.Conv2d(1, 1, 3))\n"
        "sbs = passo.stepbystep.StepByStep(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))\n"
        "loader = [(torch.randn(2, 1, 3, 3), torch.ones(2, 1, 1, 1))]\n"
        "sbs.set_loaders(loader)\n"
        "sbs.train(1)\n"
        "sbs.attach_hooks(['0']); sbs.predict(loader[0][0])\n"
        "sbs.make_normalizer(loader)\n"
        "for call in (sbs.plot_losses, lambda: sbs.visualize_filters('0'), lambda: sbs.visualize_outputs(['0']),\n"
        "             lambda: sbs.lr_range_test(loader, 1.0), lambda: sbs.set_tensorboard('a')):\n"
        "    try: call()\n"
        "    except passo.PassoError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    drawn = "this needs matplotlib, which is not installed: pip install 'passo[book]'"
    written = "this needs tensorboardX, which is not installed: pip install 'passo[tensorboard]'"
    assert done.stdout.splitlines() == [drawn] * 4 + [written]
