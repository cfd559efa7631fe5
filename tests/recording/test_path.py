"""The path of the weights: what is kept, when, and that keeping it changes nothing."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector

import passo
from passo.errors import ConfigError, StoreError, UsageError
from passo.recording.path import WeightPath, record_path
from passo.seeding import capture, seed_everything
from passo.training import train_config


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, size: int = 8) -> list[np.ndarray]:
    """Train on noise; returns the weights before each step and after the last, flattened by torch itself."""
    random = torch.Generator().manual_seed(1)
    weights = [parameters_to_vector(p.contiguous() for p in model.parameters()).detach().numpy().copy()]
    for _ in range(steps):
        x = torch.rand(size, 1, 28, 28, generator=random)
        y = torch.randint(0, 10, (size,), generator=random)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        weights.append(parameters_to_vector(p.contiguous() for p in model.parameters()).detach().numpy().copy())
    return weights


def lenet() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = passo.build("lenet", seed=0)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def line(steps: int, **options: Any) -> WeightPath:
    """One weight that is its own step number."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    recorder = record_path(model, optimizer, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        (-model(torch.ones(1, 1))).sum().backward()
        optimizer.step()
    return recorder.path()


def test_every_point_is_the_weights_as_torch_flattens_them() -> None:
    model, optimizer = lenet()  # channels-last: the order in memory is not the logical one
    recorder = record_path(model, optimizer, every=2)
    weights = trained(model, optimizer, 5)
    path = recorder.path()
    assert path.steps.tolist() == [0, 2, 4, 5]
    assert path.points.dtype == np.float32
    assert np.array_equal(path.points, np.stack([weights[step] for step in path.steps]))
    assert path.parameters == tuple((name, tuple(p.shape)) for name, p in model.named_parameters())


@pytest.mark.parametrize("name", ["adam", "sgd", "lbfgs"])
def test_a_recorded_training_ends_bit_for_bit_like_any_other(name: str) -> None:
    def run(record: bool) -> tuple[Any, ...]:
        seed_everything(3)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.BatchNorm1d(20), nn.Dropout(0.3), nn.Linear(20, 10))
        optimizer = passo.make_optimizer(name, model.parameters(), lr=0.01)
        recorder = record_path(model, optimizer) if record else None
        batch, target = torch.rand(16, 1, 28, 28), torch.randint(0, 10, (16,))

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch), target)
            loss.backward()
            return loss

        for _ in range(6):
            optimizer.step(closure)
        assert recorder is None or len(recorder.path().steps) == 7
        return model.state_dict(), optimizer.state_dict()["state"], capture()["torch"]

    plain, recorded = run(False), run(True)
    assert all(torch.equal(plain[0][key], recorded[0][key]) for key in plain[0])
    assert torch.equal(plain[2], recorded[2])
    assert flat(plain[1]) == flat(recorded[1])


def flat(state: Any) -> list[Any]:
    """An optimizer's state as plain numbers: LBFGS keeps lists of tensors."""
    if isinstance(state, torch.Tensor):
        return state.flatten().tolist()
    if isinstance(state, dict | list | tuple):
        return [x for value in (state.values() if isinstance(state, dict) else state) for x in flat(value)]
    return [state]


def test_a_point_is_a_copy_and_moves_no_more() -> None:
    assert line(3).points.ravel().tolist() == [0, 1, 2, 3]


def test_without_every_points_thin_out_in_silence_and_stay_evenly_spaced() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = line(1000, points=20)
    assert path.steps[0] == 0 and path.steps[-1] == 1000
    assert 10 <= len(path.steps) <= 21
    assert set(np.diff(path.steps[:-1])) == {64}
    assert np.array_equal(path.points.ravel(), path.steps)


def test_with_every_thinning_is_told_once() -> None:
    with pytest.warns(UserWarning, match=r"over 5 points: one is kept every 6 steps") as told:
        path = line(100, every=3, points=5)
    assert len(told) == 1
    assert len(path.steps) <= 6 and path.steps[-1] == 100


def test_a_known_length_gets_exactly_as_many_points_spread_over_it() -> None:
    path = line(345, total=345, points=40)
    assert len(path.steps) == 40 and path.steps[0] == 0 and path.steps[-1] == 345
    assert set(np.diff(path.steps)) <= {8, 9}


def test_a_training_shorter_than_its_points_has_them_all() -> None:
    assert line(4, total=4, points=40).steps.tolist() == [0, 1, 2, 3, 4]


