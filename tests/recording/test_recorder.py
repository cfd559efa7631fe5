"""Which steps and weights are recorded, where they are kept, and what is noticed on the way."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passo
from passo.errors import PassoError, RecordingWarning, UsageError
from passo.models import build
from passo.models.dropout import Dropout
from passo.recording import Lens, watch
from passo.recording.choosing import Budget
from passo.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::passo.errors.TrainingWarning")  # events are what is looked at here
Loop = Callable[[nn.Module, torch.optim.Optimizer, int], None]


def _data(steps: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    draw = lambda: (  # noqa: E731
        torch.randn(4, 1, 28, 28, generator=generator),
        torch.randint(0, 10, (4,), generator=generator),
    )
    return [draw() for _ in range(steps)]


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for x, y in _data(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def _watched(steps: int, loop: Loop = _train, **options: Any) -> Lens:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lens = watch(optimizer, model, **options)
    loop(model, optimizer, steps)
    return lens


# ── which steps ──


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"between": (3, 6)}, [3, 4, 5, 6]),
        ({"between": (3, 9), "every": 3}, [3, 6, 9]),
        ({"when": {2, 5, 40}}, [2, 5]),
        ({"when": lambda step: step % 4 == 1}, [1, 5, 9]),
        ({"every": 5, "snapshots": [7]}, [5, 7, 10]),
    ],
)
def test_the_steps_that_were_asked_for_are_recorded(options: dict[str, Any], steps: list[int]) -> None:
    assert _watched(10, **options).steps.tolist() == steps


def test_a_budget_spaces_looks_so_that_their_share_of_the_time_stays_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up clock: a step takes 10 ms, a look 4 ms more, so under 5 % each look needs 8 steps."""
    clock = 0.0
    monkeypatch.setattr("passo.recording.choosing.time.perf_counter", lambda: clock)
    budget, looks = Budget(0.05), []
    for step in range(1, 400):
        look = step >= budget.next
        looks += [step] * look
        budget.begin(clock)
        clock += 0.014 if look else 0.010
        budget.end(step, 0.004 * look, look)
    gaps = np.diff(looks)[2:]
    assert set(gaps.tolist()) <= {8, 9}  # 9 where rounding asks for a hair more than 8
    assert 0.004 * len(looks) / clock < 0.05


def test_watching_as_often_as_the_budget_allows_records_at_which_steps_it_looked() -> None:
    lens = _watched(60, every="auto", budget=0.5)
    assert lens.steps[0] == 1
    assert 2 <= len(lens.steps) < 60


# ── which weights ──


def test_random_coordinates_are_drawn_over_all_weights_by_a_generator_of_their_own() -> None:
    before = torch.get_rng_state()
    first, second, third = (_watched(1, coordinates="random:40", seed=s).coordinates for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert first == second != third
    assert len(first) == 40
    sizes = {name: p.numel() for name, p in build("tiny-cnn", seed=0).named_parameters()}
    largest = max(sizes, key=lambda name: sizes[name])
    assert sum(name == largest for name, _ in first) > 10  # drawn over weights, not over tensors


def test_the_weights_that_moved_most_are_followed_once_that_is_known() -> None:
    lens = _watched(15, coordinates="moved:5")
    model = build("tiny-cnn", seed=0)
    start = [p.detach().clone() for p in model.parameters()]
    _train(model, torch.optim.Adam(model.parameters(), lr=0.01), 10)
    moved = torch.cat([(p.detach() - s).abs().flatten() for p, s in zip(model.parameters(), start, strict=True)])
    most = moved.topk(5).values.sort().values
    named = dict(zip([n for n, _ in model.named_parameters()], range(99), strict=False))
    parameters = [p.detach() for p in model.parameters()]
    chosen = [abs(float(parameters[named[n]][tuple(i)] - start[named[n]][tuple(i)])) for n, i in lens.coordinates]
    assert sorted(chosen) == pytest.approx(most.tolist())
    name, index = lens.coordinates[0]
    trace = lens.trace("theta", name, tuple(index))
    assert np.isnan(trace[:10]).all()
    assert np.isfinite(trace[10:]).all()


def test_coordinates_alone_tell_what_whole_tensors_tell() -> None:
    alone = _watched(12, coordinates="random:30", statistics=False)
    whole = _watched(12, coordinates="random:30")
    assert alone.stages == whole.stages
    assert np.array_equal(alone.arrays()["trace"][0], whole.arrays()["trace"][0])
    assert alone.residual().within(8)
    assert set(alone.residual().parameters) == {name for name, _ in alone.coordinates}
    with pytest.raises(UsageError, match="only coordinates are followed"):
        alone.now("grad", "fc1.weight")


def test_coordinates_alone_are_read_from_channels_last_and_double_weights_alike() -> None:
    for change in (lambda m: m.to(memory_format=torch.channels_last), lambda m: m.double()):
        lenses = []
        for statistics in (True, False):
            model = change(build("tiny-cnn", seed=0))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            lens = watch(optimizer, model, coordinates="random:20", statistics=statistics)
            for x, y in _data(4):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x.to(next(model.parameters()).dtype)), y).backward()
                optimizer.step()
            lenses.append(lens.arrays()["trace"][0])
        assert np.array_equal(*lenses)


