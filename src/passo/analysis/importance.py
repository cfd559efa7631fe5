"""How much each hyperparameter mattered: its main effect's share of the variance over a full grid.

Over every combination of the settings that vary and every seed, the sum of squares splits without a remainder:

    total = Σ over settings f of main(f) + interactions + seeds + the rest

    main(f) = Σ over levels l of (runs at l)·(mean at l − grand mean)²       interactions = configurations − Σ main(f)
    seeds   = the same with seeds as levels (they share starts and batches)  the rest = seeds × configurations

A share is a part over the total. Even where a setting does nothing, its main effect is about (levels − 1) times the
mean square of the rest: that is `chance`, given beside it. Main effects are what fANOVA calls by this name (F. Hutter,
H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014), computed here
from the runs themselves, without a model between; hence the full grid. They hold for this grid: a wider range of a
setting makes that setting more important.

Settings that follow from another one (a schedule's options from its name) are one setting with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.tables import Table
from passo.analysis.varied import Settings, called, number, setting, settings
from passo.analysis.words import joined, spoken
from passo.errors import StoreError
from passo.language import numeral, t
from passo.store import StoredStudy


@dataclass(frozen=True)
class Effect:
    """A setting's share of the variance, what chance alone would give it, and its levels."""

    key: str
    share: float
    chance: float
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Importance:
    """The shares of the variance, which sum to 1. With one seed `rest` and `seeds` are 0, and no chance is known."""

    metric: str
    effects: tuple[Effect, ...]
    interactions: float
    seeds: float
    rest: float
    runs: int

    def parts(self) -> list[tuple[str, float, float]]:
        """(name, share, chance) of everything, the settings first."""
        found = [(e.key, e.share, e.chance) for e in self.effects]
        found += [(t("interactions"), self.interactions, math.nan)] if len(self.effects) > 1 else []
        rest = t("rest: seed × configuration")
        return [*found, (t("seeds"), self.seeds, math.nan), (rest, self.rest, math.nan)]

    def table(self) -> Table:
        levels = {e.key: ", ".join(e.levels) for e in self.effects}
        rows = [
            (name, _percent(share), "—" if math.isnan(c) else _percent(c), levels.get(name, ""))
            for name, share, c in self.parts()
        ]
        note = t(
            "Shares of the variance of the {metric} over {runs} runs; chance: what would be luck.",
            metric=spoken(self.metric),
            runs=self.runs,
        )
        return Table(("", t("share"), t("chance"), t("levels")), tuple(rows), note)

    def sentence(self) -> str:
        """The settings by their importance."""
        start = t(
            "Of the variance in {metric} over {runs} runs the settings by themselves explain",
            metric=spoken(self.metric),
            runs=self.runs,
        )
        told = joined([f"{e.key} {100 * e.share:.0f} %" for e in self.effects])
        parts = []
        if len(self.effects) > 1:
            parts.append(t("their interactions {share:.0f} %", share=100 * self.interactions))
        if all(math.isnan(effect.chance) for effect in self.effects):
            parts.append(t("chance is in all of these, and with one seed cannot be told from them"))
        else:
            parts.append(t("seeds and chance {share:.0f} %", share=100 * (self.seeds + self.rest)))
        return f"{start}: {told}; {', '.join(parts)}."


def _percent(share: float) -> str:
    return numeral(f"{100 * share:.1f} %")


def importance(
    study: StoredStudy, metric: str = "validation/accuracy", names: Sequence[str] | None = None
) -> Importance:
    """Each setting's share of the variance of a metric's last value.

    Raises `StoreError` where the configurations are no full grid with the same seeds, and says what is missing.
    """
    study = study.holding(lasts=[metric])
    varied, told = _apart(settings(study, list(names) if names is not None else None))
    cells = _cells(study, varied, metric)
    levels = {key: varied.values(key) for key in varied.keys}
    values = np.array([cells[combination] for combination in itertools.product(*levels.values())])
    values = values.reshape(*(len(level) for level in levels.values()), -1)  # (levels of each key …, seeds)
    found = variance_shares(values, levels, metric)
    return replace(found, effects=tuple(replace(effect, key=told[effect.key]) for effect in found.effects))


