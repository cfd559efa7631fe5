"""A range test and a verification leave everything as it was, however they end."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler, TensorDataset, WeightedRandomSampler

from passo.data import Batches
from passo.errors import TrainingError
from passo.experiments import lr_range, verify_range
from passo.models.dropout import Dropout
from passo.recording import watch
from passo.training import fit, weights_sha256


class Shuffled(Sampler[int]):
    """A sampler with a NumPy generator and one of Python's own."""

    def __init__(self, n: int) -> None:
        self.n, self.numpy, self.python = n, np.random.default_rng(3), random.Random(4)

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        order = self.numpy.permutation(self.n).tolist()
        self.python.shuffle(order)
        return iter(order)


class Jittered(TensorDataset):
    """A data set that draws from an old NumPy generator and from the global ones."""

    def __init__(self, *tensors: Tensor) -> None:
        super().__init__(*tensors)
        self.noise = np.random.RandomState(5)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        x, y = super().__getitem__(index)
        return x + 0.01 * float(self.noise.randn() + random.random() + np.random.rand() + torch.rand(())), y


def points() -> tuple[Tensor, Tensor]:
    x = torch.randn(64, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    return x, (x.flatten(1)[:, :3] * 3).argmax(1)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


BATCHES: dict[str, Callable[[], Any]] = {
    "batches": lambda: Batches(*points(), 16, generator=generator()),
    "batches of the global generator": lambda: Batches(*points(), 16),
    "balanced": lambda: Batches(*points(), 16, weights="balanced", generator=generator()),
    "list": lambda: [points(), points()],
    "loader": lambda: DataLoader(TensorDataset(*points()), 16, shuffle=True, generator=generator()),
    "loader of the global generator": lambda: DataLoader(TensorDataset(*points()), 16, shuffle=True),
    "weighted": lambda: DataLoader(
        TensorDataset(*points()), 16, sampler=WeightedRandomSampler([1.0] * 64, 64, generator=generator())
    ),
    "sampler of its own": lambda: DataLoader(Jittered(*points()), 16, sampler=Shuffled(64)),
}


class Everything:
    """A model with all that can be disturbed, its optimizer in the midst of a training, a schedule, batches."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        random.seed(1)
        np.random.seed(2)
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), Dropout(0.2), nn.Flatten(), nn.Dropout(0.1),
            nn.Linear(64, 8), nn.Linear(8, 3),
        )  # fmt: skip
        self.loss_fn = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 0.01, total_steps=100)
        self.batches = BATCHES[kind]()
        for _ in fit(self.model, self.loss_fn, self.optimizer, self.batches, schedule=self.schedule):
            pass
        self.model[1].eval()
        self.model[6].weight.requires_grad_(False)
        self.model[7].weight.grad = None
        self.model[7].bias.grad = torch.tensor([1.0, float("nan"), -0.0])
        self.sources = _generators(self.batches)

    def state(self) -> dict[str, Any]:
        """Everything, down to the bits and to which object it is."""
        names = dict(self.model.named_parameters())
        return {
            "weights": {name: (id(t), bits(t)) for name, t in self.model.state_dict(keep_vars=True).items()},
            "gradients": {name: (id(p.grad), bits(p.grad)) for name, p in names.items()},
            "trainable": {name: p.requires_grad for name, p in names.items()},
            "modes": [module.training for module in self.model.modules()],
            "dropout": [(m.seed, m.step, m.micro_batch) for m in self.model.modules() if isinstance(m, Dropout)],
            "optimizer": frozen(self.optimizer.state_dict()),
            "groups": [{k: id(v) if k == "params" else v for k, v in g.items()} for g in self.optimizer.param_groups],
            "attributes": sorted(vars(self.optimizer)),
            "schedule": frozen(self.schedule.state_dict()),
            "global": frozen((random.getstate(), np.random.get_state(), torch.get_rng_state())),
            "own": [frozen(read()) for read in self.sources],
            "grad mode": torch.is_grad_enabled(),
        }


def frozen(value: Any) -> Any:
    """Nested values with every tensor and array as its bytes."""
    if isinstance(value, Tensor):
        return bits(value)
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: frozen(inner) for key, inner in value.items()}
    return [frozen(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def bits(tensor: Tensor | None) -> bytes | None:
    return None if tensor is None else tensor.detach().numpy().tobytes()


def _generators(batches: Any) -> list[Callable[[], Any]]:
    """The states of the generators, each where this test put it."""
    if isinstance(batches, list):
        return []
    own = [batches.generator, getattr(getattr(batches, "sampler", None), "generator", None)]
    found: list[Callable[[], Any]] = [g.get_state for g in own if g is not None]
    sampler, dataset = getattr(batches, "sampler", None), getattr(batches, "dataset", None)
    if isinstance(sampler, Shuffled):
        found += [lambda: sampler.numpy.bit_generator.state, sampler.python.getstate]
    if isinstance(dataset, Jittered):
        found.append(dataset.noise.get_state)
    return found


def poisoned(after: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss that is not a number from some call on, nor are its gradients."""
    calls = iter(range(10_000))
    return lambda output, y: nn.functional.cross_entropy(output, y) * (1.0 if next(calls) < after else float("nan"))


def stopping(after: int, error: BaseException) -> Callable[[Tensor, Tensor], Tensor]:
    calls = iter(range(10_000))

    def loss_fn(output: Tensor, y: Tensor) -> Tensor:
        if next(calls) == after:
            raise error
        return nn.functional.cross_entropy(output, y)

    return loss_fn


SHORT: dict[str, Any] = {"lr_min": 1e-4, "lr_max": 1.0, "steps": 80, "divergence": float("inf")}
ENDS: dict[str, tuple[dict[str, Any], Any, type[BaseException] | None]] = {
    "done": (SHORT, None, None),
    "diverged": (SHORT, lambda: poisoned(76), None),
    "failed": (SHORT, lambda: stopping(30, ValueError("in the middle")), ValueError),
    "interrupted": (SHORT, lambda: stopping(30, KeyboardInterrupt()), KeyboardInterrupt),
    "never fell": ({**SHORT, "lr_min": 1e-30, "lr_max": 1e-29}, None, TrainingError),
}


FULLY = ("batches", "sampler of its own")  # every end with these, two ends with the others
CASES = [(kind, end) for kind in BATCHES for end in ENDS if kind in FULLY or end in ("diverged", "interrupted")]


@pytest.mark.parametrize(("kind", "end"), CASES)
def test_a_range_test_leaves_everything_as_it_was(kind: str, end: str) -> None:
    there = Everything(kind)
    options, loss_fn, error = ENDS[end]
    before = there.state()
    assert there.model[7].weight.grad is None
    call = (there.model, loss_fn() if loss_fn else there.loss_fn, there.optimizer, there.batches)
    if error is None:
        found = lr_range(*call, seeds=2, **options)
        assert (found.diverged_at is not None) == (end == "diverged")
        assert end != "diverged" or not np.isfinite(found.tests[0].loss[-1])
    else:
        with pytest.raises(error):
            lr_range(*call, seeds=2, **options)
    after = there.state()
    for key in before:
        assert after[key] == before[key], key


@pytest.mark.parametrize("end", ["done", "diverged", "interrupted"])
def test_a_verification_leaves_everything_as_it_was(end: str) -> None:
    there = Everything("sampler of its own")
    validation = DataLoader(TensorDataset(*points()), 16, shuffle=True, generator=generator(9))
    before = (there.state(), validation.generator.get_state().tolist())
    loss_fn = {"done": there.loss_fn, "diverged": poisoned(30), "interrupted": stopping(30, KeyboardInterrupt())}[end]
    call = (there.model, loss_fn, there.optimizer, there.batches, 1e-3)
    if end == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            verify_range(*call, steps=20, seeds=2, validation=validation)
    else:
        found = verify_range(*call, steps=20, seeds=2, validation=validation)
        assert np.isfinite([each.final for each in found.trainings]).all() == (end == "done")
    assert (there.state(), validation.generator.get_state().tolist()) == before


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("diverges", [False, True])
def test_the_next_training_is_what_it_would_have_been_without_the_test(kind: str, diverges: bool) -> None:
    hashes = []
    for tested in (True, False):
        there = Everything(kind)
        if tested:
            loss_fn = poisoned(76) if diverges else there.loss_fn
            lr_range(there.model, loss_fn, there.optimizer, there.batches, **SHORT)
        list(fit(there.model, there.loss_fn, there.optimizer, there.batches, epochs=2))
        hashes.append((weights_sha256(there.model), torch.rand(1).item(), random.random(), np.random.rand()))
    assert hashes[0] == hashes[1]


def test_a_pass_under_way_with_standing_workers_goes_on_where_it_was() -> None:
    passes = []
    for tested in (True, False):
        there = Everything("list")
        options: dict[str, Any] = {"num_workers": 1, "persistent_workers": True, "generator": generator()}
        loader = DataLoader(TensorDataset(*points()), 16, shuffle=True, **options)
        walking = iter(loader)
        seen = [next(walking)]
        if tested:
            lr_range(there.model, there.loss_fn, there.optimizer, loader, **SHORT)
        assert loader._iterator is walking
        passes.append(torch.cat([y for _, y in [*seen, *walking, *loader]]).tolist())
    assert passes[0] == passes[1]


def test_what_was_drawn_before_a_test_changes_nothing_in_it() -> None:
    losses = []
    for drawn in (0, 5):
        there = Everything("sampler of its own")
        torch.rand(drawn)
        for _ in range(drawn):
            next(iter(there.batches))
        losses.append(lr_range(there.model, there.loss_fn, there.optimizer, there.batches, **SHORT).tests[0].loss)
    np.testing.assert_array_equal(*losses)


def test_a_watched_model_is_tested_unwatched() -> None:
    there = Everything("batches")
    lens = watch(there.optimizer, there.model)
    lr_range(there.model, there.loss_fn, there.optimizer, there.batches, **SHORT)
    assert len(lens.steps) == 0
    lens.close()


def test_hooks_of_passo_are_left_out_and_a_models_own_go_with_the_copy() -> None:
    there = Everything("batches")
    seen: list[str] = []

    def recorder(*_: Any) -> None:
        seen.append("recorder")

    recorder.__module__ = "passo.recording.anything"

    def scaled(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        seen.append("model")
        return (0.5 * inputs[0] + 1,)

    there.model[0].register_forward_hook(recorder)
    plain = lr_range(there.model, there.loss_fn, there.optimizer, there.batches, **SHORT)
    assert seen == []
    assert len(there.model[0]._forward_hooks) == 1
    there.model[0].register_forward_pre_hook(scaled)
    other = lr_range(there.model, there.loss_fn, there.optimizer, there.batches, **SHORT)
    assert set(seen) == {"model"}
    assert other.tests[0].loss[0] != plain.tests[0].loss[0]


def test_a_loss_function_with_parameters_of_its_own_is_copied_too() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, output: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(output * self.scale, y)

    there = Everything("batches")
    loss_fn = Weighted()
    optimizer = torch.optim.Adam([*there.model.parameters(), *loss_fn.parameters()])
    lr_range(there.model, loss_fn, optimizer, there.batches, **SHORT)
    assert loss_fn.scale.grad is None
    assert loss_fn.scale.tolist() == [1, 1, 1]


def test_it_works_where_gradients_are_off_and_for_tied_weights_and_named_parameters() -> None:
    x, y = points()
    layer = nn.Linear(36, 36)
    model = nn.Sequential(nn.Flatten(), layer, nn.Tanh(), layer, nn.Linear(36, 3))
    optimizer = torch.optim.AdamW(model.named_parameters())
    with torch.no_grad():
        found = lr_range(model, nn.CrossEntropyLoss(), optimizer, [(x, y)], lr_max=1.0)
    assert found.tests[0].smoothed.min() < 0.5 * found.tests[0].loss[0]


def test_a_model_that_cannot_be_copied_is_not_tested() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    model[1].extra = model[1].weight * 2  # not a leaf: torch refuses to copy it
    with pytest.raises(TrainingError, match="cannot be copied"):
        lr_range(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), [points()])
