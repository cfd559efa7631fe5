"""Checkpoints of the book's class: complete, and safe to load; event files; pictures."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from passo.errors import CheckpointError, ConfigError, UnknownName
from passo.stepbystep import StepByStep
from passo.training import checkpoint

SCHEDULERS = {
    "none": None,
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "multistep": lambda o: lr_scheduler.MultiStepLR(o, [1, 3]),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.9**n),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.05, total_steps=16),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 1e-1, 3, cycle_momentum=False),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "sequence": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [2]
    ),
}


@pytest.mark.parametrize("order", ["all before", "all after"])
@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    build, tmp_path: Path, name: str, own_generator: bool, order: str
) -> None:
    make = SCHEDULERS[name]
    whole, stopped = build(own_generator=own_generator), build(own_generator=own_generator)
    for sbs in (whole, stopped):
        if make is not None:
            sbs.set_lr_scheduler(make(sbs.optimizer))
    whole.train(4, seed=5)
    stopped.train(2, seed=5)
    stopped.save_checkpoint(tmp_path / "a.safetensors")

    fresh = build(own_generator=own_generator)
    loaders = fresh.train_loader, fresh.val_loader
    nn.init.zeros_(fresh.model.fc1.weight)
    if order == "all after":
        fresh.set_loaders(None)
        fresh.load_checkpoint(str(tmp_path / "a.safetensors"))
    if make is not None:
        fresh.set_lr_scheduler(make(fresh.optimizer))
    if order == "all before":
        fresh.load_checkpoint(str(tmp_path / "a.safetensors"))
    fresh.set_loaders(*loaders)
    assert (fresh.losses, fresh.val_losses, fresh.total_epochs) == (stopped.losses, stopped.val_losses, 2)
    torch.rand(3)  # what is drawn in between does not matter
    fresh.train(2)
    assert fresh.losses == whole.losses and fresh.val_losses == whole.val_losses
    assert fresh.learning_rates == whole.learning_rates and fresh.total_epochs == 4
    for mine, theirs in zip(fresh.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_moment_at_which_a_scheduler_is_stepped_is_kept_too(build, tmp_path: Path) -> None:
    def told() -> StepByStep:
        sbs = build()
        sbs.set_lr_scheduler(lr_scheduler.LambdaLR(sbs.optimizer, lambda n: 0.9**n), when="step")
        return sbs

    whole, stopped, fresh = told(), told(), build()
    whole.train(2)
    stopped.train(1)
    stopped.save_checkpoint(tmp_path / "a")
    fresh.set_lr_scheduler(lr_scheduler.LambdaLR(fresh.optimizer, lambda n: 0.9**n))  # told nothing this time
    fresh.load_checkpoint(tmp_path / "a")
    fresh.train(1)
    assert fresh.losses == whole.losses and fresh.learning_rates == whole.learning_rates


def test_weights_of_the_loss_function_are_kept_too(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, out: Any, y: Any) -> Any:
            return ((self.scale * out - y) ** 2).mean()

    def parts() -> StepByStep:
        torch.manual_seed(0)
        model, loss_fn = nn.Linear(1, 1), Scaled()
        sbs = StepByStep(model, loss_fn, torch.optim.Adam([*model.parameters(), *loss_fn.parameters()], lr=0.1))
        sbs.set_loaders([(torch.ones(4, 1), torch.zeros(4, 1))])
        return sbs

    whole, stopped, fresh = parts(), parts(), parts()
    whole.train(4)
    stopped.train(2)
    stopped.save_checkpoint(tmp_path / "a")
    fresh.load_checkpoint(tmp_path / "a")
    fresh.train(2)
    assert fresh.losses == whole.losses and torch.equal(fresh.loss_fn.scale, whole.loss_fn.scale)


def test_a_channels_last_model_goes_on_in_its_memory_format_from_one_that_is_not(build, tmp_path: Path) -> None:
    whole, stopped, fresh = build(), build(), build()
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(108, 2))
    for sbs in (whole, stopped, fresh):
        sbs.model = deepcopy(model)
        if sbs is not fresh:
            sbs.model.to(memory_format=torch.channels_last)
        sbs.set_optimizer(torch.optim.Adam(sbs.model.parameters(), lr=0.01, fused=True))
    whole.train(2)
    stopped.train(1)
    stopped.save_checkpoint(tmp_path / "a")
    fresh.load_checkpoint(tmp_path / "a")
    fresh.train(1)
    assert fresh.model[1].weight.stride() == whole.model[1].weight.stride() != model[1].weight.stride()
    assert fresh.losses == whole.losses


def test_a_checkpoint_saved_again_before_going_on_is_the_same(build, tmp_path: Path) -> None:
    whole, stopped, between, last = build(), build(), build(), build()
    whole.train(4)
    stopped.train(2)
    stopped.save_checkpoint(tmp_path / "a")
    between.load_checkpoint(tmp_path / "a")
    between.save_checkpoint(tmp_path / "b")
    last.load_checkpoint(tmp_path / "b")
    last.train(2)
    assert last.losses == whole.losses


class Harm:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm"),))


def test_a_pickle_is_refused_and_never_run(build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs.pth").write_bytes(pickle.dumps(Harm()))
    torch.save({"epoch": 1, "loss": Harm()}, "book.pth")
    sbs = build()
    for name in ("theirs.pth", "book.pth"):
        with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
            sbs.load_checkpoint(name)
    assert not Path("harm").exists()
    sbs.save_checkpoint("mine")
    assert b"pickle" not in Path("mine").read_bytes() and not Path("mine").read_bytes().startswith(b"PK")


def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence(build, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other", {"step": 1})
    sbs = build()
    with pytest.raises(CheckpointError, match="was not written by save_checkpoint"):
        sbs.load_checkpoint(tmp_path / "other")
    sbs.train(1)
    sbs.save_checkpoint(tmp_path / "plain")
    scheduled = build()
    scheduled.set_lr_scheduler(lr_scheduler.StepLR(scheduled.optimizer, 1))
    with pytest.raises(CheckpointError, match="was trained without a scheduler"):
        scheduled.load_checkpoint(tmp_path / "plain")
    scheduled.train(1)
    scheduled.save_checkpoint(tmp_path / "scheduled")
    sbs.load_checkpoint(tmp_path / "scheduled")
    with pytest.raises(ConfigError, match=r"set_lr_scheduler\(StepLR\(…\)\) before going on"):
        sbs.train(1)
    with pytest.raises(CheckpointError, match="trained with StepLR, and the scheduler here is ExponentialLR"):
        sbs.set_lr_scheduler(lr_scheduler.ExponentialLR(sbs.optimizer, 0.9))
    model = nn.Linear(2, 2)
    other = StepByStep(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(CheckpointError, match="does not fit"):
        other.load_checkpoint(tmp_path / "plain")


# ── TensorBoard ──


def scalars(folder: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    events = [event for file in sorted(folder.iterdir()) for event in EventFileLoader(str(file)).Load()]
    return [(e.step, v.tensor.float_val[0]) for e in events for v in e.summary.value]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_losses_of_every_epoch_are_written_and_a_second_train_goes_on(build, tmp_path: Path) -> None:
    sbs, plain = build(), build()
    sbs.set_tensorboard("mine", folder=str(tmp_path))
    sbs.train(2)
    sbs.train(1)
    plain.train(3)
    assert sbs.losses == plain.losses
    sbs.writer.close()  # its own thread may be behind
    (run,) = tmp_path.iterdir()
    assert run.name.startswith("mine_")
    for name, losses in (("training", sbs.losses), ("validation", sbs.val_losses)):
        found = scalars(run / "loss" / name)
        assert [step for step, _ in found] == [0, 1, 2]
        np.testing.assert_allclose([value for _, value in found], losses, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_graph_is_written_and_changes_nothing(build, tmp_path: Path) -> None:
    sbs, plain = build(own_generator=True), build(own_generator=True)
    with pytest.raises(ConfigError, match="set_tensorboard and set_loaders first"):
        sbs.add_graph()
    plain.train(2)
    sbs.train(1)
    sbs.set_tensorboard("mine", folder=str(tmp_path))
    sbs.add_graph()
    sbs.train(1)
    assert sbs.losses == plain.losses and sbs.val_losses == plain.val_losses
    (run,) = tmp_path.iterdir()
    assert any(b"conv1" in file.read_bytes() for file in run.iterdir() if file.is_file())


# ── pictures ──


def test_plot_losses_draws_both_losses_over_the_epochs(build) -> None:
    sbs = build()
    sbs.train(3)
    (ax,) = sbs.plot_losses().axes
    assert [line.get_label() for line in ax.lines] == ["Training Loss", "Validation Loss"]
    assert ax.lines[0].get_xydata().tolist() == [[n, loss] for n, loss in enumerate(sbs.losses, start=1)]
    assert ax.lines[1].get_ydata().tolist() == sbs.val_losses
    assert ax.get_yscale() == "log"
    sbs.val_losses = [None] * 3
    (ax,) = sbs.plot_losses().axes
    assert len(ax.lines) == 1


def test_visualize_filters_draws_every_channel_of_every_filter(build) -> None:
    sbs = build()
    figure = sbs.visualize_filters("conv1", cmap="viridis")
    assert len(figure.axes) == 3
    for n, ax in enumerate(figure.axes):
        (image,) = ax.images
        assert np.array_equal(image.get_array(), sbs.model.conv1.weight[n, 0].detach().numpy())
        assert image.get_cmap().name == "viridis" and ax.get_ylabel() == f"Filter #{n}\n3x3"
    with pytest.raises(ConfigError, match="'fc1' has no filters to draw: it is a Linear, not a Conv2d"):
        sbs.visualize_filters("fc1")


def test_visualize_outputs_draws_a_column_for_each_image_and_a_row_for_each_channel(build) -> None:
    sbs = build()
    sbs.attach_hooks(["conv1", "fc1"])
    with pytest.raises(ConfigError, match="nothing has gone through 'fc1'"):
        sbs.visualize_outputs(["fc1"])
    x, y = next(iter(sbs.val_loader))
    found = sbs.predict(x).argmax(1)
    figure = sbs.visualize_outputs(["conv1", "fc1"], n_images=4, y=y, yhat=found)
    axes = np.array(figure.axes).reshape(4, 4)  # three channels and a vector, four images
    for row, column in ((0, 0), (2, 3)):
        assert np.array_equal(axes[row, column].images[0].get_array(), sbs.visualization["conv1"][column, row])
    assert np.array_equal(axes[3, 1].images[0].get_array(), sbs.visualization["fc1"][1:2])
    assert axes[3, 2].get_xlabel() == f"Label: {y[2]}\nPredicted: {found[2]}"
    assert len(sbs.visualize_outputs(["fc1"], n_images=100).axes) == 16  # as many as there are
    with pytest.raises(UnknownName, match="unknown hooked layer 'conv2'"):
        sbs.visualize_outputs(["conv2"])