def _apart(found: Settings) -> tuple[Settings, dict[str, str]]:
    """The settings without those that follow from another one, and what each is called.

    A schedule's options follow from its name where each has its own, as do lists that vary side by side. What follows
    in everything from one setting (draws at random do, all different) is left as it is: there is no grid to speak of.
    """
    whole = _kinds_whole(found)
    found = whole if len(whole.keys) > 1 else found
    followers: dict[str, list[str]] = {}
    for key in sorted(found.keys, key=lambda key: (-len(found.values(key)), not key.endswith(".name"))):
        owner = next((each for each in followers if _follows(found, key, each)), None)
        if owner is None:
            followers[key] = []
        else:
            followers[owner].append(key)
    foreign = {key: [each for each in those if _section(each) != _section(key)] for key, those in followers.items()}
    if len(followers) == 1 < len(found.keys) and not next(iter(followers)).endswith(".name"):
        return found, {key: key for key in found.keys}
    told = {
        key: t("{key} (with {others})", key=key, others=joined(those)) if those else key
        for key, those in foreign.items()
    }
    return Settings(tuple(key for key in found.keys if key in followers), found.of), told


def _kinds_whole(found: Settings) -> Settings:
    """Sections of different kinds whose options do not all meet (SGD with and without momentum, Adam) as one key."""
    for section in dict.fromkeys(map(_section, found.keys)):
        keys = [key for key in found.keys if _section(key) == section]
        there = {tuple(repr(each[key]) for key in keys) for each in found.of.values()}
        if f"{section}.name" not in keys or len(there) == math.prod(len(found.values(key)) for key in keys):
            continue
        kept = tuple(dict.fromkeys(section if key in keys else key for key in found.keys))
        words = Settings(tuple(keys), found.of)
        found = Settings(kept, {name: {**each, section: words.label(name)} for name, each in found.of.items()})
    return found


def _follows(found: Settings, key: str, owner: str) -> bool:
    """Whether one value of the owner always goes with one value of the key."""
    pairs = {(repr(each[owner]), repr(each[key])) for each in found.of.values()}
    return len(pairs) == len({value for value, _ in pairs})


def _section(key: str) -> str:
    return key.rpartition(".")[0]


def _cells(study: StoredStudy, varied: Settings, metric: str) -> dict[tuple, list[float]]:
    """The values of each combination, over the seeds that all have."""
    if not varied.keys:
        raise StoreError(
            f"nothing but the seed varies in {study.folder}, so nothing can be more important than another"
        )
    runs = {name: {run.seed: run for run in runs_of(study, name)} for name in varied.of if study.select(name)}
    of = {tuple(varied.of[name][key] for key in varied.keys): name for name in runs}
    wanted = list(itertools.product(*(varied.values(key) for key in varied.keys)))
    if gone := [combination for combination in wanted if combination not in of]:
        there = {k: v for k, v in zip(varied.keys, gone[0], strict=True) if v is not None} or {varied.keys[0]: None}
        first = " ".join(setting(k, v) or t("no {setting}", setting=called(k)) for k, v in there.items())
        raise StoreError(
            f"importance needs a full grid with every run finished: {len(gone)} of {len(wanted)} combinations are "
            f"missing in {study.folder}, such as {first}; name configurations that make one (--names), or see --figure "
            "parallel, which needs none"
        )
    seeds = reduce(set.intersection, (set(runs[of[combination]]) for combination in wanted))
    if not seeds:
        raise StoreError(f"the configurations of {study.folder} share no seed")
    ordered = sorted(seeds, key=lambda seed: -1 if seed is None else seed)
    return {c: [runs[of[c]][seed].last(metric) for seed in ordered] for c in wanted}


def variance_shares(values: np.ndarray, levels: Mapping[str, list], metric: str) -> Importance:
    """The shares of values (levels of the first setting, …, of the last, seeds); `StoreError` without variance."""
    if not np.isfinite(values).all():
        raise StoreError(f"a run's last {spoken(metric)} is not finite, so that its variance is not either")
    centred = values - values.mean()
    total = float((centred**2).sum())
    if total == 0:
        raise StoreError(f"all runs have the same {spoken(metric)}: there is no variance to explain")
    last = values.ndim - 1

    def main(axis: int) -> float:
        means = centred.mean(tuple(i for i in range(values.ndim) if i != axis))
        return float((means**2).sum() * values.size / values.shape[axis])

    mains = [main(axis) for axis in range(last)]
    configurations = float((centred.mean(last) ** 2).sum() * values.shape[last])
    seeds = main(last)
    rest = max(0.0, total - configurations - seeds)
    freedom = (values.size // values.shape[last] - 1) * (values.shape[last] - 1)
    square = rest / freedom if freedom else math.nan
    effects = [  # of NaN and 1 in this order, min is NaN: with one seed no chance is known
        Effect(key, part / total, min((len(each) - 1) * square / total, 1.0), tuple(map(number, each)))
        for (key, each), part in zip(levels.items(), mains, strict=True)
    ]
    effects.sort(key=lambda effect: -effect.share)
    between = max(0.0, configurations - sum(mains))
    return Importance(metric, tuple(effects), between / total, seeds / total, rest / total, values.size)
