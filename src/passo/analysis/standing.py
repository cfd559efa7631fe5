"""How a study stands: how many of its runs are done, what became of the others, and the best so far.

For studies of thousands of runs while they run: it reads an outline and one last value of each run, and no curve.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from passo.analysis.tables import Table
from passo.analysis.words import amount, higher_is_better, spoken
from passo.language import later, t, tn
from passo.store import Outline, RunLine

USUAL = ("test/accuracy", "validation/accuracy", "test/loss", "validation/loss", "epoch/train_loss", "train/loss")
STATES = (
    later("running"),
    later("interrupted"),
    later("diverged"),
    later("failed"),
)  # of runs that are not done, as they are told
BEST, WORST = 10, 3  # rows of a long table


@dataclass(frozen=True)
class Place:
    """One configuration: the mean of its runs' last values, and of how many that are done."""

    name: str
    mean: float
    n: int


@dataclass(frozen=True)
class Standing:
    """A study's runs by their status, its configurations from the best to the worst, and its runs without a result.

    planned: runs of the whole study, None where that is not known. networks: those that were begun, of many trainings
    each, and are not written; training: those that train now. kept: runs that were begun and are not written, whose
    state waits in `pending/`.
    metric: None where no run has any that ranks.
    """

    name: str
    counts: Mapping[str, int]
    planned: int | None
    metric: str | None
    places: tuple[Place, ...]
    lost: tuple[RunLine, ...]
    networks: int = 0
    training: int = 0
    kept: int = 0

    @property
    def done(self) -> int:
        return self.counts.get("done", 0)

    def progress(self) -> str:
        """How many of how many are done, and what the others are.

        "5,000 of 10,000 runs are done (50 %), 2 diverged, 1 failed; 4,997 were not begun."
        """
        begun = sum(self.counts.values())
        whole = self.planned if self.planned is not None and self.planned >= begun else None
        start = tn("{n:,} of {all:,} runs is done", "{n:,} of {all:,} runs are done", self.done, all=whole or begun)
        share = f" ({math.floor(100 * self.done / whole)} %)" if whole else ""
        others = [_told(state, self.counts[state]) for state in STATES if self.counts.get(state)]
        left = "" if not whole or whole == begun else f"; {self._left(whole - begun)}"
        return f"{', '.join([start + share, *others])}{left}."

    def _left(self, count: int) -> str:
        if self.training:
            return tn(
                "{count:,} are not written yet, with a network of them training",
                "{count:,} are not written yet, with {n} networks of them training",
                self.training,
                count=count,
            )
        if not self.networks:
            kept = min(self.kept, count)
            told = [tn("{n:,} was begun, and its state is kept", "{n:,} were begun, and their states are kept", kept)]
            if count > kept:
                told.append(tn("{n:,} was not begun", "{n:,} were not begun", count - kept))
            return "; ".join(told if kept else told[1:])
        return tn(
            "{count:,} are not written yet, with a network of them under way, whose state is kept",
            "{count:,} are not written yet, with {n} networks of them under way, whose state is kept",
            self.networks,
            count=count,
        )

    def sentence(self) -> str:
        """Progress, and the best so far."""
        if self.metric is None or not self.places:
            return self.progress()
        best = self.places[0]
        told = {"metric": spoken(self.metric), "value": amount(best.mean, self.metric), "name": best.name}
        if best.n > 1:
            said = t("The best {metric} so far is {value}, the mean of {count} runs, by {name}.", count=best.n, **told)
        else:
            said = t("The best {metric} so far is {value}, by {name}.", **told)
        return f"{self.progress()} {said}"

    def table(self) -> Table:
        """Configurations by rank; of many, the best and the worst."""
        ranked = [(str(i), p.name, amount(p.mean, self.metric or ""), f"{p.n}") for i, p in enumerate(self.places, 1)]
        rows = [(name, rank, mean, n) for rank, name, mean, n in ranked]
        if len(rows) > BEST + WORST + 1:
            rows = [*rows[:BEST], (t("… {count:,} more", count=len(rows) - BEST - WORST), "", "", ""), *rows[-WORST:]]
        return Table((t("configuration"), t("rank"), spoken(self.metric or ""), t("runs")), tuple(rows))

    def troubles(self, most: int = BEST) -> Table:
        """The runs that ended without a result, and why; of many, the first."""
        rows = [(run.id, t(run.status), run.error or "") for run in self.lost[:most]]
        more = len(self.lost) - most
        note = t("… and {count:,} more", count=more) if more > 0 else ""
        return Table((t("run"), t("status"), t("why")), tuple(rows), note)


def _told(state: str, count: int) -> str:
    """So many runs of a status."""
    return {
        "running": tn("{n:,} running", "{n:,} running", count),
        "interrupted": tn("{n:,} interrupted", "{n:,} interrupted", count),
        "diverged": tn("{n:,} diverged", "{n:,} diverged", count),
        "failed": tn("{n:,} failed", "{n:,} failed", count),
    }[state]


def standing(study: Outline, planned: int | None = None) -> Standing:
    """How a study stands by its own metric, or by the first usual one that a run has."""
    metric = ranking_metric(study)
    counts = Counter(run.status for run in study.runs)
    lost = tuple(run for run in study.runs if run.status in STATES[1:])
    networks = sum(1 for _ in (study.folder / "pending").glob("group-*.safetensors"))
    training = sum(1 for _ in (study.folder / "pending").glob("group-*.json")) if study.status == "running" else 0
    written = {run.id for run in study.runs}
    begun = {path.parents[2].name for path in (study.folder / "pending").glob("*/runs/*/checkpoint.*.safetensors")}
    places = () if metric is None else ranked(study, metric)
    return Standing(study.name, counts, planned, metric, places, lost, networks, training, len(begun - written))


def ranking_metric(study: Outline) -> str | None:
    """The study's own metric, or the first usual one that a run has; None where there is none."""
    own = study.config.get("metric")
    wished = [own, *USUAL] if isinstance(own, str) else USUAL
    return next((metric for metric in wished if study.has(metric)), None)


def ranked(study: Outline, metric: str) -> tuple[Place, ...]:
    """The configurations by the mean of what their finished runs ended with, the best first and those with NaN last."""
    lasts = study.lasts(metric)
    values: dict[str, list[float]] = {}
    for run in study.runs:
        if run.status == "done" and run.id in lasts:
            values.setdefault(run.name, []).append(lasts[run.id])
    sign = -1 if higher_is_better(metric) else 1
    found = [Place(name, math.fsum(each) / len(each), len(each)) for name, each in values.items()]
    return tuple(sorted(found, key=lambda place: (math.isnan(place.mean), sign * place.mean)))
