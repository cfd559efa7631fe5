"""An instrument's state, kept and put back in a new process, goes on as if the training had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.models import build
from passo.recording import Activations, Lens, PathRecorder, record_path, watch
from passo.training.checkpoint import load, save

pytestmark = pytest.mark.filterwarnings("ignore::passo.errors.TrainingWarning")  # events are what is looked at here
Made = tuple[nn.Module, torch.optim.Optimizer]


class Sink:
    """A store in memory: chunks of each array, and events. `copy` is what a checkpoint would count."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, dict[str, np.ndarray]]] = []
        self.events: list[tuple[Any, ...]] = []

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        self.chunks.append((first_step, {name: values.copy() for name, (values, _) in arrays.items()}))

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        self.events.append((kind, message, step, data))

    def copy(self) -> Sink:
        other = Sink()
        other.chunks, other.events = list(self.chunks), list(self.events)
        return other


def _made(name: str = "Adam", model: str = "tiny-cnn") -> Made:
    built = build(model, seed=0)
    return built, getattr(torch.optim, name)(built.parameters(), lr=0.01)


def _walk(made: Made, first: int, last: int) -> None:
    """The steps `first` to `last`, whose batches are those of their number."""
    model, optimizer = made
    for step in range(first, last + 1):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(4, 1, 28, 28, generator=generator)
        y = torch.randint(0, 10, (4,), generator=generator)

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)  # type: ignore[arg-type]
        else:
            closure()
            optimizer.step()


def _through_a_file(state: dict[str, Any], place: Path) -> dict[str, Any]:
    save(place / "state.safetensors", state)
    return load(place / "state.safetensors")


def _again(made: Made, place: Path, *parts: Any) -> Made:
    """A new model and optimizer, in the state of the old ones."""
    model, optimizer = made
    fresh = _made(type(optimizer).__name__)
    kept = _through_a_file({"model": dict(model.state_dict()), "optimizer": optimizer.state_dict()}, place)
    fresh[0].load_state_dict(kept["model"])
    fresh[1].load_state_dict(kept["optimizer"])
    return fresh


def _whole(steps: int, name: str, **options: Any) -> tuple[Lens, Sink]:
    made, sink = _made(name), Sink()
    lens = watch(made[1], made[0], sink=sink, **options)
    _walk(made, 1, steps)
    lens.close()
    return lens, sink


def _parts(steps: int, stops: list[int], place: Path, name: str, **options: Any) -> tuple[Lens, Sink]:
    """The same, stopped after some steps; what is recorded after a stop is lost, as a rewind loses it."""
    made, sink = _made(name), Sink()
    lens, begun = watch(made[1], made[0], sink=sink, **options), 0
    for stop in stops:
        _walk(made, begun + 1, stop)
        kept, counted = _through_a_file(lens.state_dict(), place), sink.copy()
        again = _again(made, place)
        _walk(made, stop + 1, stop + 2)
        lens.close()
        made, sink, begun = again, counted, stop
        lens = watch(made[1], made[0], sink=sink, **options)
        lens.load_state_dict(kept)
    _walk(made, begun + 1, steps)
    lens.close()
    return lens, sink


def _equal(one: Any, other: Any) -> None:
    """The same to the bit, NaN at the same places."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for key in one:
            _equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _equal(a, b)
    else:
        assert one == other or (one != one and other != other)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


OPTIONS: dict[str, dict[str, Any]] = {
    "every step": {},
    "some steps": {"every": 3, "between": (2, 20)},
    "a step before the first look": {"every": 9},
    "coordinates alone": {"statistics": False, "coordinates": "random:20"},
    "random": {"coordinates": "random:7"},
    "moved, while it is undecided": {"coordinates": "moved:7"},
    "moved, never decided": {"coordinates": "moved:7", "every": 8},
    "activations": {"activations": True, "every": 2},
    "coordinates and activations": {"statistics": False, "activations": True},
    "snapshots": {"every": 5, "snapshots": [4, 13]},
    "thinned": {"memory": 0.02},
}


@pytest.mark.parametrize("asked", OPTIONS)
def test_a_lens_that_goes_on_records_what_one_that_never_stopped_does(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same chunks in the same places: neither steps, nor values, nor files depend on when it was kept."""
    monkeypatch.setattr("passo.recording.records.BLOCK", 6)
    monkeypatch.setattr("passo.recording.records.UNDEVELOPED", 8)
    whole, sink = _whole(23, "Adam", **OPTIONS[asked])
    again, there = _parts(23, [1, 7, 19], tmp_path, "Adam", **OPTIONS[asked])
    assert len(sink.chunks) > 0
    _equal(there.chunks, sink.chunks)
    _equal(there.events, sink.events)
    assert again.facts() == whole.facts()
    assert again.coordinates == whole.coordinates


