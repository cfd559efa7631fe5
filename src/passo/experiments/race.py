"""Optimizers race over a surface of two parameters: the real classes take real steps from one start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import ConfigError
from passo.experiments import rates
from passo.experiments.racers import Entry, Spec, entries_of, ground_of, listed, starts_of
from passo.experiments.walk import Course, Racer, walk
from passo.models.terrain import Point, Surface
from passo.optim import describe
from passo.seeding import derive
from passo.store import Store

FIELD = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")


@dataclass(frozen=True, kw_only=True)
class Race:
    """The racers over one surface, each under the same conditions."""

    surface: Surface
    racers: tuple[Racer, ...]
    steps: int
    noise: float
    seed: int
    tolerance: float

    def __repr__(self) -> str:
        ways = "".join(f"\n  {racer.told()}" for racer in self.racers)
        return f"<Race over {self.surface.name}, {self.steps} steps{ways}>"

    def facts(self) -> dict[str, Any]:
        """What the race is, without its paths, as JSON can hold it."""
        s = self.surface
        return {
            "surface": s.name, "title": s.title, "formula": s.formula, "told": s.told, "source": s.source,
            "note": s.note, "axes": list(s.axes),
            "x": list(s.x), "y": list(s.y), "minima": [{"at": list(m.at), "loss": m.loss} for m in s.minima],
            "steps": self.steps, "noise": self.noise, "seed": self.seed, "tolerance": self.tolerance,
            "batches": s.per_epoch if s.sampled is not None else None,
        }  # fmt: skip

    def record(self, points: int = 161) -> dict[str, Any]:
        """Everything that is drawn, as JSON can hold it: no NaN, no infinity."""
        x, y, loss = self.surface.grid(points)
        return {
            **self.facts(),
            "grid": {"x": x.tolist(), "y": y.tolist(), "loss": _plain(loss)},
            "racers": [{**_outcome(r), **{k: _plain(v) for k, v in _arrays(r).items()}} for r in self.racers],
        }


def descend(
    surface: Spec | Surface,
    optimizers: Spec | Sequence[Spec] = FIELD,
    *,
    start: Point | Sequence[Point] | None = None,
    steps: int = 300,
    schedules: Spec | Sequence[Spec | None] | None = None,
    noise: float = 0.0,
    seed: int = 0,
    tolerance: float = 0.01,
    tune: int = 0,
) -> Race:
    """Let optimizers walk down a surface, step by step, from the same start.

    Args:
        surface: a name ("ravine"), with options ("ravine kappa=100"), or a `Surface` of your own. "line" is the loss
            of ŷ = b + w·x on images (options `dataset`, `images`, and `batch_size` for mini-batches).
        optimizers: names with any arguments: "adam", "sgd lr=0.01 momentum=0.9", {"name": "adam", "betas": [0.8, 0.9]},
            each with a `label` if you like. "momentum" and "nesterov" stand for SGD with a momentum of 0.9.
        start: (x, y), or several; the surface's own by default.
        schedules: one for all, or one (or None) for each optimizer. A step counts as an epoch, unless there are
            mini-batches.
        noise: standard deviation of normal noise on each component of the gradient, the same for every optimizer.
        tolerance: the distance from a minimum within which an optimizer has arrived.
        tune: try so many learning rates, from 10⁻⁴ to 100, for each optimizer without one: the rate that arrives
            first at a deepest minimum wins, or else the one that ends lowest. By default, rates come from a table
            made in the same way with 25 rates, and for what is not in it from the optimizer itself.

    `passo.race_page(race).save("race.html")` makes the page that plays it; `race.racers` has every step's numbers.

    Points are float64. Raises UnknownName and ConfigError, in one sentence.

    >>> race = descend("bowl", ["sgd lr=0.5"], start=(1.0, 0.0), steps=3)
    >>> race.racers[0].points.tolist()
    [[1.0, 0.0], [0.5, 0.0], [0.25, 0.0], [0.125, 0.0]]
    >>> race
    <Race over bowl, 3 steps
      sgd (lr 0.5): ended at (0.125, 0), loss 0.00781>
    """
    check(steps, noise, tolerance)
    ground = ground_of(surface)
    entries = entries_of(listed(optimizers), schedules)
    course = Course(ground, steps, drawn_noise(ground, noise, seed, steps), seed, tolerance)
    racers = [racer_of(course, entry, at, tune) for entry in entries for at in starts_of(ground, start)]
    return Race(surface=ground, racers=tuple(racers), steps=steps, noise=noise, seed=seed, tolerance=tolerance)


def keep(race: Race, folder: str | Path, *, force: bool = False) -> Path:
    """Keep a race in a study folder: a run of kind `surface`, and one of kind `descent` for each racer."""
    asked = [{"optimizer": r.optimizer, "schedule": r.schedule, "start": list(r.start)} for r in race.racers]
    config = {**{k: v for k, v in race.facts().items() if k != "minima"}, "racers": asked}
    with Store.create(folder, name=f"race-{race.surface.name}", config=config, force=force) as store:
        store.facts(race=race.facts())
        ground = store.add_run(race.surface.name, config={"surface": race.surface.name}, kind="surface")
        for name, values in zip(("x", "y", "loss"), race.surface.grid(), strict=True):
            ground.array(name, values)
        ground.finish()
        for place, (racer, settings) in enumerate(zip(race.racers, asked, strict=True), start=1):
            run = store.add_run(f"{place}-{racer.label}".replace("/", "|"), config=settings, kind="descent")
            for name, values in _arrays(racer).items():
                run.array({"points": "path", "losses": "loss"}.get(name, name), values)
            run.info(**_outcome(racer))
            run.finish()
    return Path(folder)


# ── The rates ─────────────────────────────────────────────────────────────────────────────────────────────


def racer_of(course: Course, entry: Entry, start: Point, tune: int = 0) -> Racer:
    """An entry's way down, with a learning rate where it has none of its own."""
    optimizer, rate = dict(entry.optimizer), "given"
    if "lr" not in optimizer:
        usual = rates.usual(course.surface.name, optimizer)
        if tune:
            optimizer["lr"] = rates.best(rates.grid(tune), lambda lr: _score(course, entry, start, lr))
            rate = f"best of {tune}"
        elif usual is not None:
            optimizer["lr"], rate = usual, "table"
        else:
            optimizer["lr"], rate = _own_rate(optimizer["name"]), "its own"
    return replace(walk(course, replace(entry, optimizer=optimizer), start), rate=rate)


