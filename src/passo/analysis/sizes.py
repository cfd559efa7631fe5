"""Test accuracy of two models against the number of training images, and how many times fewer images one needs.

Sizes are those of the part "sizes" that both models have; `horizontal` defines "fewer images for the same accuracy".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from passo.analysis.contrasts import POINTS, RATIO, Contrast, Contrasted, contrasted
from passo.analysis.curves import runs_of
from passo.analysis.horizontal import distance, overlap, rising
from passo.analysis.intervals import Interval, interval
from passo.analysis.pair import Configured, configured, pair
from passo.analysis.paired import told_p
from passo.analysis.tables import Table
from passo.analysis.words import amount, joined, ranged, seeds
from passo.errors import StoreError
from passo.language import later, numeral, t, tn
from passo.store import StoredRun, StoredStudy
from passo.telling import told

METRIC = "test/accuracy"
PART = "sizes"


@dataclass(frozen=True)
class Sizes:
    """Both models over the number of training images per class.

    per_class: (K,) ascending. accuracies: (2, S, K), the pair's models in their order, S seeds that all sizes have.
    images: in the test; 0 where no run says. own_images: each seed drew its own training images. left_out: by
    configuration, why sizes that the study asks for are not there.
    """

    labels: tuple[str, str]
    seeds: tuple[int | None, ...]
    per_class: tuple[int, ...]
    accuracies: np.ndarray
    images: int
    own_images: bool
    left_out: dict[str, str]

    def at(self, model: int, size: int) -> Interval:
        """The mean accuracy of a model (0 or 1) at a size (its place), over seeds."""
        return interval(self.accuracies[model, :, size])

    @cached_property
    def distances(self) -> np.ndarray:
        """D of each seed: (S,), NaN where no accuracy was reached by both; above 0 the second needs fewer images."""
        both = self.accuracies.swapaxes(0, 1)
        return np.array([distance(self.per_class, first, second) for first, second in both])

    @cached_property
    def overlap(self) -> tuple[float, float]:
        """The accuracies that both models reach in the mean over seeds, from the least to the most."""
        first, second = self.accuracies.mean(1)
        return overlap(rising(first), rising(second))

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The images needed, and the accuracy at each size."""
        ahead = self.accuracies[1] - self.accuracies[0]  # (S, K)
        fewer = Contrast(
            PART,
            later("images for the same accuracy"),
            later("needs {by} fewer images than {other} for the same accuracy"),
            RATIO,
            self._by_seed(self.distances),
            aside=self._between,
        )
        each = [
            Contrast(
                PART,
                later("accuracy with {images}"),
                later("is {by} more accurate than {other} with {images}"),
                POINTS,
                self._by_seed(ahead[:, k]),
                step=1 / self.images if self.images else 0.0,
                fields={"images": partial(_images, n)},
            )
            for k, n in enumerate(self.per_class)
        ]
        return (fewer, *each) if np.isfinite(self.distances).all() and len(self.per_class) > 1 else tuple(each)

    def _by_seed(self, values: np.ndarray) -> dict[int | None, float]:
        return dict(zip(self.seeds, map(float, values), strict=True))

    @cached_property
    def contrasted(self) -> tuple[Contrasted, ...]:
        """Its contrasts, corrected together."""
        return contrasted(self.contrasts, self.labels)

    @property
    def fewer(self) -> Contrasted | None:
        """How many times fewer images the second needs (below 0 on the logarithmic scale: the first); None without."""
        return next((one for one in self.contrasted if one.contrast.unit == RATIO), None)

    @property
    def differences(self) -> tuple[Contrasted, ...]:
        """Second minus first at each size."""
        return tuple(one for one in self.contrasted if one.contrast.unit == POINTS)

    def sentence(self) -> str:
        """Who needs fewer images, and at which sizes one is more accurate."""
        return " ".join(part for part in (self._fewer(), self._each(), self._left_out()) if part)

    def _fewer(self) -> str:
        found = self.fewer
        size, *more = self.per_class
        if not more:
            return t("With {images} alone nothing can be said of how many images are needed.", images=_images(size))
        if found is None:
            return self._never()
        over = t(
            "over the accuracies that both reach, {range}, {seeds}", range=self._between(), seeds=seeds(len(self.seeds))
        )
        if found.told:
            return f"{found.sentence(aside=False)[:-1]} ({over})."
        if not found.known:
            return t(
                "The {ahead} needs {by} fewer images than the {behind} for the same accuracy ({over}).",
                ahead=found.ahead,
                by=found.amount(of_ahead=True),
                behind=found.behind,
                over=over,
            )
        return t(
            "How many images the {first} and the {second} need for the same accuracy is not distinguishable: the "
            "{first} needs {times} as many ({over}).",
            first=self.labels[0],
            second=self.labels[1],
            times=found.amount(),
            over=over,
        )

    def _between(self) -> str:
        """The accuracies that both models reach, in words."""
        low, high = (amount(end, METRIC) for end in self.overlap)
        return t("from {low} to {high}", low=low, high=high)

    def _never(self) -> str:
        """No ratio: what each model reaches."""
        means = self.accuracies.mean(1)
        low = int(means.max(1).argmin())
        fields = {"worse": self.labels[low], "better": self.labels[1 - low], "n": len(self.seeds)}
        without = int((~np.isfinite(self.distances)).sum())
        if without == len(self.seeds):
            return t(
                "With all its {images} the {worse} never reaches the accuracy of the {better} with {fewest:,} ({best} "
                "against {least}): no ratio of the images that they need can be given.",
                images=_images(self.per_class[-1]),
                fewest=self.per_class[0],
                best=amount(means[low].max(), METRIC),
                least=amount(means[1 - low].min(), METRIC),
                **fields,
            )
        return t(
            "In {without} of {n} seeds the {worse} reaches no accuracy that the {better} has: no ratio of the images "
            "that they need can be given.",
            without=without,
            **fields,
        )

    def _each(self) -> str:
        told = [self._ahead(label) for label in self.labels]
        level = [k for k, one in enumerate(self.differences) if not one.told]
        if level and len(self.seeds) > 1:
            sizes = _list(self.per_class, level)
            told.append(t("With {sizes} images per class they are not distinguishable.", sizes=sizes))
        return " ".join(filter(None, told))

    def _ahead(self, label: str) -> str:
        """At which sizes a model is told to be more accurate; "" at none."""
        ahead = [k for k, one in enumerate(self.differences) if one.told and one.ahead == label]
        if not ahead:
            return ""
        by = [
            t("{amount} with {n:,}", amount=self.differences[k].amount(of_ahead=True), n=self.per_class[k])
            for k in ahead
        ]
        ends = joined([by[0], by[-1]] if len(by) > 1 else by)
        if len(ahead) == len(self.per_class) > 1:
            return t(
                "The {label} is more accurate with every number of images per class (by {ends}).",
                label=label,
                ends=ends,
            )
        return t(
            "The {label} is more accurate with {sizes} images per class (by {ends}).",
            label=label,
            sizes=_list(self.per_class, ahead),
            ends=ends,
        )

    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        sizes = [re.search(r"per_class=(\w+)", name) for name in self.left_out]
        numbers = joined([found[1] if found else name for found, name in zip(sizes, self.left_out, strict=True)])
        per_class, other = later("Left out: {numbers} images per class ({why})."), later("Left out: {numbers} ({why}).")
        return t(per_class if all(sizes) else other, numbers=numbers, why=told(next(iter(self.left_out.values()))))

    def table(self) -> Table:
        """A row for each size."""
        first, second = self.labels
        rows = tuple(
            (
                numeral(f"{n:,}"),
                *(ranged(self.at(m, k), METRIC) for m in (0, 1)),
                one.amount(),
                told_p(one.adjusted),
                one.ahead if one.told else t("neither is told"),
            )
            for k, (n, one) in enumerate(zip(self.per_class, self.differences, strict=True))
        )
        minus = t("{first} minus {second}", first=second, second=first)
        columns = (t("images per class"), first, second, minus, t("p (corrected)"), t("who is ahead"))
        own, same = (
            later("Test accuracy, {seeds}; each seed draws its own training images."),
            later("Test accuracy, {seeds}; each seed has the same training images."),
        )
        how = t(
            "Differences: paired by seed, each at 95 % by itself; p: Holm's, for {count} comparisons.",
            count=len(self.contrasted),
        )
        return Table(columns, rows, f"{t(own if self.own_images else same, seeds=seeds(len(self.seeds)))} {how}")