def test_thinning_was_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the case `thinned` is one: its steps are not all of them."""
    monkeypatch.setattr("passo.recording.records.BLOCK", 6)
    _, sink = _whole(23, "Adam", **OPTIONS["thinned"])
    steps = np.concatenate([arrays["trace/steps"] for _, arrays in sink.chunks if "trace/steps" in arrays])
    assert len(steps) < 23 and any(data["what"] == "thinned" for *_, data in sink.events)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adafactor", "RMSprop", "LBFGS", "Rprop"])
def test_other_optimisers_go_on_too(name: str, tmp_path: Path) -> None:
    """Adafactor's equations want whole tensors; LBFGS is measured, and its state told."""
    whole, sink = _whole(9, name, coordinates=2)
    again, there = _parts(9, [4], tmp_path, name, coordinates=2)
    _equal(there.chunks, sink.chunks)
    assert again.facts() == whole.facts()


class Wilful(torch.optim.Optimizer):
    """An optimiser of one's own, with a state that nobody explains."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                kept = self.state[parameter].setdefault("will", torch.zeros_like(parameter))
                kept.mul_(0.5).add_(parameter.grad)
                parameter.sub_(group["lr"] * kept)


def test_the_state_of_an_unexplained_optimiser_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim, "Wilful", Wilful, raising=False)
    whole, sink = _whole(9, "Wilful")
    again, there = _parts(9, [4], tmp_path, "Wilful")
    assert "will" in whole.stages and again.stages == whole.stages
    _equal(there.chunks, sink.chunks)


def test_records_in_memory_are_part_of_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passo.recording.records.BLOCK", 4)
    made = _made()
    whole = watch(made[1], made[0], memory=0.02, snapshots=[3], activations=True)
    _walk(made, 1, 20)
    begun = _made()
    lens = watch(begun[1], begun[0], memory=0.02, snapshots=[3], activations=True)
    _walk(begun, 1, 11)
    kept = _through_a_file(lens.state_dict(), tmp_path)
    again = _again(begun, tmp_path)
    on = watch(again[1], again[0], memory=0.02, snapshots=[3], activations=True)
    on.load_state_dict(kept)
    _walk(again, 12, 20)
    _equal(on.arrays(), whole.arrays())
    assert on.events == whole.events and len(whole.events) > 0
    assert on.residual() == whole.residual()


def test_keeping_the_state_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is recorded, chunks included, nor the training."""
    monkeypatch.setattr("passo.recording.records.BLOCK", 6)
    monkeypatch.setattr("passo.recording.records.UNDEVELOPED", 8)
    asking: list[dict[str, Any]] = [{"activations": True}, {"statistics": False}, {"coordinates": "moved:5"}]
    for options in asking:
        left, asked = _made(), _made()
        sinks = Sink(), Sink()
        lenses = [watch(m[1], m[0], sink=s, **options) for m, s in zip((left, asked), sinks, strict=True)]
        _walk(left, 1, 20)
        for step in range(1, 21):
            _walk(asked, step, step)
            lenses[1].state_dict()
        for lens in lenses:
            lens.close()
        _equal(sinks[1].chunks, sinks[0].chunks)
        for one, other in zip(left[0].parameters(), asked[0].parameters(), strict=True):
            assert torch.equal(one, other)


def test_what_was_said_is_not_said_twice(tmp_path: Path) -> None:
    """A model trained in eval mode is told once, whether or not the training was stopped."""
    made, sink = _made(), Sink()
    made[0].eval()
    lens = watch(made[1], made[0], sink=sink)
    _walk(made, 1, 3)
    assert [event.what for event in lens.events] == ["eval-mode"]
    again = _again(made, tmp_path)
    again[0].eval()
    on = watch(again[1], again[0], sink=sink)
    on.load_state_dict(_through_a_file(lens.state_dict(), tmp_path))
    _walk(again, 4, 6)
    on.close()
    assert [event.what for event in on.events] == ["eval-mode"]
    assert [data["what"] for *_, data in sink.events] == ["eval-mode"]


def test_a_budget_goes_on_without_a_gap_or_a_step_twice(tmp_path: Path) -> None:
    """Which steps are looked at depends on time; that they go up, and that the times are not forgotten, does not."""
    _, sink = _parts(60, [20, 40], tmp_path, "Adam", every="auto", budget=0.5)
    steps = np.concatenate([arrays["trace/steps"] for _, arrays in sink.chunks if "trace/steps" in arrays])
    assert (np.diff(steps) > 0).all() and steps[0] == 1 and steps[-1] <= 60


def test_a_budget_remembers_what_steps_took_and_does_not_guess_the_first_of_a_process() -> None:
    model, optimizer = _made()
    lens = watch(optimizer, model, every="auto")
    state = lens.state_dict()
    state["steps"]["budget"] = {"next": 1_000, "plain": [0.25, 0.5], "costs": [0.125]}
    state["step"], state["due"] = 7, False
    lens.close()
    made = _made()
    on = watch(made[1], made[0], every="auto")
    on.load_state_dict(state)
    _walk(made, 8, 8)  # begun before anybody looked at the clock
    assert on.state_dict()["steps"]["budget"] == state["steps"]["budget"]
    _walk(made, 9, 9)
    first, second, third = on.state_dict()["steps"]["budget"]["plain"]
    assert (first, second) == (0.25, 0.5) and third > 0


