"""A training that leaves the finite numbers says where first, on which images, and what is kept; or skips the step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import passo
from passo import store
from passo.data import Batches, load
from passo.errors import Diverged, TrainingError
from passo.experiments.diverged import first_in_forward
from passo.training import fit

HUGE = {"name": "sgd", "lr": 3e38, "weight_decay": 1e4}  # lr · 1e4 · w is beyond float32
SMALL = {"per_class": 20, "validation": 20}


def diverged(folder: Path, **settings: Any) -> tuple[str, store.StoredRun]:
    with pytest.raises(TrainingError) as caught:
        passo.train("fashion-mnist-sample", out=folder, **{"dataset": SMALL, "optimizer": "sgd", **settings})
    return str(caught.value), store.open_study(folder).runs[0]


def test_an_update_that_overflows_is_found_by_repeating_the_step(tmp_path: Path) -> None:
    told, run = diverged(tmp_path / "a", model="mlp", optimizer=HUGE, epochs=3)
    found = run.info["diverged"]
    assert (run.status, found["found"]["kind"], found["found"]["name"]) == ("diverged", "update", "fc1.weight")
    assert (found["step"], found["seen_at"]) == (1, 2)
    assert len(found["images"]) == 64
    assert told == found["sentence"] == run.error
    assert "at step 2, because of step 1 (epoch 1, lr 3e+38): first not finite is the update of fc1.weight" in told
    assert run.events()[-1][0] == "diverged"
    assert run.metric("train/loss").steps.tolist() == [1]


def test_the_last_good_state_is_kept_and_the_step_is_found_from_it(tmp_path: Path) -> None:
    schedule = {"name": "step", "step_size": 2, "gamma": 3e43}  # all is well for two epochs
    decaying = {"name": "sgd", "lr": 1e-5, "weight_decay": 1e4}
    told, run = diverged(tmp_path / "a", model="mlp", optimizer=decaying, epochs=4, schedule=schedule)
    found = run.info["diverged"]
    first = found["kept"] + 1
    assert (found["found"]["kind"], found["step"], found["seen_at"]) == ("update", first, first + 1)
    assert f"the state after step {found['kept']:,} is kept" in told
    assert store.open_study(tmp_path / "a").checkpoints()[-1] == (run.id, found["kept"])
    steps = run.metric("train/loss").steps.tolist()
    assert steps == list(range(1, first + 1))


class Rooted(nn.Module):
    """√ of a layer's output: no number below 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)).sqrt())


def test_the_first_tensor_in_forward_order_is_named_and_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model, x, y = Rooted(), torch.randn(8, 4), torch.zeros(8, dtype=torch.long)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    found, _ = first_in_forward(model, nn.CrossEntropyLoss(), x, y)
    assert found is not None
    assert (found.kind, found.name) == ("output", "last (Linear)")  # the root itself is no module
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        model.norm.bias[1] = math.inf
    found, _ = first_in_forward(model, nn.CrossEntropyLoss(), x, y)
    assert found is not None
    assert str(found) == "the parameter norm.bias: 1 of its 3 elements"
    found, _ = first_in_forward(model, nn.CrossEntropyLoss(), x * math.nan, y)
    assert str(found) == "the batch itself: 32 of its 32 elements"


def poisoned() -> tuple[Tensor, Tensor]:
    data = load("fashion-mnist-sample", per_class=10, validation=None)
    images = data.train.images.clone()
    images[[7, 42]] = math.nan
    return images, data.train.labels


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def test_the_images_at_fault_are_named(tmp_path: Path) -> None:
    images, labels = poisoned()
    batches = Batches(images, labels, 10, shuffle=False)
    net = model()
    with pytest.raises(Diverged) as caught:
        list(fit(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), 0.1), batches, nonfinite="stop"))
    assert (caught.value.step, list(caught.value.positions)) == (1, list(range(10)))
    assert torch.equal(caught.value.batch[0].isnan().flatten(1).any(1).nonzero().flatten(), torch.tensor([7]))


def test_a_batch_of_several_is_the_one_that_is_told() -> None:
    images, labels = poisoned()
    batches, net = Batches(images[10:], labels[10:], 10, shuffle=False), model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with pytest.raises(Diverged) as caught:
        list(fit(net, nn.CrossEntropyLoss(), optimizer, batches, nonfinite="stop", accumulate=4))
    assert (caught.value.step, caught.value.part, caught.value.positions[0]) == (1, 3, 30)


def test_skipping_leaves_out_exactly_the_bad_steps_and_is_otherwise_the_same_training() -> None:
    images, labels = poisoned()
    nets = [model(), model()]
    for net, chosen in zip(nets, (range(100), [i for i in range(100) if i // 10 not in (0, 4)]), strict=True):
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        batches = Batches(images[list(chosen)], labels[list(chosen)], 10, shuffle=False)
        records = list(fit(net, nn.CrossEntropyLoss(), optimizer, batches, nonfinite="skip"))
        skipped = [record.step for record in records if record.skipped]
        assert skipped == ([1, 5] if len(chosen) == 100 else [])
        assert records[-1].end is not None
        assert math.isfinite(records[-1].end.train_loss)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_gradient_that_clipping_would_make_finite_is_skipped_all_the_same() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    batches = [(torch.full((1, 1), 3e38), torch.full((1, 1), -2.0)), (torch.ones(1, 1), torch.ones(1, 1))]
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    records = list(fit(net, nn.MSELoss(), optimizer, batches, nonfinite="skip", clip_value=1.0))
    assert [record.skipped for record in records] == [True, False]
    assert net.weight.item() == pytest.approx(0.1)  # clipped to −1 by the second alone


def test_a_skipped_step_is_said_and_a_training_that_skips_everything_has_diverged(tmp_path: Path) -> None:
    images, labels = poisoned()
    loader = Batches(images, labels, 10, shuffle=False)
    done = passo.train(loader, model(), optimizer="sgd", lr=0.1, epochs=2, nonfinite="skip", out=tmp_path / "a")
    assert [event[:3] for event in done.run.events()] == [
        ("skipped", 10, "2 steps were skipped, their loss or gradient not finite: step 1, 5"),
        ("skipped", 20, "2 steps were skipped, their loss or gradient not finite: step 11, 15"),
    ]
    nothing = Batches(images * math.nan, labels, 10)
    with pytest.raises(TrainingError, match="the loss is not finite at step 10"):
        passo.train(nothing, model(), optimizer="sgd", lr=0.1, epochs=1, nonfinite="skip", out=tmp_path / "b")


def test_weights_that_the_last_step_broke_are_no_result(tmp_path: Path) -> None:
    told, run = diverged(tmp_path / "a", model="mlp", optimizer=HUGE, epochs=1, batch_size="all")
    assert run.info["diverged"]["found"]["kind"] == "update"
    assert told.startswith(
        "a weight is not finite at step 1 (epoch 1, lr 3e+38): first not finite is the update of fc1"
    )
    assert not [name for name in run.arrays() if name.startswith("weights/")]


def test_a_training_that_only_its_validation_or_test_betrays_has_diverged_too(tmp_path: Path) -> None:
    told, _ = diverged(tmp_path / "a", model="mlp", lr=3e38, epochs=1, batch_size="all")
    assert "the validation loss is not finite at step 1 (epoch 1, lr 3e+38): first not finite is the output of" in told
    settings = {"per_class": 20, "validation": None}
    told, run = diverged(tmp_path / "b", model="mlp", lr=3e38, epochs=1, batch_size="all", dataset=settings)
    assert told.startswith("the test loss is not finite at step 1")
    assert run.status == "diverged"