def sizes(study: StoredStudy) -> Sizes:
    """Read the part "sizes" of a study of two models.

    Raises `StoreError` where the study compares none, has no run of the part for both, or does not say its counts.
    """
    labels, study = pair(study).labels, study.holding(lasts=[METRIC])
    by_size: dict[int, dict[str, dict[int | None, float]]] = {}
    drawn, images = set(), 0
    for one, partner in _both(configured(study, PART), labels):
        runs = [{run.seed: run for run in runs_of(study, each.name)} for each in (one, partner)]
        some = next(iter(runs[0].values()))
        n, images = images_per_class(some), some.info.get("data", {}).get("counts", {}).get("test", 0)
        drawn |= {run.info.get("data", {}).get("seed") for run in runs[0].values()}
        values = {
            label: {seed: run.last(METRIC) for seed, run in r.items()} for label, r in zip(labels, runs, strict=True)
        }
        by_size.setdefault(n, values)  # "all" may be a size that was asked for as well: the same training
    if not by_size:
        raise StoreError(f"{study.folder} has no number of training images with which both models were trained")
    per_class = tuple(sorted(by_size))
    shared = set.intersection(*({*values[label]} for values in by_size.values() for label in labels))
    if not shared:
        raise StoreError(f"{study.folder} has no seed with which both models were trained on every number of images")
    order = tuple(sorted(shared, key=lambda seed: -1 if seed is None else seed))
    accuracies = np.array([[[by_size[n][label][seed] for n in per_class] for seed in order] for label in labels])
    return Sizes(labels, order, per_class, accuracies, images, len(drawn) > 1, _left_out(study, labels))