def test_a_training_that_stops_early_keeps_its_last_step() -> None:
    assert line(50, total=100, points=5).steps.tolist() == [0, 25, 50]
    assert line(60, total=100, points=5).steps.tolist() == [0, 25, 50, 60]


def test_memory_is_bounded_and_said() -> None:
    model, optimizer = lenet()  # 61,706 weights of 4 bytes: 0.235 MB a point
    with pytest.warns(UserWarning, match=r"100 points of these weights would take more than 1 MB: 4 are kept"):
        recorder = record_path(model, optimizer, points=100, total=12, megabytes=1)
    trained(model, optimizer, 12, size=2)
    assert recorder.path().steps.tolist() == [0, 4, 8, 12]
    assert recorder.notices == ["100 points of these weights would take more than 1 MB: 4 are kept"]
    with pytest.raises(UsageError, match=r"61,706 weights take 0\.235 MB at each point: three points do not fit"):
        record_path(model, optimizer, megabytes=0.5)


def test_running_statistics_are_kept_with_the_weights() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = record_path(model, optimizer)
    trained(model, optimizer, 2)
    path = recorder.path()
    assert path.buffer_layout == (("2.running_mean", (4,)), ("2.running_var", (4,)))
    assert path.buffers[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert np.array_equal(path.buffers[-1], torch.cat([model[2].running_mean, model[2].running_var]).numpy())


def test_frozen_weights_are_left_out_and_tied_ones_kept_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[2].requires_grad_(False)
    path = record_path(model, torch.optim.SGD(model.parameters(), lr=0.1)).path()
    assert path.parameters == (("0.weight", (3, 3)),)


def test_float64_stays_and_halves_widen() -> None:
    for kind, kept in ((torch.float64, np.float64), (torch.bfloat16, np.float32)):
        model = nn.Linear(2, 1).to(kind)
        assert record_path(model, torch.optim.SGD(model.parameters(), lr=0.1)).path().points.dtype == kept


def test_a_closed_recorder_keeps_what_it_had() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record_path(model, optimizer, every=10) as recorder:
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
    before = recorder.path().points.copy()
    optimizer.step()
    assert recorder.path().steps.tolist() == [0, 1]
    assert np.array_equal(recorder.path().points, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every must be ≥ 1, got 0"), ({"points": 2}, "points must be ≥ 3"), ({"total": 0}, "total must")],
)
def test_a_wrong_argument_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        record_path(*lenet(), **options)


def test_what_cannot_be_recorded_is_refused_in_words() -> None:
    model, optimizer = lenet()
    with pytest.raises(UsageError, match="was it built on another model"):
        record_path(nn.Linear(1, 1), optimizer)
    with pytest.raises(UsageError, match="no trainable parameters"):
        record_path(nn.ReLU(), optimizer)
    with pytest.raises(UsageError, match="expected a module and a torch optimizer, got Adam, Sequential"):
        record_path(optimizer, model)  # type: ignore[arg-type]


# ── In a run of passo's ───────────────────────────────────────────────────────────────────────────────────


def run(folder: Path, **record: Any) -> Any:
    data = passo.load("fashion-mnist-sample", per_class=30)
    return passo.train(data, "tiny-cnn", optimizer="adam", lr=0.01, epochs=2, seed=0, record=record, out=folder)


def test_a_run_keeps_its_path_from_the_start_to_its_final_weights(tmp_path: Path) -> None:
    done = run(tmp_path / "with", path=4)
    path = WeightPath.of(done.run)
    assert path.steps.tolist() == [0, 3, 7, 10]  # 270 images in batches of 64, twice
    final = [done.run.array(f"weights/{name}").ravel() for name, _ in path.parameters]
    assert np.array_equal(path.points[-1], np.concatenate(final))
    first = parameters_to_vector(passo.build("tiny-cnn", seed=0).parameters()).detach().numpy()
    assert np.array_equal(path.points[0], first)
    assert done.weights_sha256 == run(tmp_path / "without").weights_sha256


def test_a_run_without_a_path_says_how_to_record_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"tiny-cnn-adam-s0 has no recorded path .* record.path=40"):
        WeightPath.of(run(tmp_path / "study").run)


def test_a_path_of_two_points_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"record.path must be ≥ 3 points, or 0 for none, got 2"):
        train_config({"record": {"path": 2}})