def test_a_snapshot_keeps_every_stage_whole() -> None:
    lens = _watched(3, snapshots=[2, 3])
    assert np.array_equal(lens.snapshot(3, "adapted", "fc1.weight"), lens.now("adapted", "fc1.weight").numpy())
    assert not np.array_equal(lens.snapshot(2, "grad", "fc1.weight"), lens.snapshot(3, "grad", "fc1.weight"))


def test_parameters_of_several_dtypes_are_watched_together() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).double())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lens = watch(optimizer, model)
    for _ in range(3):
        optimizer.zero_grad()
        model[1](model[0](torch.ones(2, 3)).double()).sum().backward()
        optimizer.step()
    assert lens.parameters == ("0.weight", "0.bias", "1.weight", "1.bias")
    assert lens.residual().within(8)
    assert lens.statistics("update", "1.weight")[0] == pytest.approx(0.01, rel=1e-5)


# ── relations ──


def test_the_predicted_change_and_the_uphill_share_are_what_they_say() -> None:
    lens = _watched(4)
    grad, update = lens.now("grad", "fc1.weight").double(), lens.now("update", "fc1.weight").double()
    assert lens.relation("predicted", "fc1.weight")[-1] == pytest.approx(float((grad * update).sum()), rel=1e-4)
    assert lens.relation("uphill", "fc1.weight")[-1] == pytest.approx(float((grad * update > 0).double().mean()))


@pytest.mark.parametrize("dropout", [Dropout, nn.Dropout])
def test_the_loss_before_and_after_a_step_is_the_batchs_own(dropout: type[nn.Module]) -> None:
    """Dropout and BatchNorm: both evaluations see one mask, and neither leaves a trace."""
    ends = []
    for measured in (True, False):
        torch.manual_seed(0)
        layers = (nn.Linear(784, 8), nn.BatchNorm1d(8), dropout(0.5), nn.Linear(8, 10))
        model = nn.Sequential(nn.Flatten(), *layers)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        batch: list[tuple[Tensor, Tensor]] = []

        def loss(model: nn.Module = model, batch: list[tuple[Tensor, Tensor]] = batch) -> Tensor:
            return nn.functional.cross_entropy(model(batch[-1][0]), batch[-1][1])

        lens = watch(optimizer, model, loss=loss if measured else None)
        for x, y in _data(6):
            batch.append((x, y))
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        ends.append(([p.detach().clone() for p in (*model.parameters(), *model.buffers())], torch.get_rng_state()))
        if measured and dropout is Dropout:  # its masks can be drawn again: a small step against the gradient helps
            before, after = lens.run.array("loss").T
            assert (after < before).all()
            assert lens.run.array("relations")[:, :, 0].sum(1) == pytest.approx(after - before, rel=0.1)
    assert all(torch.equal(a, b) for a, b in zip(ends[0][0], ends[1][0], strict=True))
    assert torch.equal(ends[0][1], ends[1][1])


# ── where it is kept ──


