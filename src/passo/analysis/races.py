"""A race of optimizers over a surface: who arrived, when and where, as a table and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.words import joined, separator, significant
from passo.errors import StoreError
from passo.language import later, numeral, t, tn
from passo.store import StoredStudy

Point = tuple[float, float]
CONSTANT = later("constant")
RATES = (later("given"), later("table"), later("its own"))  # what `Racer.rate` may be, beside "best of N"


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
    def told_axes(self) -> tuple[str, str]:
        """What the two axes are, in the language that is spoken."""
        return t(self.axes[0]), t(self.axes[1])

    @property
    def told_formula(self) -> str:
        """The surface's formula in plain text, its words in the language that is spoken."""
        formula, turned, angle = self.told.partition(", u and v turned by ")
        return t("{formula}, u and v turned by {angle}", formula=formula, angle=angle) if turned else t(self.told)

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
    return t("{name} from {point}", name=racer.label, point=_place(racer.start))


def _place(point: Point) -> str:
    """A point as it stands in a sentence: (−4.4, 0.9)."""
    x, y = map(significant, point)
    return f"({x}{separator(x + y)}{y})"


def plan(racer: Racer) -> str:
    """The schedule of a racer's learning rate, as it would be typed; "constant" where there is none."""
    if racer.schedule is None:
        return t(CONSTANT)
    options = (f"{key}={value}" for key, value in racer.schedule.items() if key != "name")
    return " ".join([str(racer.schedule["name"]), *options])


def plans(race: Race) -> str:
    """How the learning rates move, in a clause; empty where all are constant."""
    by = {racer.label: plan(racer) for racer in race.racers}
    kinds = list(dict.fromkeys(by.values()))
    if all(racer.schedule is None for racer in race.racers):
        return ""
    if len(kinds) == 1:
        return t("learning rate: {plan}", plan=kinds[0])
    whose = {kind: joined([label for label, own in by.items() if own == kind]) for kind in kinds}
    told = [t("{plan} for {names}", plan=kind, names=names) for kind, names in whose.items()]
    return t("learning rates: {plans}", plans="; ".join(told))


def told_rate(racer: Racer) -> str:
    """Where a racer's learning rate comes from, in a word or three."""
    if racer.rate.startswith("best of "):
        return t("best of {n}", n=racer.rate.removeprefix("best of "))
    return t(racer.rate)


def table(race: Race) -> Table:
    """Where each ended, and after how many steps it came within the tolerance to stay."""
    within = t("within {tolerance} after", tolerance=significant(race.tolerance))
    several = any(racer.evaluations != len(racer.lr) for racer in race.racers)
    planned = any(racer.schedule is not None for racer in race.racers)
    how = ("lr", t("chosen by"), *([t("schedule")] if planned else []))
    columns = (t("optimiser"), *how, *race.told_axes, t("loss"), t("distance"), within)
    places = max(0, 2 - math.floor(math.log10(race.tolerance)))  # of where it ended: a hundredth of the tolerance
    rows = []
    for racer in race.racers:
        end = [significant(round(float(part), places) + 0.0, 6) for part in racer.points[-1]]
        rate = [significant(float(racer.optimizer["lr"])), told_rate(racer), *([plan(racer)] if planned else [])]
        cells = [named(race, racer), *rate, *end,
                 significant(float(racer.losses[-1])), significant(racer.distance, 2), outcome(racer)]  # fmt: skip
        rows.append((*cells, numeral(f"{racer.evaluations:,}")) if several else tuple(cells))
    note = f"{race.told_formula}; {conditions(race)}"
    return Table((*columns, t("gradients")) if several else columns, tuple(rows), note)


def outcome(racer: Racer) -> str:
    """How a racer's way ended, in a word or two."""
    if racer.diverged is not None:
        return t("diverged at step {step}", step=racer.diverged)
    return "–" if racer.arrived is None else tn("{n} step", "{n} steps", racer.arrived)


def conditions(race: Race) -> str:
    """What all racers had in common, in one sentence that ends with a full stop."""
    parts = [t("{n} steps from {starts}", n=race.steps, starts=joined([_place(start) for start in race.starts]))]
    if race.batches:
        parts.append(t("mini-batches, {n} to an epoch, the same for all", n=race.batches))
    if race.noise:
        parts.append(t("normal noise of {noise} on the gradient, the same for all", noise=significant(race.noise)))
    if any(racer.rate == "table" for racer in race.racers):
        parts.append(t("learning rates of the table: the best of 25 for each optimiser, from the surface's own start"))
    if tuned := {racer.rate: told_rate(racer) for racer in race.racers if racer.rate.startswith("best of")}:
        best = joined([tuned[rate] for rate in sorted(tuned)])
        parts.append(t("learning rates: the {best} for each optimiser, from 10⁻⁴ to 100", best=best))
    return "; ".join(parts) + "."


def tell(race: Race) -> str:
    """Who came to the minimum, and when; who did not, and who diverged."""
    one = len(race.minima) == 1
    there = sorted((r for r in race.racers if r.arrived is not None), key=lambda r: r.arrived or 0)
    away = sorted((r for r in race.racers if r.arrived is None and r.diverged is None), key=lambda r: r.distance)
    lost = [r for r in race.racers if r.diverged is not None]
    parts = []
    if there:
        parts += _came(race, there)
    if away:
        ends = [
            t(
                "{name} at {distance}{depth}",
                name=named(race, r),
                distance=significant(r.distance),
                depth=_depth(race, r),
            )
            for r in away
        ]
        which = t("from the minimum") if one else t("from a minimum")
        parts.append(t("Still farther {which} after {n} steps: {ends}.", which=which, n=race.steps, ends=joined(ends)))
    if lost:
        ends = [t("{name} at step {step}", name=named(race, r), step=r.diverged) for r in lost]
        parts.append(t("Diverged: {ends}.", ends=joined(ends)))
    return " ".join(parts)


def _came(race: Race, there: Sequence[Racer]) -> list[str]:
    """Who came to a minimum and stayed, the first with the word "steps"; how deep it is, where depths differ."""
    depths, one = {significant(r.nearest.loss) for r in there}, len(race.minima) == 1
    alike = len(depths) == 1 and not race.equally_deep
    came = [
        t(
            "{name} after {steps}{depth}",
            name=named(race, r),
            steps=outcome(r) if r is there[0] else r.arrived,
            depth="" if alike else _depth(race, r),
        )
        for r in there
    ]
    which = t("of the minimum") if one else t("of a minimum")
    if alike:
        loss = depths.pop()
        which = t("of the minimum of loss {loss}", loss=loss) if one else t("of a minimum of loss {loss}", loss=loss)
    tolerance = significant(race.tolerance)
    told = [
        t("Came within {tolerance} {which} and stayed: {came}.", tolerance=tolerance, which=which, came=joined(came))
    ]
    if alike and there[0].nearest.loss > race.lowest:
        told.append(t("The deepest minimum has a loss of {loss}.", loss=significant(race.lowest)))
    return told


def _depth(race: Race, racer: Racer) -> str:
    """The loss of the minimum, where minima differ in it."""
    return "" if race.equally_deep else " " + t("(one of loss {loss})", loss=significant(racer.nearest.loss))
