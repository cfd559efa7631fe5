"""One choice changed at a time: what each setting does to the test accuracy of both models, with its interval, ranked.

Every setting is held against the reference of the same model over the seeds that both have, and corrected for all
settings of both models (Holm). Whether a setting acts on the models differently is another question, corrected for
itself: its effect on the first model less that on the second, seed by seed.

Settings that are ranked highest here were chosen by the test images, and flatter: to take one, go by validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from passo.analysis.changes import Setting, settings_of, unchanged
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval
from passo.analysis.pair import Configured, configured, pair
from passo.analysis.paired import APART, Paired, gap
from passo.analysis.paired_shares import BySeed, Versus, corrected, differing, share_interval, standing
from passo.analysis.tables import Table
from passo.analysis.varied import listed, lost, told_lost
from passo.analysis.words import joined, ranged, seeds, spoken
from passo.errors import StoreError
from passo.language import t, tn
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

    differs: by setting, the effect on the first model less that on the second. unchanged: by choice, what says what the
    reference has there. lost: runs without a result.
    """

    labels: tuple[str, str]
    reference: Mapping[str, tuple[str, Interval]]
    effects: tuple[Effect, ...]
    differs: Mapping[Setting, Paired]
    unchanged: Mapping[str, Callable[[], str]]
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

    def at_reference(self, choice: str) -> str:
        """What the reference has where the settings of a choice have another value, in words; "" where that is not "
        "one."""
        said = self.unchanged.get(choice)
        return said() if said else ""

    def sentence(self) -> str:
        """How many changes matter, the largest ones, the best, and what acts differently on the two models."""
        start = [
            t("{accuracy} for the {label}", accuracy=ranged(found, METRIC), label=label)
            for label, (_, found) in self.reference.items()
        ]
        told = t(
            "The reference has a test accuracy of {accuracies} ({seeds}).",
            accuracies=joined(start),
            seeds=seeds(self.n),
        )
        if self.n < 2:
            largest = self._named(self.effects[:TOLD])
            return f"{told} {t('Largest, with one seed that tells nothing apart: {effects}.', effects=largest)}"
        parts = [told, f"{'; '.join(self._told_effects())}.", self._told_differing(), told_lost(self.lost)]
        return " ".join(filter(None, parts))

    def _told_effects(self) -> list[str]:
        """How many are told apart, the largest ones, how many would be by themselves, and the best; as clauses."""
        apart, alone = self.apart, sum(effect.difference.alone for effect in self.effects)
        parts = [
            tn(
                "Of {count} changes of one choice, {n} are told apart from it",
                "Of {count} changes of one choice, {n} are told apart from it",
                len(apart),
                count=len(self.effects),
            )
        ]
        if apart:
            parts.append(t("the largest: {effects}", effects=self._named(apart[:TOLD])))
        if alone:
            parts.append(
                tn(
                    "{n} more would be if each had been the only one tried",
                    "{n} more would be if each had been the only one tried",
                    alone,
                )
            )
        better = [effect for effect in apart if effect.difference.mean > 0]
        if better:
            return [*parts, t("best of all: {effects}", effects=self._named(better[:1]))]
        return [*parts, t("no gain can be told apart")]

    def _named(self, effects: Sequence[Effect]) -> str:
        told = [
            t(
                "{setting} for the {label} {gap}",
                setting=effect.setting.full,
                label=effect.model,
                gap=gap(effect.difference, METRIC),
            )
            for effect in effects
        ]
        return t(", ").join(told)

    def _told_differing(self) -> str:
        if not self.differs:
            return ""
        if not self.acting_differently:
            return t("No setting is told to act differently on the two models.")
        return t(
            "Told to act on the {first} otherwise than on the {second} (by this much more): {settings}.",
            first=self.labels[0],
            second=self.labels[1],
            settings=listed([f"{s.full} ({gap(self.differs[s], METRIC)})" for s in self.acting_differently]),
        )

    def choice_sentence(self, choice: str) -> str:
        """For both models: the lowest and the highest setting, and which are told apart from the reference."""
        told = []
        for label, (_, base) in self.reference.items():
            mine = [effect for effect in self.of(choice) if effect.model == label]
            if mine:
                fields = {"label": label, "ends": self._ends(mine, base), "apart": _apart_said(mine)}
                if told:
                    told.append(t("that of the {label} lies between {ends}{apart}", **fields))
                else:
                    told.append(
                        t(
                            "By {choice}, the test accuracy of the {label} lies between {ends}{apart}",
                            choice=t(choice),
                            **fields,
                        )
                    )
        text = f"{'; '.join(told)} ({seeds(self.n)})."
        if not (differing := [setting for setting in self.settings(choice) if setting in self.acting_differently]):
            return text
        settings = joined([setting.said for setting in differing])
        return f"{text} {t('The models are told to react differently to {settings}.', settings=settings)}"

    def _ends(self, mine: Sequence[Effect], base: Interval) -> str:
        """The lowest and the highest accuracy and whose they are, the reference among them."""
        there = [(base, t("reference")), *((effect.accuracy, effect.setting.said) for effect in mine)]
        ends = (end(there, key=lambda one: one[0].mean) for end in (min, max))
        return joined([f"{ranged(accuracy, METRIC)} ({name})" for accuracy, name in ends])

    def table(self, choice: str | None = None) -> Table:
        """A row for each effect, of one choice or of all, the largest first."""
        effects = self.effects if choice is None else self.of(choice)
        rows = tuple(
            (
                t(e.setting.choice),
                e.setting.said,
                e.model,
                ranged(e.accuracy, METRIC),
                gap(e.difference, METRIC),
                corrected(e.difference),
                standing(e.difference),
            )
            for e in effects
        )
        note = t(
            "Test accuracy, {seeds}; difference from the reference, paired by seed, p corrected by Holm for {count} "
            "changes. The highest were found by the test itself: to choose one, go by validation.",
            seeds=seeds(self.n),
            count=len(self.effects),
        )
        named = (t("choice"), t("setting"), t("model"), spoken(METRIC))
        return Table((*named, t("difference"), t("p (corrected)"), t("told apart")), rows, note)


def _apart_said(mine: Sequence[Effect]) -> str:
    """Which settings are told apart from the reference, and which would be if they had been the only ones tried."""
    if not mine[0].difference.known:
        return ""
    apart, alone = ([e for e in mine if e.apart], [e for e in mine if e.difference.alone])
    told = [_settings(apart)] if apart else []
    told += [t("only by itself {settings}", settings=_settings(alone))] if alone else []
    if not told:
        return f", {t('all not distinguishable from the reference')}"
    return f", {t('told apart from the reference: {settings}', settings='; '.join(told))}"


def _settings(effects: Sequence[Effect]) -> str:
    return joined([f"{effect.setting.said} ({gap(effect.difference, METRIC)})" for effect in effects])


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
        {one.choice: partial(unchanged, [e for e in tried if e.choice == one.choice], config) for one in tried},
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
