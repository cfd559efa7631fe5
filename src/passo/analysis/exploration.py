"""One choice changed at a time: what each setting does to the test accuracy of both models, with its interval, ranked.

Every setting is held against the reference of the same model over the seeds that both have, and corrected for all
settings of both models (Holm). Whether a setting acts on the models differently is another question, corrected for
itself: its effect on the first model less that on the second, seed by seed.

Settings that are ranked highest here were chosen by the test images, and flatter: to take one, go by validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from passo.analysis.changes import Setting, settings_of, unchanged
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval
from passo.analysis.pair import Configured, configured, pair
from passo.analysis.paired import APART, Paired, gap
from passo.analysis.paired_shares import BySeed, Versus, corrected, differing, share_interval, standing
from passo.analysis.tables import Table
from passo.analysis.varied import listed, lost, told_lost
from passo.analysis.words import joined, ranged, seeds
from passo.errors import StoreError
from passo.store import StoredStudy

METRIC = "test/accuracy"
TOLD = 3  # effects that a sentence names


@dataclass(frozen=True)
class Effect:
    """What a setting did to one model: its accuracy, by seed too, and that less the reference's."""

    setting: Setting
    model: str
    name: str
    accuracy: Interval
    by_seed: BySeed
    difference: Paired

    @property
    def apart(self) -> bool:
        """Whether it is told apart from the reference, after the correction."""
        return self.difference.verdict != APART

    @property
    def size(self) -> float:
        return abs(self.difference.mean)


