"""A race of optimizers over a surface: who arrived, when and where, as a table and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.words import joined, significant
from passo.errors import StoreError
from passo.store import StoredStudy

Point = tuple[float, float]


@dataclass(frozen=True)
class Minimum:
    """A minimum that is known of the surface, and its loss."""

    at: Point
    loss: float


@dataclass(frozen=True, kw_only=True)
class Racer:
    """One way down: points (T+1, 2), losses (T+1,), lr (T,); the rest as in `passo.experiments.walk.Racer`."""

    label: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None
    start: Point
    rate: str
    points: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    lr: np.ndarray = field(repr=False)
    evaluations: int
    nearest: Minimum
    arrived: int | None
    diverged: int | None

    @property
    def distance(self) -> float:
        """From the end to the minimum that is nearest to it."""
        return math.dist(self.points[-1], self.nearest.at)


@dataclass(frozen=True, kw_only=True)
class Race:
    """A race as it is drawn: the surface on a grid x (n,), y (m,), loss (m, n), what is known of it, and the racers."""

    surface: str
    title: str
    told: str
    formula: str
    source: str
    note: str
    axes: tuple[str, str]
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    loss: np.ndarray = field(repr=False)
    minima: tuple[Minimum, ...] = field(repr=False)
    steps: int
    noise: float
    batches: int | None
    seed: int
    tolerance: float
    racers: tuple[Racer, ...]

    @property
    def lowest(self) -> float:
        """The loss of the deepest minimum."""
        return min(minimum.loss for minimum in self.minima)

    @property
    def equally_deep(self) -> bool:
        """Whether it matters little which minimum one ends in."""
        return max(minimum.loss for minimum in self.minima) - self.lowest < 1e-9

    @property
    def starts(self) -> tuple[Point, ...]:
        return tuple(dict.fromkeys(racer.start for racer in self.racers))

    @property
    def labels(self) -> list[str]:
        """The racers' labels without doubles: with several starts a label has several ways down."""
        return list(dict.fromkeys(racer.label for racer in self.racers))


def race(source: Any) -> Race:
    """The race of `passo.descend`, of a study, or of a record (JSON); raises `StoreError` where there is none."""
    if isinstance(source, Race):
        return source
    if isinstance(source, StoredStudy):
        return _made(_read(source))
    return _made(source if isinstance(source, Mapping) else source.record())


def _read(study: StoredStudy) -> dict[str, Any]:
    facts, walked = study.facts.get("race"), study.select(kind="descent")
    if facts is None or not walked:
        raise StoreError(f"{study.folder} holds no race: `passo descend SURFACE --study FOLDER` makes one")
    ground = next(run for run in study.select(kind="surface"))
    names = {"points": "path", "losses": "loss", "lr": "lr"}
    racers = [{**run.info, **{key: run.array(name) for key, name in names.items()}} for run in walked]
    return {**facts, "grid": {name: ground.array(name) for name in ("x", "y", "loss")}, "racers": racers}


def _made(record: Mapping[str, Any]) -> Race:
    grid: dict[str, Any] = {name: np.asarray(values, np.float64) for name, values in record["grid"].items()}
    plain = ("surface", "title", "told", "formula", "source", "note", "steps", "noise", "batches", "seed", "tolerance")
    return Race(
        **{name: record[name] for name in plain},
        **grid,
        axes=tuple(record["axes"]),
        minima=tuple(_minimum(entry) for entry in record["minima"]),
        racers=tuple(_racer(entry) for entry in record["racers"]),
    )


def _minimum(entry: Mapping[str, Any]) -> Minimum:
    return Minimum((float(entry["at"][0]), float(entry["at"][1])), float(entry["loss"]))


def _racer(entry: Mapping[str, Any]) -> Racer:
    columns = {name: np.asarray(entry[name], np.float64) for name in ("points", "losses", "lr")}
    start = (float(entry["start"][0]), float(entry["start"][1]))
    return Racer(**{**entry, **columns, "start": start, "nearest": _minimum(entry["nearest"])})


# ── In words ──────────────────────────────────────────────────────────────────────────────────────────────


def named(race: Race, racer: Racer) -> str:
    """A racer's label, with its start where there are several."""
    if len(race.starts) == 1:
        return racer.label
    return f"{racer.label} from ({significant(racer.start[0])}, {significant(racer.start[1])})"


def plan(racer: Racer) -> str:
    """The schedule of a racer's learning rate, as it would be typed; "constant" where there is none."""
    if racer.schedule is None:
        return "constant"
    options = (f"{key}={value}" for key, value in racer.schedule.items() if key != "name")
    return " ".join([str(racer.schedule["name"]), *options])


