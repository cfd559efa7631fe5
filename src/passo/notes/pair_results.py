"""What two models came to, in one table: rows for each part of the study, both models and their difference.

Differences are the second model's number less the first's, paired by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from passo.analysis.exploration import Effect, exploration
from passo.analysis.fewer import FIRST, Taken, fewer
from passo.analysis.imbalance import imbalance
from passo.analysis.intervals import CONFIDENCE, Interval, interval
from passo.analysis.pair import pair
from passo.analysis.robustness import robustness
from passo.analysis.sizes import sizes
from passo.analysis.treated import NONE, Case, Treated
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import numeral, t
from passo.notes.content import Table
from passo.notes.formats import count, percent
from passo.notes.spoken import Speech, escaped
from passo.store import StoredStudy


@dataclass(frozen=True)
class Row:
    """One number of both models, by seed (S,), in the seeds that both have."""

    what: str
    first: np.ndarray
    second: np.ndarray

    @property
    def difference(self) -> Interval:
        return interval(self.second - self.first)


def results(study: StoredStudy) -> Table:
    """Accuracies of both models under the study's conditions, and the differences; raises `StoreError` without any."""
    labels = pair(study).labels
    rows = [row for part in (_sizes, _robustness, _imbalance, _classes) for row in _of(part, study)]
    if not rows:
        raise StoreError(f"{study.folder} has no part that gives an accuracy of both models: run the study to its end")
    say = Speech(labels)
    told = tuple((row.what, _cell(row.first), _cell(row.second), _signed(row.difference)) for row in rows)
    many = max(len(row.first) for row in rows) > 1
    if many:
        over = t("± half of the {level} interval", level=percent(CONFIDENCE, 0))
    else:
        over = t("one seed")
    caption = t("Test accuracy in percent, {over}; 1:n, the mean recall where classes are rare.", over=over)
    return Table(("", *map(say.name, labels), t("difference")), told, caption)


def explored(study: StoredStudy) -> Table:
    """The largest effect of each choice on the test accuracy, for both models; raises `StoreError` where none was."""
    found = exploration(study)
    rows = []
    for choice in found.choices:
        setting = found.of(choice)[0].setting
        by_model = {effect.model: effect for effect in found.of(choice) if effect.setting == setting}
        effects = (by_model.get(label) for label in found.labels)
        rows.append((escaped(setting.full), *("—" if one is None else _effect(one) for one in effects)))
    if found.n > 1:
        caption = t("The largest effect of each choice on the test accuracy, in points; bold: told from the reference.")
    else:
        caption = t("The largest effect of each choice on the test accuracy, in points, from one seed.")
    return Table(("", *map(Speech(found.labels).name, found.labels)), tuple(rows), caption)


def _effect(one: Effect) -> str:
    told = _signed(one.difference)
    return f"**{told}**" if one.apart else told


def _of(part: Callable[[StoredStudy], Iterator[Row]], study: StoredStudy) -> list[Row]:
    """The rows of a part; none where the study lacks it."""
    try:
        return list(part(study))
    except StoreError:
        return []


def _sizes(study: StoredStudy) -> Iterator[Row]:
    """The fewest images, those of most runs, and the most."""
    found = sizes(study)
    ends = sorted({0, len(found.per_class) // 2, len(found.per_class) - 1})
    for place in ends:
        first, second = found.accuracies[:, :, place]
        yield Row(t("{n} per class", n=count(found.per_class[place])), first, second)


def _robustness(study: StoredStudy) -> Iterator[Row]:
    """The mean accuracy over all strengths of all perturbations that both models met, trained on unchanged images."""
    pairs = [one.clean for one in robustness(study).borne if len(one.clean) == 2]
    if pairs:
        both = [[one.accuracy[at].mean(1) for one, at in zip(two, two[0].shared(two[1]), strict=True)] for two in pairs]
        first, second = np.mean(both, 0)
        yield Row(t("changed images"), first, second)


def _imbalance(study: StoredStudy) -> Iterator[Row]:
    """The balanced accuracy at the largest ratio: without remedy, and with the one that helps both models most."""
    found = imbalance(study)
    ratio = found.largest.case.ratio
    remedies = [
        remedy for remedy in found.remedies if all(Case(label, ratio, remedy) in found.each for label in found.labels)
    ]
    helped = [remedy for remedy in remedies if remedy != NONE]

    def both(remedy: str) -> list[Treated]:
        return [found.each[Case(label, ratio, remedy)] for label in found.labels]

    best = max(helped, key=lambda remedy: sum(one.balanced.mean for one in both(remedy)), default="")
    for remedy in (NONE, best):
        if remedy in remedies and ratio > 1:
            told = "" if remedy == NONE else f", {t(remedy)}"
            yield _by_seed(f"1:{significant(ratio)}{told}", *(one.by_seed for one in both(remedy)))


def _classes(study: StoredStudy) -> Iterator[Row]:
    """The fewest classes, the first ones."""
    found = fewer(study)
    number = min(found.counts)
    both = [found.each.get(Taken(label, number, FIRST)) for label in found.labels]
    if number < max(found.counts) and all(both):
        by_seed = [dict(zip(one.seeds, one.accuracy, strict=True)) for one in both if one is not None]
        yield _by_seed(t("{n} classes", n=number), *by_seed)


def _by_seed(what: str, first: Mapping[int | None, float], second: Mapping[int | None, float]) -> Row:
    shared = [seed for seed in first if seed in second]
    return Row(escaped(what), *(np.array([one[seed] for seed in shared]) for one in (first, second)))


def _cell(values: np.ndarray) -> str:
    """A mean in percent, ± half of its interval where there is one."""
    found = interval(values)
    return numeral(f"{100 * found.mean:.1f}" + (f" ± {100 * found.half:.1f}" if found.known else ""))


def _signed(found: Interval) -> str:
    told = round(100 * found.mean, 1)
    sign = "+" if told > 0 else "−" if told < 0 else ""
    return numeral(f"{sign}{abs(told):.1f}" + (f" ± {100 * found.half:.1f}" if found.known else ""))