def _score(course: Course, entry: Entry, start: Point, lr: float) -> tuple[float, ...]:
    """Less is better. A path that stays in the picture beats one that leaves it; then arriving at a deepest minimum,
    and early; then the loss at the end. Who diverges comes last.
    """
    run = walk(course, replace(entry, optimizer={**entry.optimizer, "lr": lr}), start)
    loss = float(run.losses[-1])
    if run.diverged is not None or not math.isfinite(loss):
        return (2.0,)
    low, high = zip(course.surface.x, course.surface.y, strict=True)
    outside = float(bool(((run.points < low) | (run.points > high)).any()))
    deepest = run.nearest.loss <= course.surface.lowest + 1e-9
    return (outside, 0.0, run.arrived) if run.arrived is not None and deepest else (outside, 1.0, loss)


def check(steps: int, noise: float, tolerance: float) -> None:
    """Refuse what no race can be run with."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"steps must be a whole number ≥ 1, got {steps!r}")
    if not (isinstance(noise, int | float) and 0 <= noise < math.inf):
        raise ConfigError(f"noise must be a standard deviation ≥ 0, got {noise!r}")
    if not (isinstance(tolerance, int | float) and 0 < tolerance < math.inf):
        raise ConfigError(f"tolerance must be a distance > 0, got {tolerance!r}")


def drawn_noise(ground: Surface, noise: float, seed: int, steps: int) -> np.ndarray | None:
    """The noise of every step: drawn once, so that all racers meet the same."""
    if not noise:
        return None
    return noise * np.random.default_rng(derive(seed, "descent", "noise")).standard_normal((steps, 2))


def _own_rate(name: str) -> float:
    default = {argument.name: argument.default for argument in describe(name).arguments}.get("lr")
    if default is None:
        raise ConfigError(f"{name} has no learning rate of its own: give it an lr")
    return float(default)


# ── As JSON ───────────────────────────────────────────────────────────────────────────────────────────────


def _arrays(racer: Racer) -> dict[str, np.ndarray]:
    return {"points": racer.points, "losses": racer.losses, "lr": racer.lr}


def _outcome(r: Racer) -> dict[str, Any]:
    nearest = {"at": list(r.nearest.at), "loss": r.nearest.loss}
    return {
        "label": r.label, "optimizer": r.optimizer, "schedule": r.schedule, "start": list(r.start), "rate": r.rate,
        "evaluations": r.evaluations, "nearest": nearest, "arrived": r.arrived, "diverged": r.diverged,
    }  # fmt: skip


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers as nested lists, with None for what is not finite."""
    if np.isfinite(values).all():
        return values.tolist()
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
