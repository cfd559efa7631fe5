"""Races: the paths are the real optimizers', everybody runs under the same conditions, and what is told is so."""

import json
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from passo import open as open_study
from passo.analysis import races
from passo.errors import ConfigError, PassoError, UnknownName
from passo.experiments import rates
from passo.experiments.race import descend, keep
from passo.experiments.racers import CANNOT
from passo.models.surfaces import SURFACES, surface
from passo.optim import make_optimizer, needs_closure, optimizers

SPECS = {
    "sgd": {"lr": 0.001, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "adadelta": {"lr": 1.0},
    "lbfgs": {"lr": 0.5, "max_iter": 3},
}


def plain_loop(name: str, options: dict, ground: str, steps: int) -> torch.Tensor:
    """The loop that anybody would write: the real class, a parameter, and the gradient by the surface's formula."""
    s = surface(ground)
    here = torch.nn.Parameter(torch.tensor(s.start, dtype=torch.float64))
    optimizer = make_optimizer(name, [here], **options)
    path = [here.detach().clone()]

    def closure() -> torch.Tensor:
        here.grad = torch.tensor(s.slope_at(*here.tolist()), dtype=torch.float64)
        return s.loss(here.detach())

    for _ in range(steps):
        if needs_closure(optimizer):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        path.append(here.detach().clone())
    return torch.stack(path)


@pytest.mark.parametrize("name", [name for name in optimizers() if name not in CANNOT])
def test_a_path_is_bit_for_bit_that_of_a_plain_loop(name: str) -> None:
    options = SPECS.get(name, {"lr": 0.001})
    for ground in ("rosenbrock", "bowl"):
        raced = descend(ground, {"name": name, **options}, steps=40).racers[0]
        assert raced.diverged is None
        assert torch.equal(torch.from_numpy(raced.points), plain_loop(name, options, ground, 40))
        assert raced.losses == pytest.approx(surface(ground).loss(torch.from_numpy(raced.points)).numpy())


def test_a_path_follows_autograd_as_well() -> None:
    s = surface("beale")
    here = torch.nn.Parameter(torch.tensor(s.start, dtype=torch.float64))
    adam = torch.optim.Adam([here], lr=0.05)
    for _ in range(60):
        adam.zero_grad()
        s.loss(here).backward()
        adam.step()
    raced = descend("beale", "adam lr=0.05", steps=60).racers[0]
    assert raced.points[-1] == pytest.approx(here.detach().numpy(), rel=1e-9)


def test_gradient_descent_on_the_bowl_is_a_geometric_series() -> None:
    racer = descend("bowl", "sgd lr=0.25", start=(1.6, -0.8), steps=30, tolerance=0.01).racers[0]
    shrunk = 0.75 ** np.arange(31)[:, None] * np.array([1.6, -0.8])
    assert racer.points == pytest.approx(shrunk, rel=1e-12)
    assert racer.losses == pytest.approx(0.5 * (shrunk**2).sum(1))
    first = next(t for t in range(31) if math.hypot(*shrunk[t]) <= 0.01)
    assert racer.arrived == first
    assert (racer.nearest.at, racer.evaluations, racer.diverged) == ((0.0, 0.0), 30, None)
    assert racer.distance == pytest.approx(math.hypot(*shrunk[30]))


def test_who_passes_through_a_minimum_has_not_arrived() -> None:
    racer = descend("bowl", "sgd lr=0.01 momentum=0.99", start=(1.0, 0.0), steps=25, tolerance=0.15).racers[0]
    within = np.abs(racer.points[:, 0]) <= 0.15
    assert within.any() and not within[-1]
    assert racer.arrived is None
    settled = descend("bowl", "sgd lr=0.1 momentum=0.5", start=(1.0, 0.0), steps=200, tolerance=0.15).racers[0]
    assert settled.arrived is not None
    outside = np.abs(settled.points[:, 0]) > 0.15
    assert outside[settled.arrived - 1] and not outside[settled.arrived :].any()


def test_lbfgs_gets_its_closure_and_all_its_evaluations_are_counted() -> None:
    race = descend("rosenbrock", ["lbfgs lr=1 line_search_fn=strong_wolfe", "sgd lr=0.0001"], steps=30)
    newton, sgd = race.racers
    assert newton.arrived is not None and newton.arrived < 30
    assert newton.evaluations > 30 == sgd.evaluations
    assert races.table(races.race(race)).columns[-1] == "gradients"


def test_a_diverging_path_ends_where_it_left_and_nothing_infinite_gets_into_the_record() -> None:
    race = descend("ravine", ["sgd lr=0.05", "adam lr=0.1", "sgd lr=1e200"], steps=120)
    sgd, adam, wild = race.racers
    assert adam.diverged is None
    far = 10 * math.hypot(7.0, 2.4)
    assert sgd.diverged == len(sgd.points) - 1 < 120
    away = np.linalg.norm(sgd.points - np.array([-1.5, 0.0]), axis=1)
    assert (away[:-1] <= far).all() and away[-1] > far
    assert wild.diverged == 1
    assert all(np.isfinite(r.points).all() and len(r.lr) == len(r.points) - 1 for r in race.racers)
    record = json.dumps(race.record(points=11), allow_nan=False)
    assert races.race(json.loads(record)).racers[0].diverged == sgd.diverged
    assert sgd.arrived is None
    assert "Diverged" in races.tell(races.race(race))


def test_a_schedule_moves_the_rate_as_torch_moves_it() -> None:
    plans = ["StepLR step_size=10 gamma=0.5", "none", "ReduceLROnPlateau patience=0 threshold=0.5"]
    race = descend("bowl", ["sgd lr=0.1", "sgd lr=0.1", "sgd lr=0.1"], schedules=plans, steps=30)
    stepped, constant, plateau = (racer.lr for racer in race.racers)
    assert stepped == pytest.approx(np.repeat([0.1, 0.05, 0.025], 10))
    assert (constant == 0.1).all()
    assert plateau[0] == 0.1 and plateau[-1] < 0.1
    assert [racer.label for racer in race.racers] == ["sgd, StepLR", "sgd, no schedule", "sgd, ReduceLROnPlateau"]
    assert race.racers[1].schedule is None


def test_the_schedule_stands_in_the_table_and_is_said_for_whom() -> None:
    plans = ["StepLR step_size=10 gamma=0.5", "none"]
    differ = races.race(descend("bowl", ["sgd lr=0.1", "adam lr=0.1"], schedules=plans, steps=30))
    told = races.table(differ)
    column = told.columns.index("schedule")
    assert [row[column] for row in told.rows] == ["StepLR step_size=10 gamma=0.5", "constant"]
    assert races.plans(differ) == "learning rates: StepLR step_size=10 gamma=0.5 for sgd; constant for adam"
    alike = races.race(descend("bowl", ["sgd lr=0.1", "adam lr=0.1"], schedules=plans[0], steps=30))
    assert races.plans(alike) == "learning rate: StepLR step_size=10 gamma=0.5"
    plain = races.race(descend("bowl", "sgd lr=0.1", steps=30))
    assert races.plans(plain) == "" and "schedule" not in races.table(plain).columns


def test_a_race_prints_itself_in_a_line_for_each_racer() -> None:
    race = descend("ravine", ["sgd lr=0.05", "adam lr=0.3"], schedules="StepLR step_size=90", steps=120)
    first, lost, there = repr(race).splitlines()
    assert first == "<Race over ravine, 120 steps"
    assert lost == f"  sgd (lr 0.05, StepLR): diverged at step {race.racers[0].diverged}"
    x, y = race.racers[1].points[-1]
    assert there.startswith(f"  adam (lr 0.3, StepLR): ended at ({x:.4g}, {y:.4g}), loss ")
    assert str(race) == repr(race)
    assert repr(race.racers[0]) == f"<Racer {lost.strip()}>"


def test_noise_is_the_same_for_every_optimizer_and_comes_from_the_seed() -> None:
    kicks = []
    for spec in ("sgd lr=0.1", "sgd lr=0.001"):
        racer = descend("bowl", spec, noise=0.5, seed=3, steps=50).racers[0]
        step = racer.points[1:] - racer.points[:-1]
        kicks.append(-step / racer.lr[:, None] - racer.points[:-1])  # gradient less slope: the noise
    assert kicks[0] == pytest.approx(kicks[1], abs=1e-9)
    assert 0.3 < kicks[0].std() < 0.7
    other = descend("bowl", "sgd lr=0.1", noise=0.5, seed=4, steps=50).racers[0]
    again = descend("bowl", "sgd lr=0.1", noise=0.5, seed=3, steps=50).racers[0]
    first = descend("bowl", "sgd lr=0.1", noise=0.5, seed=3, steps=50).racers[0]
    assert (first.points == again.points).all()
    assert np.abs(first.points - other.points).max() > 0.01


def test_the_race_of_line_is_over_real_images_full_batch_or_in_mini_batches() -> None:
    from passo.data import load
    from passo.experiments.descent import brightness

    problem = brightness(load("fashion-mnist-sample"))
    race = descend("line", "sgd lr=0.2", start=(0.5, -0.5), steps=3)
    x, y = problem.x.numpy().ravel().astype(float), problem.y.numpy().ravel().astype(float)
    theta = np.array([0.5, -0.5])
    for point in race.racers[0].points:
        assert point == pytest.approx(theta, abs=1e-9)
        error = theta[0] + theta[1] * x - y
        theta = theta - 0.2 * 2 * np.array([error.mean(), (error * x).mean()])
    assert race.surface.minima[0].at == pytest.approx(problem.minimum)
    batches = descend("line batch_size=16", ["sgd lr=0.2", "adam lr=0.01"], steps=40)
    assert batches.surface.per_epoch == 20
    assert batches.record(points=5)["batches"] == 20
    stepped = descend("line batch_size=16", "sgd lr=0.2", schedules="StepLR step_size=1 gamma=0.1", steps=40)
    assert stepped.racers[0].lr[[0, 19, 20, 39]] == pytest.approx([0.2, 0.2, 0.02, 0.02])


def test_tuning_tries_the_same_rates_for_each_and_takes_the_one_that_arrives_first() -> None:
    tuned = descend("ravine", ["sgd", "adam", "adagrad lr=0.5"], tune=7, steps=150)
    tried = rates.grid(7)
    assert tried == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    assert [racer.rate for racer in tuned.racers] == ["best of 7", "best of 7", "given"]
    assert tuned.racers[2].optimizer["lr"] == 0.5
    for racer in tuned.racers[:2]:
        runs = [descend("ravine", f"{racer.label} lr={lr}", steps=150).racers[0] for lr in tried]
        inside = [r for r in runs if (np.abs(r.points[:, 1]) <= 1.2).all() and (r.points[:, 0] <= 2).all()]
        arrived = [r.arrived for r in inside if r.arrived is not None and (r.points[:, 0] >= -5).all()]
        if arrived:
            assert racer.arrived == min(arrived)
        else:
            assert racer.losses[-1] == min(r.losses[-1] for r in inside)


def test_the_table_has_rates_for_the_usual_optimizers_on_every_surface() -> None:
    table = tomllib.loads(rates.TABLE.read_text(encoding="utf-8"))
    assert set(table) == set(SURFACES)
    raced = {"sgd", "momentum", "nesterov", "adam", "adagrad", "rmsprop", "lbfgs"}
    for found in table.values():
        assert set(found) >= raced
        assert set(found.values()) <= set(rates.grid(25))


@pytest.mark.slow
@pytest.mark.parametrize(("ground", "name"), [("ravine", "sgd"), ("plateau", "momentum"), ("saddle", "adam")])
def test_the_tables_rate_is_what_tuning_finds(ground: str, name: str) -> None:
    tuned = descend(ground, name, tune=25).racers[0]
    assert descend(ground, name).racers[0].optimizer["lr"] == tuned.optimizer["lr"]


def test_labels_tell_racers_apart_and_several_starts_make_several_paths() -> None:
    specs = ["adam", "adam lr=0.5", "momentum", "nesterov", "sgd momentum=0.5", {"name": "adam", "label": "mine"}]
    race = descend("bowl", specs, start=[(1.0, 1.0), (-1.0, 0.5)], steps=2)
    labels = [racer.label for racer in race.racers]
    assert labels[::2] == labels[1::2]
    assert len(set(labels)) == 6
    assert "mine" in labels and "nesterov" in labels
    assert [racer.start for racer in race.racers[:2]] == [(1.0, 1.0), (-1.0, 0.5)]
    assert "from (−1, 0.5)" in races.table(races.race(race)).rows[1][0]


def test_a_kept_race_is_read_back_without_torch_and_is_the_same(tmp_path: Path) -> None:
    race = descend("himmelblau", ["adam lr=0.3", "sgd lr=0.02", "sgd lr=0.01"], steps=60)
    keep(race, tmp_path / "kept")
    read = races.race(open_study(tmp_path / "kept"))
    direct = races.race(race)
    assert [r.label for r in read.racers] == [r.label for r in race.racers]
    for one, other in zip(read.racers, direct.racers, strict=True):
        assert (one.points == other.points).all() and (one.losses == other.losses).all()
        assert (one.arrived, one.diverged, one.nearest, one.rate) == (
            other.arrived, other.diverged, other.nearest, other.rate,
        )  # fmt: skip
    assert (read.loss == direct.loss).all()
    assert races.tell(read) == races.tell(direct)
    assert races.table(read) == races.table(direct)
    code = (
        "import sys\nfrom passo.analysis.races import race, tell\nfrom passo.figures.player import race_page\n"
        "from passo.store import open_study\nfound = race(open_study(sys.argv[1]))\nrace_page(found)\n"
        "assert 'torch' not in sys.modules\nprint(tell(found))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "kept")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == races.tell(direct)


def test_a_study_without_a_race_says_how_to_make_one(tmp_path: Path) -> None:
    from passo.store import Store

    with Store.create(tmp_path / "other", name="other", config={}):
        pass
    with pytest.raises(PassoError, match="holds no race: `passo descend SURFACE --study FOLDER`"):
        races.race(open_study(tmp_path / "other"))


def test_what_is_told_is_in_the_order_of_arrival() -> None:
    race = races.race(descend("bowl", ["sgd lr=0.05", "sgd lr=0.5", "sgd lr=0.001", "sgd lr=3"], steps=200))
    said = races.tell(race)
    fast, slow, away, lost = (f"sgd lr {lr}" for lr in ("0.5", "0.05", "0.001", "3"))
    assert said.index(fast) < said.index(slow) < said.index(away) < said.index(lost)
    assert f"within 0.01 of the minimum and stayed: {fast} after {race.racers[1].arrived} steps" in said
    assert f"{away} at {race.racers[2].distance:.3g}" in said
    assert f"{lost} at step {race.racers[3].diverged}" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rastrigan", ["adam"]), "Did you mean 'rastrigin'"),
        (("bowl", ["adm"]), "Did you mean 'adam'"),
        (("bowl", ["adam lrr=1"]), "lrr"),
        (("bowl", ["muon"]), "muon makes the update of a matrix orthogonal"),
        (("bowl", ["sparseadam"]), "sparseadam takes sparse gradients only"),
        (("bowl", []), "at least one optimizer"),
        (("bowl", [3]), "an optimizer must be a name"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments: tuple, said: str) -> None:
    with pytest.raises((UnknownName, ConfigError), match=said) as told:
        descend(*arguments)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps must be a whole number ≥ 1"),
        ({"noise": -1}, "noise must be a standard deviation"),
        ({"tolerance": 0}, "tolerance must be a distance > 0"),
        ({"start": (1.0, math.nan)}, "start must be two finite numbers"),
        ({"start": (1.0, 2.0, 3.0)}, "start must be two numbers"),
        ({"schedules": ["none", "none"]}, "one schedule for all, or one for each of the 1 optimizers"),
        ({"schedules": "StepLRR"}, "Did you mean 'StepLR'"),
        ({"tune": 1}, "tune must be"),
    ],
)
def test_a_wrong_option_gets_one_sentence(options: dict, said: str) -> None:
    with pytest.raises((UnknownName, ConfigError), match=said):
        descend("bowl", ["adam"], **options)


