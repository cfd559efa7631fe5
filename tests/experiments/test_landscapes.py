"""Loss surfaces: known ones are found again, filters keep their norms, and nothing of the user's is touched."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

import passo
from passo.analysis import loss_surface
from passo.errors import ConfigError, StoreError, UsageError
from passo.experiments.landscapes import landscape
from passo.experiments.planes import Plane, main_directions, random_directions, shadow
from passo.experiments.scenes import losses, set_scene
from passo.recording.path import WeightPath, record_path
from passo.training import evaluate

CURVATURE = torch.tensor([1.0, 4.0, 9.0, 2.0, 5.0], dtype=torch.float64)


class Bowl(nn.Module):
    """Its output is its weights θ (5,): with `bowl_loss`, the loss is ½ Σ hᵢ θᵢ², whatever the data."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.theta.expand(len(x), 5)


def bowl_loss(output: Tensor, y: Tensor) -> Tensor:
    return 0.5 * (CURVATURE * output**2).sum(1).mean()


DATA = (torch.zeros(7, 1), torch.zeros(7))


def rolled(start: list[float], steps: int = 12) -> tuple[Bowl, WeightPath]:
    """Gradient descent on the bowl: θᵢ shrinks by (1 − 0.1 hᵢ) each step."""
    model = Bowl(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = record_path(model, optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        bowl_loss(model(DATA[0]), DATA[1]).backward()
        optimizer.step()
    return model, recorder.path()


def straight(end: list[float], points: int = 5) -> WeightPath:
    """From a bowl's start to `end` in one direction."""
    way = np.linspace(1, 0, points)[:, None] * np.array([0.0, 3.0, 0.0, 4.0, 0.0]) + np.array(end)
    return WeightPath(np.arange(points), way, np.zeros((points, 0)), (("theta", (5,)),), ())


def look(model: nn.Module, path: WeightPath, **options: Any) -> Any:
    return landscape(path, model=model, loss_fn=bowl_loss, data=DATA, **options)


# ── Known surfaces ────────────────────────────────────────────────────────────────────────────────────────


def test_main_directions_are_the_singular_vectors_of_the_path_around_its_end() -> None:
    _, path = rolled([2.0, -1.0, 0.5, 3.0, 1.0])
    plane = main_directions(path)
    _, s, vt = np.linalg.svd(path.points - path.points[-1])
    assert np.abs(plane.directions @ vt[:2].T) == pytest.approx(np.eye(2), abs=1e-9)
    assert plane.shares[:5] == pytest.approx(s**2 / (s**2).sum(), abs=1e-9)
    assert ((path.points[0] - path.points[-1]) @ plane.directions.T > 0).all()  # the start is up and to the right


def test_a_path_in_a_plane_is_shown_whole_and_the_surface_is_the_known_one() -> None:
    model, path = rolled([0.0, 2.0, 0.0, 3.0, 0.0])  # moves in two coordinates alone
    found = look(model, path, points=9)
    said = loss_surface(found)
    assert said.share_of_distance == pytest.approx(1)
    assert said.share_of_length == pytest.approx(1)
    assert np.abs(said.error).max() < 1e-12
    t = np.arange(13)
    known = 0.5 * (4 * (2 * 0.6**t) ** 2 + 2 * (3 * 0.8**t) ** 2)
    assert found.path_loss == pytest.approx(known, rel=1e-12)
    d = np.linalg.svd(path.points - path.points[-1])[2][:2]
    d *= np.sign(d @ (path.points[0] - path.points[-1]))[:, None]
    for i, b in enumerate(found.y):
        for j, a in enumerate(found.x):
            theta = path.points[-1] + a * d[0] + b * d[1]
            assert found.loss[i, j] == pytest.approx(0.5 * (CURVATURE.numpy() * theta**2).sum(), rel=1e-9)


def test_the_error_of_the_projection_is_what_the_missing_directions_hold() -> None:
    model, path = rolled([2.0, -1.0, 0.5, 3.0, 1.0])
    found = look(model, path, points=3)
    m = path.points - path.points[-1]
    d = np.linalg.svd(m)[2][:2]
    feet = path.points[-1] + m @ d.T @ d
    known = 0.5 * (CURVATURE.numpy() * feet**2).sum(1)
    assert found.plane_loss == pytest.approx(known, rel=1e-9)
    assert found.path_loss == pytest.approx(0.5 * (CURVATURE.numpy() * path.points**2).sum(1), rel=1e-9)
    assert found.distances[:, 0] == pytest.approx(np.linalg.norm(m, axis=1))
    assert found.distances[:, 1] == pytest.approx(np.linalg.norm(m @ d.T, axis=1), abs=1e-12)
    assert found.moves[:, 0] == pytest.approx(np.linalg.norm(np.diff(m, axis=0), axis=1))
    assert found.moves[:, 1] == pytest.approx(np.linalg.norm(np.diff(m, axis=0) @ d.T, axis=1), abs=1e-12)


def test_a_straight_path_has_share_one_with_one_direction() -> None:
    found = look(Bowl([0.0] * 5), straight([0.0] * 5), points=5)
    assert found.shares[0] == pytest.approx(1)
    assert found.info["second_is_random"]
    said = loss_surface(found)
    assert (said.share_of_distance, said.share_of_length) == pytest.approx((1, 1))
    assert found.path[:, 0] == pytest.approx([5, 3.75, 2.5, 1.25, 0])
    assert found.path[:, 1] == pytest.approx(0, abs=1e-12)
    plane = main_directions(straight([0.0] * 5))
    assert plane.directions @ plane.directions.T == pytest.approx(np.eye(2), abs=1e-12)


def test_the_grid_goes_around_the_path_with_its_margin() -> None:
    model, path = rolled([0.0, 2.0, 0.0, 3.0, 0.0])
    found = look(model, path, points=5, margin=0.5)
    for axis, seen in ((found.x, found.path[:, 0]), (found.y, found.path[:, 1])):
        extent = seen.max() - seen.min()
        assert np.diff(axis) == pytest.approx(np.diff(axis)[0])
        if axis is found.x:  # the second is shorter than a fifth of it: it is widened
            assert (axis[0], axis[-1]) == pytest.approx((seen.min() - 0.5 * extent, seen.max() + 0.5 * extent))
    assert np.ptp(found.y) == pytest.approx(max(2 * np.ptp(found.path[:, 1]), 0.2 * np.ptp(found.x)))


# ── Random directions ─────────────────────────────────────────────────────────────────────────────────────


def lenet_path() -> tuple[nn.Module, WeightPath]:
    model = passo.build("lenet", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = record_path(model, optimizer)
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        x, y = torch.randn(16, 1, 28, 28, generator=random), torch.randint(0, 10, (16,), generator=random)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, recorder.path()


def test_every_filter_and_row_of_a_random_direction_has_its_own_norm_and_biases_have_none() -> None:
    model, path = lenet_path()
    for direction in random_directions(path).directions:
        start = 0
        for parameter in model.parameters():
            piece = torch.from_numpy(direction[start : start + parameter.numel()]).view(parameter.shape)
            start += parameter.numel()
            for part, own in zip(piece, parameter.detach(), strict=True):
                known = own.double().norm() if parameter.dim() > 1 else 0.0
                assert float(part.norm()) == pytest.approx(float(known), rel=1e-9)


def test_random_directions_come_from_the_seed() -> None:
    _, path = lenet_path()
    one, again, other = (random_directions(path, seed).directions for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)
    cosine = one[0] @ one[1] / np.linalg.norm(one[0]) / np.linalg.norm(one[1])
    assert abs(cosine) < 0.05


def test_feet_on_a_leaning_plane_are_the_least_squares_ones() -> None:
    _, path = rolled([2.0, -1.0, 0.5, 3.0, 1.0])
    lean = np.array([[1.0, 2.0, 0.0, 0.5, 0.0], [0.0, 1.0, 1.0, 1.0, 2.0]])
    seen = shadow(path, Plane(path.points[-1], lean, np.zeros(0)))
    m = path.points - path.points[-1]
    known = np.linalg.lstsq(lean.T, m.T, rcond=None)[0].T
    assert seen.coordinates == pytest.approx(known, abs=1e-12)
    assert seen.distances[:, 1] == pytest.approx(np.linalg.norm(known @ lean, axis=1), abs=1e-12)
    assert seen.moves[:, 1] == pytest.approx(np.linalg.norm(np.diff(known, axis=0) @ lean, axis=1), abs=1e-12)


def test_a_random_landscape_lies_around_the_end() -> None:
    model, path = lenet_path()
    x, y = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(1)), torch.arange(6)
    found = landscape(
        path, model=model, loss_fn=nn.CrossEntropyLoss(), data=(x, y), directions="random", points=3, reach=0.5
    )
    assert found.x.tolist() == found.y.tolist() == [-0.5, 0, 0.5]
    assert found.loss[1, 1] == found.path_loss[-1]
    assert len(found.shares) == 0


# ── Losses of real networks ───────────────────────────────────────────────────────────────────────────────


def naive(model: nn.Module, weights: np.ndarray, x: Tensor, y: Tensor) -> float:
    """A copy of the model, its weights put in by torch, evaluated by `passo.evaluate`."""
    other = copy.deepcopy(model)
    vector_to_parameters(torch.from_numpy(weights).float(), other.parameters())
    return evaluate(other, nn.CrossEntropyLoss(), [(x, y)]).loss


def test_the_losses_are_those_of_a_copy_that_holds_the_weights() -> None:
    model, path = lenet_path()
    data = passo.load("fashion-mnist-sample", per_class=40)
    found = landscape(path, model=model, loss_fn=nn.CrossEntropyLoss(), data=data, points=3, images=300)
    scene = set_scene(path, model, nn.CrossEntropyLoss(), data, 300, 0)
    plane = main_directions(path)
    assert len(scene.y) == 300
    for i, b in enumerate(found.y):
        for j, a in enumerate(found.x):
            weights = plane.origin + a * plane.directions[0] + b * plane.directions[1]
            assert found.loss[i, j] == pytest.approx(naive(model, weights, scene.x, scene.y), rel=1e-5)
    for t, weights in enumerate(path.points):
        assert found.path_loss[t] == pytest.approx(naive(model, weights, scene.x, scene.y), rel=1e-5)


def normed() -> tuple[nn.Module, WeightPath, Tensor, Tensor]:
    """A network with BatchNorm and dropout, trained for some steps on data that are not centred."""
    random = torch.Generator().manual_seed(0)
    x, y = 2 + torch.randn(40, 6, generator=random), torch.randint(0, 3, (40,), generator=random)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        recorder = record_path(model, optimizer)
        for _ in range(6):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model, recorder.path(), x, y


@pytest.mark.parametrize("batch_norm", ["running", "batch"])
def test_the_model_is_left_as_it_was(batch_norm: str) -> None:
    model, path, x, y = normed()
    model[3].eval()
    before = copy.deepcopy(model.state_dict())
    landscape(path, model=model, loss_fn=nn.CrossEntropyLoss(), data=(x, y), points=3, batch_norm=batch_norm)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert [module.training for module in model] == [True, True, True, False, True]


def test_running_statistics_are_each_points_own_on_the_path_and_the_ends_on_the_plane() -> None:
    model, path, x, y = normed()
    found = landscape(path, model=model, loss_fn=nn.CrossEntropyLoss(), data=(x, y), points=3)
    for t in (0, 3, 6):
        other = copy.deepcopy(model)
        vector_to_parameters(torch.from_numpy(path.points[t]), other.parameters())
        other[1].running_mean, other[1].running_var = torch.from_numpy(path.buffers[t]).split(8)
        assert found.path_loss[t] == pytest.approx(evaluate(other, nn.CrossEntropyLoss(), [(x, y)]).loss, rel=1e-5)
    plane = main_directions(path)
    corner = plane.origin + found.x[0] * plane.directions[0] + found.y[0] * plane.directions[1]
    assert found.loss[0, 0] == pytest.approx(naive(model, corner, x, y), rel=1e-5)


def test_statistics_of_the_batch_are_those_of_all_images_at_once() -> None:
    model, path, x, y = normed()
    long = (
        x.repeat(10, 1) + torch.arange(400)[:, None] / 100,
        y.repeat(10),
    )  # more than one chunk, each unlike the next
    found = landscape(path, model=model, loss_fn=nn.CrossEntropyLoss(), data=long, points=3, batch_norm="batch")
    other = copy.deepcopy(model).train()
    other[3].eval()
    vector_to_parameters(torch.from_numpy(path.points[2]), other.parameters())
    with torch.no_grad():
        known = nn.functional.cross_entropy(other(long[0]), long[1])
    assert found.path_loss[2] == pytest.approx(float(known), rel=1e-5)


def test_a_loss_that_is_not_finite_is_kept_as_such() -> None:
    model, path = rolled([0.0, 2.0, 0.0, 3.0, 0.0])
    found = landscape(path, model=model, loss_fn=lambda o, y: 1 / (o - o).sum(), data=DATA, points=3)
    assert math.isinf(found.loss[0, 0])


# ── Which images ──────────────────────────────────────────────────────────────────────────────────────────


def test_images_are_drawn_by_the_seed_from_the_training_part() -> None:
    model, path = lenet_path()
    data = passo.load("fashion-mnist-sample", per_class=40)
    one, again, other = (set_scene(path, model, nn.CrossEntropyLoss(), data, 50, seed) for seed in (0, 0, 1))
    assert torch.equal(one.x, again.x) and not torch.equal(one.x, other.x)
    assert one.info["images"] == 50 and one.info["of"] == 360
    pool = {row.numpy().tobytes() for row in data.train.images}
    drawn = {row.numpy().tobytes() for row in one.x}
    assert drawn <= pool and len(drawn) == 50


def test_batches_give_their_first_images() -> None:
    model, path = rolled([2.0, -1.0, 0.5, 3.0, 1.0])
    batches = [(torch.full((4, 1), float(n)), torch.full((4,), float(n))) for n in range(5)]
    scene = set_scene(path, model, bowl_loss, batches, 10, 0)
    assert scene.y.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert scene.x.ravel().tolist() == scene.y.tolist()
    assert len(list(losses(scene, [(torch.zeros(5), torch.zeros(0))]))) == 1


# ── A run of passo's, and the store ───────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = {"per_class": 30, "validation": None}
    folder = tmp_path_factory.mktemp("landscapes") / "run"
    return passo.train(
        "fashion-mnist-sample", "tiny-cnn", lr=0.01, epochs=2, record={"path": 6}, dataset=settings, out=folder
    )


def test_a_run_is_rebuilt_from_its_names_and_its_landscape_read_back_from_the_store(run: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = landscape(
        run.run, points=5, images=100, out=tmp_path / "kept", progress=lambda done, total: told.append((done, total))
    )
    assert told == [(n, 25 + 2 * 6) for n in range(1, 38)]
    study = passo.open(tmp_path / "kept")
    assert study.status == "done" and [r.kind for r in study.runs] == ["landscape"]
    kept, held = loss_surface(study.runs[0]), loss_surface(found)
    for name in ("x", "y", "loss", "steps", "path", "path_loss", "plane_loss", "distances", "moves", "shares"):
        assert np.array_equal(getattr(kept, name), getattr(held, name))
    assert kept.info["source"] == {
        "study": "run", "run": "tiny-cnn-adam-s0", "started": run.run.started, "seed": 0, "status": "done",
        "model": "tiny-cnn", "optimizer": "adam", "dataset": "fashion-mnist-sample",
    }  # fmt: skip
    assert found.folder == tmp_path / "kept"


def test_the_end_of_a_runs_path_has_the_loss_of_its_final_weights(run: Any) -> None:
    found = landscape(run, points=3, images=10_000)
    data = passo.load("fashion-mnist-sample", per_class=30, validation=None)
    known = evaluate(run.model, nn.CrossEntropyLoss(), [(data.train.images, data.train.labels)]).loss
    assert found.path_loss[-1] == pytest.approx(known, rel=1e-6)
    assert found.info["images"] == found.info["of"] == 300


def test_settings_that_a_landscape_does_not_need_may_be_of_another_version(run: Any) -> None:
    stored = run.run
    old = replace(stored, config={**stored.config, "record": {"trace": 3}, "schedule": {"name": "gone"}})
    assert landscape(old, points=3, images=20).info["source"]["run"] == stored.id


def test_another_data_set_may_be_looked_at(run: Any) -> None:
    data = passo.load("fashion-mnist-sample", per_class=30, validation=None)
    found = landscape(run, points=3, data=(data.test.images, data.test.labels), images=1000)
    assert found.path_loss[-1] == pytest.approx(run.test.loss, rel=1e-6)


def test_an_interrupted_landscape_is_marked_so(run: Any, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        landscape(run, points=5, images=20, out=tmp_path / "kept", progress=stop)
    study = passo.open(tmp_path / "kept")
    assert (study.status, study.runs[0].status) == ("interrupted", "interrupted")
    assert landscape(run, points=5, images=20, out=tmp_path / "kept").loss.shape == (5, 5)


# ── What bad input gets ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"point": 3}, "unknown key 'point'. Did you mean 'points'"),
        ({"points": 2}, "points must be ≥ 3, got 2"),
        ({"directions": "pcb"}, "directions must be 'pca' or 'random', got 'pcb'"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], message: str) -> None:
    model, path = rolled([0.0, 2.0, 0.0, 3.0, 0.0])
    with pytest.raises(ConfigError, match=message):
        look(model, path, **settings)


def test_what_cannot_be_looked_at_is_said_in_words() -> None:
    model, path = rolled([0.0, 2.0, 0.0, 3.0, 0.0])
    with pytest.raises(UsageError, match=r"needs model=…, loss_fn=…, data=… too"):
        landscape(path)
    with pytest.raises(UsageError, match=r"expected a run of passo or a recorded path, got Bowl"):
        landscape(model)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"the path has theta of shape \(5,\), the model has none"):
        look(nn.Linear(2, 1), path)
    with pytest.raises(UsageError, match="did not move along the 1 points"):
        look(model, rolled([1.0] * 5, steps=0)[1])
    with pytest.raises(UsageError, match="it has no filters; take directions=pca"):
        look(model, path, directions="random")
    with pytest.raises(UsageError, match="need one label for each sample, got 7 samples and 3 labels"):
        landscape(path, model=model, loss_fn=bowl_loss, data=(DATA[0], DATA[1][:3]))
    broken = WeightPath(path.steps, np.where(path.points > 1, np.nan, path.points), path.buffers, path.parameters, ())
    with pytest.raises(UsageError, match="are not finite"):
        look(model, broken)


def test_a_run_of_objects_asks_for_them_again(tmp_path: Path) -> None:
    data = passo.load("fashion-mnist-sample", per_class=20)
    model = passo.build("tiny-cnn", seed=1)
    done = passo.train(data, model, epochs=1, record={"path": 4}, out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"was trained on model that it was given, \(Sequential\): .* model=…"):
        landscape(done.run)
    assert landscape(done.run, model=model, points=3, images=20).info["data"] == "fashion-mnist-sample"


def test_other_data_than_the_runs_own_are_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    less = passo.load("fashion-mnist-sample", per_class=20)
    monkeypatch.setattr("passo.experiments.scenes.load_data", lambda config: less)
    with pytest.raises(StoreError, match=r"was trained on fashion-mnist-sample with .* \(other counts\)"):
        landscape(run.run, points=3)