def test_memory_stays_bounded_by_dropping_every_other_step_and_says_so() -> None:
    lens = _watched(1200, coordinates=1, memory=0.5)
    held = sum(values.nbytes for values, _ in lens.arrays().values())
    assert held < 0.5e6 * 1.3  # with what waits to be stacked
    assert any(event.what == "thinned" for event in lens.events)
    steps = lens.steps
    stride = int(steps[1] - steps[0])
    assert stride in (2, 4, 8, 16)
    assert (np.diff(steps) == stride).all()
    assert steps[-1] > 1200 - stride


def test_activations_share_the_memory_that_records_may_take() -> None:
    lens = _watched(1500, coordinates=1, activations=True, memory=0.4)
    arrays = lens.arrays()
    assert sum(values.nbytes for values, _ in arrays.values()) < 0.45e6
    assert abs(len(arrays["activations"][0]) - len(arrays["trace"][0])) <= 1
    assert set(arrays["trace/steps"][0]) <= set(arrays["activations/steps"][0])


def test_a_folder_takes_what_memory_would_have_held(tmp_path: Path) -> None:
    streamed, held = _watched(300, out=tmp_path / "seen", activations=True), _watched(300, activations=True)
    during = streamed.run.array("trace")
    streamed.close()
    run = passo.open(tmp_path / "seen").runs[0]
    assert run.status == "done"
    for name, (values, meta) in held.arrays().items():
        assert np.array_equal(run.array(name), values, equal_nan=True), name
        assert run.meta(name) == meta, name
    assert np.array_equal(during, run.array("trace"))
    assert run.info["watch"]["optimizer"] == "Adam"
    assert run.info["watch"]["roundings"]["fc1.weight"] <= 8


def test_a_store_is_filled_ever_more_slowly_so_that_it_stays_under_its_limit(tmp_path: Path) -> None:
    lens = _watched(3000, out=tmp_path / "seen", memory=2.0, coordinates=1)
    lens.close()
    run = passo.open(tmp_path / "seen").runs[0]
    gaps = np.diff(run.array("trace/steps"))
    assert gaps[0] == 1
    assert gaps[-1] > 1
    assert (np.diff(gaps) >= 0).all()
    assert sum(run.array(name).nbytes for name in run.arrays()) < 2.3e6  # a block more, at most, than was allowed
    assert [data["what"] for kind, _, _, data in run.events() if kind == "watch"].count("thinned") >= 1


def test_a_store_that_fails_costs_the_recording_not_the_training(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "seen", name="seen", config={})
    writer = store.add_run("watched", config={}, seed=None)
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lens = watch(optimizer, model, sink=writer)
    store.close()
    with pytest.warns(RecordingWarning, match="no longer reaches its store") as told:
        _train(model, optimizer, 600)
    assert len(told) == 1
    assert [event.what for event in lens.events] == ["lost"]
    assert lens.steps.tolist() == list(range(1, 601))  # held in memory instead


# ── what is noticed ──