def _both(found: Sequence[Configured], labels: tuple[str, str]) -> list[tuple[Configured, Configured]]:
    """The configurations that both models have, the first's beside the second's."""
    by_model = {label: {_same(one): one for one in found if one.model == label} for label in labels}
    first, second = (by_model[label] for label in labels)
    return [(one, second[key]) for key, one in first.items() if key in second]


def _same(one: Configured) -> tuple[str, str]:
    return one.entry, json.dumps(dict(one.varied), sort_keys=True)


def _left_out(study: StoredStudy, labels: tuple[str, str]) -> dict[str, str]:
    """Why configurations of this part are not there, by their names without the model's."""
    asked = study.config.get("runs", ()) if isinstance(study.config, Mapping) else ()
    entries = {one.entry for one in configured(study, PART)}
    entries |= {entry.get("name") for entry in asked if PART in entry.get("parts", ())}
    found: dict[str, str] = {}
    for name, why in study.facts.get("left_out", {}).items():
        own = next((name.removesuffix(f"-{label}") for label in labels if name.endswith(f"-{label}")), name)
        if own.partition(",")[0] in entries:
            found.setdefault(own, str(why))
    return found


def images_per_class(run: StoredRun) -> int:
    """How many training images of each class a run had, in the mean; raises `StoreError` where it does not say."""
    data = run.info.get("data", {})
    counts, classes = data.get("counts", {}).get("train"), data.get("classes")
    if counts and classes:
        return round(counts / len(classes))
    asked = run.config.get("dataset", {}).get("per_class")
    if isinstance(asked, int):
        return asked
    raise StoreError(f"run {run.id} does not say on how many images it was trained")


def _images(n: int) -> str:
    return tn("{n:,} image per class", "{n:,} images per class", n)


def _list(per_class: Sequence[int], places: Sequence[int]) -> str:
    return joined([numeral(f"{per_class[k]:,}") for k in places])