def test_the_command_walks_the_same_path_without_torchs_compiler(tmp_path: Path) -> None:
    """`passo descend` keeps torch._dynamo from being imported; what is walked must not change by a bit."""
    words = [sys.executable, "-m", "passo", "descend", "rosenbrock", "--optimizer", "adam lr=0.1", "--optimizer",
             "sgd lr=0.001 momentum=0.9", "--schedule", "StepLR step_size=10", "--steps", "50",
             "--study", "kept", "--start", "-1.5,2"]  # fmt: skip
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "momentum" in done.stdout
    kept = races.race(open_study(tmp_path / "kept"))
    specs = ["adam lr=0.1", "sgd lr=0.001 momentum=0.9"]
    here = descend("rosenbrock", specs, schedules="StepLR step_size=10", steps=50, start=(-1.5, 2.0))
    for one, other in zip(kept.racers, here.racers, strict=True):
        assert (one.points == other.points).all()
        assert (one.lr == other.lr).all()
    again = [sys.executable, "-m", "passo", "descend", "kept", "--out", "again.html"]
    drawn = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.splitlines()[:4] == done.stdout.splitlines()[:4]
    assert "Two ways down Rosenbrock" in (tmp_path / "again.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ravine", "--out", "race.mp4"), "a race is drawn as .html, .gif, .png, .svg"),
        (("ravine", "--start", "1"), "--start wants two numbers"),
        (("ravin",), "Did you mean 'ravine'"),
        (("ravine", "--optimizer", "muon"), "orthogonal"),
    ],
)
def test_a_mistake_on_the_command_line_gets_one_sentence_and_leaves_nothing(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "passo", "descend", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