def test_a_gradient_that_is_not_finite_is_named_with_its_step_and_layer() -> None:
    def loop(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for number, (x, y) in enumerate(_data(steps), start=1):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            if number == 3:
                model.get_parameter("fc1.weight").grad[0, 0] = torch.inf  # type: ignore[index]
            optimizer.step()

    (event,) = [event for event in _watched(5, loop).events if event.what == "not-finite"]
    assert (event.step, event.facts["parameters"]) == (3, ["fc1.weight"])
    bad = build("tiny-cnn", seed=0)
    with torch.no_grad():
        bad.get_parameter("fc2.bias")[0] = torch.nan
    optimizer = torch.optim.Adam(bad.parameters())
    lens = watch(optimizer, bad)
    _train(bad, optimizer, 3)
    (event,) = [event for event in lens.events if event.what == "not-finite"]
    assert event.step == 1
    assert "fc2.bias" in event.facts["parameters"]
    assert np.isnan(lens.statistics("grad", "fc2.bias")).all()  # recorded, and shown as such


def test_a_forgotten_zero_grad_is_named_and_accumulation_on_purpose_is_not() -> None:
    def forgets(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for x, y in _data(steps):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    def accumulates(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, none: bool = True) -> None:
        for number, (x, y) in enumerate(_data(steps), start=1):
            nn.functional.cross_entropy(model(x), y).backward()
            if number % 2 == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=none)

    def zeroes_in_place(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        accumulates(model, optimizer, steps, none=False)

    assert [(event.step, event.what) for event in _watched(8, forgets).events] == [(4, "zero-grad")]
    assert _watched(16, accumulates).events == []
    assert _watched(16, zeroes_in_place).events == []


def test_a_gan_whose_generator_passes_gradients_through_the_discriminator_has_forgotten_nothing() -> None:
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizers = [torch.optim.Adam(part.parameters()) for part in (generator, critic)]
    lenses = [watch(o, m) for o, m in zip(optimizers, (generator, critic), strict=True)]
    for _ in range(8):
        optimizers[1].zero_grad()
        (critic(generator(torch.randn(4, 2)).detach()) - critic(torch.randn(4, 2))).mean().backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        (-critic(generator(torch.randn(4, 2)))).mean().backward()
        optimizers[0].step()
    assert [lens.events for lens in lenses] == [[], []]


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_a_scheduler_that_steps_before_its_optimizer_is_named() -> None:
    def early(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        plan = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)
        for x, y in _data(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            plan.step()
            optimizer.step()

    def right(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        plan = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
        for x, y in _data(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            plan.step()

    assert [event.what for event in _watched(5, early).events] == ["scheduler-first"]
    assert _watched(5, right).events == []


def test_a_scheduler_that_steps_before_the_first_epoch_is_named_where_it_was_there_before_the_lens() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    plan = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    lens = watch(optimizer, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan.step()
    _train(model, optimizer, 2)
    assert [event.what for event in lens.events] == ["scheduler-first"]


def test_training_in_eval_mode_is_named_also_when_it_begins_later() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    _train(model, optimizer, 60)
    assert lens.events == []
    model.eval()
    _train(model, optimizer, 2)
    assert [(event.step, event.what) for event in lens.events] == [(61, "eval-mode")]


@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_a_gradscaler_skips_are_marked_and_gradients_told_unscaled(fused: bool) -> None:
    runs = []
    for watched in (True, False):
        model = build("tiny-cnn", seed=0)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        lens = watch(optimizer, model, scaler=scaler) if watched else None
        for number, (x, y) in enumerate(_data(12), start=1):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x * (torch.inf if number in (3, 7, 8) else 1)), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        runs.append([p.detach().clone() for p in model.parameters()])
        if lens is not None:
            assert lens.skipped == [3, 7, 8]
            assert lens.steps.tolist() == [1, 2, 4, 5, 6, 9, 10, 11, 12]
            assert lens.residual().within(8)
            assert lens.statistics("grad_raw", "fc1.weight") == pytest.approx(lens.statistics("grad", "fc1.weight"))
            model = build("tiny-cnn", seed=0)
            x, y = _data(12)[0]
            nn.functional.cross_entropy(model(x), y).backward()
            first = model.get_parameter("fc1.weight").grad
            assert first is not None
            assert lens.statistics("grad", "fc1.weight")[0] == pytest.approx(float(first.square().mean().sqrt()))
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


# ── what bad input gets ──


def test_an_optimizer_is_watched_once_and_again_after_closing() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    with pytest.raises(UsageError, match="watched already: close"):
        watch(optimizer, model)
    lens.close()
    lens.close()
    again = watch(optimizer, model)
    _train(model, optimizer, 1)
    assert again.steps.tolist() == [1]


def test_a_lens_whose_hooks_were_removed_says_so() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    optimizer._optimizer_step_post_hooks.clear()
    optimizer._optimizer_step_pre_hooks.clear()
    _train(model, optimizer, 2)
    with pytest.raises(UsageError, match="hooks are no longer on the optimizer"):
        lens.residual()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be"),
        ({"between": (5, 2)}, "between must be"),
        ({"budget": 2.0, "every": "auto"}, "budget must be"),
        ({"coordinates": "some:4"}, "coordinates must be"),
        ({"coordinates": "moved:4", "statistics": False}, "follows coordinates alone"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_at_birth(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _watched(1, **options)


def test_another_models_optimizer_and_no_optimizer_are_refused() -> None:
    model, other = build("tiny-cnn", seed=0), build("tiny-cnn", seed=1)
    with pytest.raises(UsageError, match="built on another model"):
        watch(torch.optim.SGD(other.parameters(), lr=0.1), model)
    with pytest.raises(UsageError, match="must be a torch optimizer, got Linear"):
        watch(nn.Linear(1, 1), model)  # type: ignore[arg-type]


def test_a_parameter_group_added_later_is_told_as_unwatched() -> None:
    model, more = build("tiny-cnn", seed=0), nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    optimizer.add_param_group({"params": list(more.parameters())})
    _train(model, optimizer, 2)
    assert [event.what for event in lens.events] == ["unwatched"]


# ── reading, copying, going on ──


def test_reading_in_the_middle_changes_nothing_of_what_is_kept() -> None:
    def reads(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for step, (x, y) in enumerate(_data(steps)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if step < 20 or step % 29 == 0:
                kept.append((lens.steps.tolist(), lens.coordinates))

    kept: list[Any] = []
    for options in ({"memory": 0.03}, {"coordinates": "moved:5"}, {"coordinates": "random:9", "statistics": False}):
        alone = _watched(600, **options)
        model = build("tiny-cnn", seed=0)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        lens = watch(optimizer, model, **options)
        reads(model, optimizer, 600)
        for name, (values, meta) in alone.arrays().items():
            assert np.array_equal(lens.run.array(name), values, equal_nan=True), (options, name)
            assert lens.run.meta(name) == meta
    assert kept


def test_a_folder_is_read_in_the_middle_with_what_is_not_on_disk_yet(tmp_path: Path) -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lens = watch(optimizer, model, out=tmp_path / "seen", activations=True)
    assert lens.steps.tolist() == []
    for steps in (1, 300, 600):
        _train(model, optimizer, steps - len(lens.steps))
        assert lens.steps.tolist() == list(range(1, steps + 1))
        assert len(lens.run.array("activations")) == steps
    lens.close()
    assert len(list((tmp_path / "seen").rglob("statistics.*.npy"))) == 3  # reading wrote nothing


def test_a_group_that_is_added_later_leaves_everything_readable() -> None:
    model, more = build("tiny-cnn", seed=0), nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    _train(model, optimizer, 3)
    optimizer.add_param_group({"params": list(more.parameters()), "lr": 0.5})
    _train(model, optimizer, 300)
    assert lens.run.array("trace/lrs").shape == (303, 1)
    assert [(event.step, event.what) for event in lens.events] == [(4, "unwatched")]


def test_equations_that_say_nothing_are_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    for statistics in (True, False):
        model = build("tiny-cnn", seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lens = watch(optimizer, model, coordinates="random:9", statistics=statistics)
        explanation = lens._probe.eye.explanation
        assert explanation is not None

        def silent(theta: Tensor, grad: Tensor, state: Any, step: float, group: Any, out: Any) -> None:
            out["explained"].fill_(torch.nan)

        for part in lens._probe.eye._parts:
            monkeypatch.setattr(part, "explanation", replace(explanation, equations=silent))
        _train(model, optimizer, 1)
        _ = lens.arrays()
        assert lens.residual().worst == np.inf


def test_amsgrad_that_a_loaded_state_switches_on_is_explained() -> None:
    model = build("tiny-cnn", seed=0)
    first = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    _train(model, first, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lens = watch(optimizer, model)
    optimizer.load_state_dict(first.state_dict())
    _train(model, optimizer, 3)
    assert lens.residual().within(8)
    assert [(event.what, event.facts) for event in lens.events] == [("untold", {"stages": ["max_exp_avg_sq"]})]


def test_a_frozen_layer_that_is_unfrozen_shows_its_raw_gradient_from_the_first_step_on() -> None:
    model = build("tiny-cnn", seed=0)
    frozen = model.get_parameter("fc1.weight").requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    assert not frozen.requires_grad
    raw = []
    for number, (x, y) in enumerate(_data(4)):
        frozen.requires_grad_(number >= 2)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        raw.append(float("nan") if frozen.grad is None else float(frozen.grad.square().mean().sqrt()))
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
    assert lens.statistics("grad_raw", "fc1.weight") == pytest.approx(raw, nan_ok=True)


def test_the_raw_gradient_of_a_closure_is_its_first_calls() -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    lens = watch(optimizer, model)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (model(x) - 1).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    assert torch.equal(lens.now("grad_raw", "weight"), lens.now("grad", "weight"))


def test_arguments_beside_a_closure_reach_the_optimizer() -> None:
    class Scaled(torch.optim.SGD):
        def step(self, closure: Any = None, *, factor: float = 1.0) -> Any:
            for group in self.param_groups:
                group["lr"] = 0.1 * factor
            return super().step(closure)

    ends = []
    for watched in (True, False):
        model = build("tiny-cnn", seed=0)
        optimizer = Scaled(model.parameters(), lr=0.1)
        if watched:
            watch(optimizer, model)
        x, y = _data(1)[0]

        def closure(m: nn.Module = model, o: Any = optimizer, x: Tensor = x, y: Tensor = y) -> Tensor:
            o.zero_grad()
            loss = nn.functional.cross_entropy(m(x), y)
            loss.backward()
            return loss

        optimizer.step(closure, factor=5.0)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_watch_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for options in ({"activations": ["nope"]}, {"snapshots": 5}, {"memory": -1.0}, {"coordinates": 2.5}):
        with pytest.raises(PassoError):
            watch(optimizer, model, out=tmp_path / "seen", **options)  # type: ignore[arg-type]
    assert not optimizer._optimizer_step_pre_hooks
    lens = watch(optimizer, model, out=tmp_path / "seen")
    _train(model, optimizer, 1)
    assert lens.steps.tolist() == [1]
    lens.close()


def test_a_model_that_changes_its_dtype_is_told_as_unwatched_and_no_false_number_is_kept() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    _train(model, optimizer, 2)
    model.double()
    for x, y in _data(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.double()), y).backward()
        optimizer.step()
    assert lens.steps.tolist() == [1, 2]
    assert [(event.step, event.what) for event in lens.events] == [(3, "unwatched")]


def test_a_copied_or_pickled_model_does_not_report_to_the_lens() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model, activations=True)
    other, third = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for (x, y), stranger in zip(_data(2), (other, third), strict=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        stranger(100 * x)
        optimizer.step()
    alone = _watched(0)
    alone.close()
    assert lens.run.array("activations")[:, 0, 1].max() < 10


def test_coordinates_alone_start_from_the_state_that_an_optimiser_gives_itself() -> None:
    for make in (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
        lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.3),
    ):
        model = build("tiny-cnn", seed=0)
        optimizer = make(model.parameters())
        lens = watch(optimizer, model, coordinates="random:20", statistics=False)
        _train(model, optimizer, 3)
        _ = lens.arrays()
        assert 0 < lens.residual().worst <= 8


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_a_schedule_whose_first_turns_change_nothing_is_noticed_too() -> None:
    for late in (True, False):
        model = build("tiny-cnn", seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lens = watch(optimizer, model) if late else None
        plan = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
        lens = lens or watch(optimizer, model)
        for x, y in _data(3):
            plan.step()
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        assert [(event.step, event.what) for event in lens.events] == [(1, "scheduler-first")]


def test_eval_mode_is_told_with_what_it_does_to_this_model() -> None:
    plain, normed = nn.Linear(2, 1).eval(), nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).eval()
    told = []
    for model in (plain, normed):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lens = watch(optimizer, model)
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()
        told.append(lens.events[0].message)
    assert "no layer of it minds" in told[0]
    assert "BatchNorm uses its old statistics" in told[1]


def test_a_resumed_schedule_is_not_blamed() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    plan = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    _train(model, optimizer, 1)
    plan.step()
    saved = optimizer.state_dict(), plan.state_dict()
    again = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(again, 0.5)
    lens = watch(again, model)
    again.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    _train(model, again, 1)
    assert lens.events == []