def test_a_state_of_another_lens_is_refused() -> None:
    made = _made()
    lens = watch(made[1], made[0])
    _walk(made, 1, 2)
    state = lens.state_dict()
    others: list[tuple[str, dict[str, Any]]] = [
        ("SGD", {}),
        ("Adam", {"activations": True}),
        ("Adam", {"parameters": [lens.parameters[0]]}),
        ("Adam", {"statistics": False}),
    ]
    for name, options in others:
        model, optimizer = _made(name)
        with pytest.raises(UsageError, match="the state is not of a lens like this one"):
            watch(optimizer, model, **options).load_state_dict(state)


def test_a_lens_with_a_folder_of_its_own_has_no_state_apart(tmp_path: Path) -> None:
    made = _made()
    with watch(made[1], made[0], out=tmp_path / "s") as lens, pytest.raises(UsageError, match="streams to"):
        lens.state_dict()


class Turning(nn.Module):
    """Layers that come in another order at every pass; what stands before the first convolution has no units yet."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.conv, self.turn = nn.ReLU(), nn.ReLU(), nn.Conv1d(2, 3, 1), 0

    def forward(self, x: Tensor) -> Tensor:
        self.turn += 1
        one, other = (self.first, self.second) if self.turn % 2 else (self.second, self.first)
        return other(self.conv(one(x)))


def test_the_order_of_layers_and_of_units_is_kept() -> None:
    x = torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0))
    x[:, 0] = -1.0  # one channel of two is dead, and no feature

    def seen(model: Turning, step: list[int], last: int) -> Activations:
        found = Activations(model, due=lambda: step[0])
        while step[0] <= last:
            model(x).sum().backward()
            step[0] += 1
        return found

    whole = seen(Turning(), [1], 3)
    begun = seen(Turning(), [1], 1)
    model, step = Turning(), [2]
    model.turn = 1
    on = Activations(model, due=lambda: step[0])
    on.load_state_dict(begun.state_dict())
    while step[0] <= 3:
        model(x).sum().backward()
        step[0] += 1
    wanted = {name: (values[:, :, 2], meta) for name, (values, meta) in whole.arrays().items() if meta}
    again = {name: (values[:, :, 2], meta) for name, (values, meta) in on.arrays().items() if meta}
    _equal(again, wanted)
    assert whole.layers == ("first", "conv", "second")
    assert wanted["activations"][0][[0, 2], 0].tolist() == [0.0, 0.5]  # its units are not known in the first pass


# ── the path of the weights ──


def _path(made: Made, **options: Any) -> PathRecorder:
    return record_path(made[0], made[1], **options)


@pytest.mark.parametrize(
    "options", [{"points": 6}, {"points": 6, "total": 25}, {"every": 4}, {"points": 5, "total": 3}]
)
def test_a_path_goes_on_through_the_same_points(options: dict[str, Any], tmp_path: Path) -> None:
    made = _made()
    whole = _path(made, **options)
    _walk(made, 1, 25)
    begun = _made()
    recorder, first = _path(begun, **options), 1
    for stop in (2, 11, 24, 25):
        _walk(begun, first, stop)
        state = _through_a_file(recorder.state_dict(), tmp_path)
        begun, first = _again(begun, tmp_path), stop + 1
        recorder = _path(begun, **options)
        recorder.load_state_dict(state)
    _walk(begun, first, 25)
    recorder.close()
    whole.close()
    for name, (values, _) in whole.path().arrays().items():
        _equal(recorder.path().arrays()[name][0], values)


def test_points_that_are_handed_over_come_once(tmp_path: Path) -> None:
    made = _made()
    whole = _path(made, points=7, total=20)
    _walk(made, 1, 20)
    begun = _made()
    recorder = _path(begun, points=7, total=20)
    handed = []
    for step in range(1, 21):
        _walk(begun, step, step)
        if step % 4 == 0:
            handed.append(recorder.drain())
    recorder.close()
    handed.append(recorder.path())
    parts = [part for part in handed if part is not None]
    assert len(recorder.path().steps) == 0  # the last step's point was handed over
    _equal(np.concatenate([part.steps for part in parts]), whole.path().steps)
    _equal(np.concatenate([part.points for part in parts]), whole.path().points)


def test_points_that_may_be_dropped_later_are_not_handed_over() -> None:
    made = _made()
    recorder = _path(made, points=7)
    _walk(made, 1, 9)
    assert recorder.drain() is None
    assert len(recorder.path().steps) > 2


def test_a_state_of_another_path_is_refused() -> None:
    made = _made()
    state = _path(made, points=7).state_dict()
    with pytest.raises(UsageError, match="another number of points"):
        _path(_made(), points=9).load_state_dict(state)