def plans(race: Race) -> str:
    """How the learning rates move, in a clause; empty where all are constant."""
    by = {racer.label: plan(racer) for racer in race.racers}
    kinds = list(dict.fromkeys(by.values()))
    if kinds == ["constant"]:
        return ""
    if len(kinds) == 1:
        return f"learning rate: {kinds[0]}"
    whose = [f"{kind} for {joined([label for label, own in by.items() if own == kind])}" for kind in kinds]
    return f"learning rates: {'; '.join(whose)}"


def table(race: Race) -> Table:
    """Where each ended, and after how many steps it came within the tolerance to stay."""
    within = f"within {significant(race.tolerance)} after"
    several = any(racer.evaluations != len(racer.lr) for racer in race.racers)
    planned = any(racer.schedule is not None for racer in race.racers)
    how = ("lr", "chosen by", "schedule") if planned else ("lr", "chosen by")
    columns = ("optimiser", *how, *race.axes, "loss", "distance", within)
    places = max(0, 2 - math.floor(math.log10(race.tolerance)))  # of where it ended: a hundredth of the tolerance
    rows = []
    for racer in race.racers:
        end = [significant(round(float(part), places) + 0.0, 6) for part in racer.points[-1]]
        rate = [significant(float(racer.optimizer["lr"])), racer.rate, *([plan(racer)] if planned else [])]
        cells = [named(race, racer), *rate, *end,
                 significant(float(racer.losses[-1])), significant(racer.distance, 2), outcome(racer)]  # fmt: skip
        rows.append((*cells, f"{racer.evaluations:,}") if several else tuple(cells))
    note = f"{race.told}; {conditions(race)}"
    return Table((*columns, "gradients") if several else columns, tuple(rows), note)


def outcome(racer: Racer) -> str:
    """How a racer's way ended, in a word or two."""
    if racer.diverged is not None:
        return f"diverged at step {racer.diverged}"
    if racer.arrived is None:
        return "–"
    return "1 step" if racer.arrived == 1 else f"{racer.arrived} steps"


def conditions(race: Race) -> str:
    """What all racers had in common, in one sentence that ends with a full stop."""
    starts = joined([f"({significant(x)}, {significant(y)})" for x, y in race.starts])
    parts = [f"{race.steps} steps from {starts}"]
    if race.batches:
        parts.append(f"mini-batches, {race.batches} to an epoch, the same for all")
    if race.noise:
        parts.append(f"normal noise of {significant(race.noise)} on the gradient, the same for all")
    kinds = {racer.rate for racer in race.racers}
    if "table" in kinds:
        parts.append("learning rates of the table: the best of 25 for each optimiser, from the surface's own start")
    if tuned := sorted(kind for kind in kinds if kind.startswith("best of")):
        parts.append(f"learning rates: the {joined(tuned)} for each optimiser, from 10⁻⁴ to 100")
    return "; ".join(parts) + "."


def tell(race: Race) -> str:
    """Who came to the minimum, and when; who did not, and who diverged."""
    which = "the minimum" if len(race.minima) == 1 else "a minimum"
    there = sorted((r for r in race.racers if r.arrived is not None), key=lambda r: r.arrived or 0)
    away = sorted((r for r in race.racers if r.arrived is None and r.diverged is None), key=lambda r: r.distance)
    lost = [r for r in race.racers if r.diverged is not None]
    parts = []
    if there:
        depths = {significant(r.nearest.loss) for r in there}
        alike = f" of loss {depths.pop()}" if len(depths) == 1 and not race.equally_deep else ""
        came = [f"{named(race, r)} after {r.arrived}{'' if alike else _depth(race, r)}" for r in there]
        came[0] = came[0].replace(f" after {there[0].arrived}", f" after {outcome(there[0])}", 1)
        parts.append(f"Came within {significant(race.tolerance)} of {which}{alike} and stayed: {joined(came)}.")
        if alike and there[0].nearest.loss > race.lowest:
            parts.append(f"The deepest minimum has a loss of {significant(race.lowest)}.")
    if away:
        ends = [f"{named(race, r)} at {significant(r.distance)}{_depth(race, r)}" for r in away]
        parts.append(f"Still farther from {which} after {race.steps} steps: {joined(ends)}.")
    if lost:
        parts.append(f"Diverged: {joined([f'{named(race, r)} at step {r.diverged}' for r in lost])}.")
    return " ".join(parts)


def _depth(race: Race, racer: Racer) -> str:
    """The loss of the minimum, where minima differ in it."""
    return "" if race.equally_deep else f" (one of loss {significant(racer.nearest.loss)})"