@dataclass(frozen=True)
class Exploration:
    """All effects, the largest first. reference: by model, its configuration's name and accuracy.

    differs: by setting, the effect on the first model less that on the second. unchanged: by choice, what the reference
    has there, in words, where that is known. lost: runs without a result.
    """

    labels: tuple[str, str]
    reference: Mapping[str, tuple[str, Interval]]
    effects: tuple[Effect, ...]
    differs: Mapping[Setting, Paired]
    unchanged: Mapping[str, str]
    lost: Mapping[str, tuple[str, ...]]

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The choice with the largest effect first."""
        return tuple(dict.fromkeys(effect.setting.choice for effect in self.effects))

    def of(self, choice: str) -> tuple[Effect, ...]:
        """The effects of one choice, the largest first; raises `StoreError` with those that were explored."""
        if choice not in self.choices:
            raise StoreError(f"no setting of {choice!r} was explored; there are: {', '.join(sorted(self.choices))}")
        return tuple(effect for effect in self.effects if effect.setting.choice == choice)

    def settings(self, choice: str) -> tuple[Setting, ...]:
        """The settings of a choice, the largest effect first."""
        return tuple(dict.fromkeys(effect.setting for effect in self.of(choice)))

    @property
    def apart(self) -> tuple[Effect, ...]:
        """The effects that are told apart from nothing."""
        return tuple(effect for effect in self.effects if effect.apart)

    @property
    def acting_differently(self) -> tuple[Setting, ...]:
        """The settings that are told to act differently on the two models."""
        return tuple(setting for setting, found in self.differs.items() if found.verdict != APART)

    @property
    def n(self) -> int:
        """Seeds, the fewest of any difference."""
        return min(effect.difference.n for effect in self.effects)

    def sentence(self) -> str:
        """How many changes matter, the largest ones, the best, and what acts differently on the two models."""
        start = joined([f"{ranged(found, METRIC)} for the {label}" for label, (_, found) in self.reference.items()])
        told = f"The reference has a test accuracy of {start} ({seeds(self.n)})."
        if self.n < 2:
            return f"{told} Largest, with one seed that tells nothing apart: {self._named(self.effects[:TOLD])}."
        apart = self.apart
        count = f"Of {len(self.effects)} changes of one choice, {len(apart)} are told apart from it"
        largest = f"; the largest: {self._named(apart[:TOLD])}" if apart else ""
        alone = sum(effect.difference.alone for effect in self.effects)
        largest += f"; {alone} more would be if each had been the only one tried" if alone else ""
        better = [effect for effect in apart if effect.difference.mean > 0]
        gain = f"best of all: {self._named(better[:1])}" if better else "no gain can be told apart"
        parts = [told, f"{count}{largest}; {gain}.", self._told_differing(), told_lost(self.lost)]
        return " ".join(filter(None, parts))

    def _named(self, effects: Sequence[Effect]) -> str:
        return ", ".join(f"{e.setting.full} for the {e.model} {gap(e.difference, METRIC)}" for e in effects)

    def _told_differing(self) -> str:
        if not self.differs:
            return ""
        if not self.acting_differently:
            return "No setting is told to act differently on the two models."
        parts = [f"{s.full} ({gap(self.differs[s], METRIC)})" for s in self.acting_differently]
        first, second = self.labels
        return f"Told to act on the {first} otherwise than on the {second} (by this much more): {listed(parts)}."

    def choice_sentence(self, choice: str) -> str:
        """For both models: the lowest and the highest setting, and which are told apart from the reference."""
        told = []
        for label, (_, base) in self.reference.items():
            mine = [effect for effect in self.of(choice) if effect.model == label]
            if mine:
                told.append(f"the {label} lies between {self._ends(mine, base)}{_apart_said(mine)}")
        differing = [setting for setting in self.settings(choice) if setting in self.acting_differently]
        more = (
            f" The models are told to react differently to {joined([s.said for s in differing])}." if differing else ""
        )
        return f"By {choice}, the test accuracy of {'; that of '.join(told)} ({seeds(self.n)}).{more}"

    def _ends(self, mine: Sequence[Effect], base: Interval) -> str:
        """The lowest and the highest accuracy and whose they are, the reference among them."""
        there = [(base, "reference"), *((effect.accuracy, effect.setting.said) for effect in mine)]
        low, high = (end(there, key=lambda one: one[0].mean) for end in (min, max))
        return f"{ranged(low[0], METRIC)} ({low[1]}) and {ranged(high[0], METRIC)} ({high[1]})"

    def table(self, choice: str | None = None) -> Table:
        """A row for each effect, of one choice or of all, the largest first."""
        effects = self.effects if choice is None else self.of(choice)
        rows = tuple(
            (
                e.setting.choice,
                e.setting.said,
                e.model,
                ranged(e.accuracy, METRIC),
                gap(e.difference, METRIC),
                corrected(e.difference),
                standing(e.difference),
            )
            for e in effects
        )
        note = (
            f"Test accuracy, {seeds(self.n)}; difference from the reference, paired by seed, p corrected by Holm for "
            f"{len(self.effects)} changes. The highest were found by the test itself: to choose one, go by validation."
        )
        head = ("choice", "setting", "model", "test accuracy", "difference", "p (corrected)", "told apart")
        return Table(head, rows, note)


def _apart_said(mine: Sequence[Effect]) -> str:
    """Which settings are told apart from the reference, and which would be if they had been the only ones tried."""
    if not mine[0].difference.known:
        return ""
    groups = {"": [e for e in mine if e.apart], "only by itself ": [e for e in mine if e.difference.alone]}
    told = [
        f"{how}{joined([f'{e.setting.said} ({gap(e.difference, METRIC)})' for e in each])}"
        for how, each in groups.items()
        if each
    ]
    return f", told apart from the reference: {'; '.join(told)}" if told else f", all {APART} from the reference"


def exploration(study: StoredStudy) -> Exploration:
    """Read the part `exploration` of a study of two models.

    Raises `StoreError` where the study compares no two models, or explores nothing.
    """
    labels = pair(study).labels
    study = study.holding(lasts=[METRIC])
    there = [one for one in configured(study, part="exploration") if one.model in labels]
    base = {one.model: one for one in sorted(there, key=lambda one: labels.index(one.model)) if not one.choice}
    tried = [one for one in there if one.choice and one.model in base]
    if not tried:
        raise StoreError(f"{study.folder} explores no choice against a reference: its part 'exploration' was left out")
    values = {one.name: _by_seed(study, one) for one in (*base.values(), *tried)}
    images = _images(study, tried[0])
    pairs = [
        Versus(one.name, base[one.model].name, values[one.name], values[base[one.model].name], images) for one in tried
    ]
    said = settings_of(study, tried, base)
    effects = [
        Effect(
            said[one.name],
            one.model,
            one.name,
            share_interval([*values[one.name].values()]),
            values[one.name],
            found,
        )
        for one, found in zip(tried, differing(pairs), strict=True)
    ]
    effects = [effect for effect in effects if effect.difference.n]
    names = {one.name for one in there}
    config = runs_of(study, next(iter(base.values())).name)[0].config
    return Exploration(
        labels,
        {label: (one.name, share_interval([*values[one.name].values()])) for label, one in base.items()},
        tuple(sorted(effects, key=lambda effect: -effect.size)),
        _differs(effects, labels, {label: values[one.name] for label, one in base.items()}, images),
        {one.choice: unchanged([other for other in tried if other.choice == one.choice], config) for one in tried},
        {name: told for name, told in lost(study).items() if name in names},
    )


def _by_seed(study: StoredStudy, one: Configured) -> BySeed:
    return {run.seed: run.last(METRIC) for run in runs_of(study, one.name)}


def _images(study: StoredStudy, one: Configured) -> int:
    """Test images, in whose steps an accuracy moves."""
    counts = runs_of(study, one.name)[0].info.get("data", {}).get("counts", {})
    return int(counts.get("test", 0)) or 1_000_000


def _differs(
    effects: Sequence[Effect], labels: tuple[str, str], base: Mapping[str, BySeed], images: int
) -> dict[Setting, Paired]:
    """The effect on the first model less that on the second, for the settings that both were given."""
    by_model = {
        label: {e.setting: _less(e.by_seed, base[e.model]) for e in effects if e.model == label} for label in labels
    }
    first, second = (by_model[label] for label in labels)
    both = [setting for setting in first if setting in second]
    pairs = [Versus(labels[0], labels[1], first[setting], second[setting], images) for setting in both]
    return {setting: found for setting, found in zip(both, differing(pairs), strict=True) if found.n}


def _less(values: BySeed, base: BySeed) -> BySeed:
    return {seed: value - base[seed] for seed, value in values.items() if seed in base}
