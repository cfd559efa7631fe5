"""In which numbers two models may differ, part by part: robustness, rare classes, fewer classes.

`sizes`, `small`, `validated` and `calibrated` tell theirs themselves. Each function here reads a study of two models
and raises `StoreError` where it lacks that part. All numbers are paired by seed and turned so that the second model's
advantage is above 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from passo.analysis.confusions import Confusions, sharing
from passo.analysis.contrasts import POINTS, RATIO, BySeed, Contrast
from passo.analysis.fewer import FIRST, Taken, fewer
from passo.analysis.imbalance import imbalance
from passo.analysis.limits import crossing
from passo.analysis.perturbed import Along, Side, amount, sided, spoken, told
from passo.analysis.robustness import Borne, kept, robustness
from passo.analysis.treated import NONE, Case
from passo.analysis.words import significant
from passo.language import later, t
from passo.store import StoredStudy


def robustness_contrasts(study: StoredStudy) -> tuple[Contrast, ...]:
    """By perturbation: how much of its accuracy each keeps, and the strength at which it falls below the level.

    Trained on unchanged images, and, for what is kept, on that perturbation too.
    """
    return tuple(one for borne in robustness(study).borne for one in _of_perturbation(borne))


def _of_perturbation(borne: Borne) -> Iterator[Contrast]:
    clean, exposed = (
        (later("accuracy kept along {way}"), later("keeps {by} more of its accuracy than {other} along {way}")),
        (
            later("accuracy kept along {way} after training on it"),
            later("keeps {by} more of its accuracy than {other} along {way} after training on it"),
        ),
    )
    fields = {"way": partial(spoken, borne.perturbation)}
    for (name, says), pair in ((clean, borne.clean), (exposed, borne.exposed)):
        if len(pair) == 2 and pair[0].shared(pair[1])[0]:
            values = _shared(pair[0], pair[1], kept(pair[0]), kept(pair[1]))
            yield Contrast("robustness", name, says, POINTS, values, fields=fields)
    if len(borne.clean) == 2:
        yield from _limits(borne, *borne.clean)


def _limits(borne: Borne, first: Along, second: Along) -> Iterator[Contrast]:
    """How many times stronger a perturbation each side of 0 one bears; only where every seed falls below the level."""
    for side in first.sides:
        strengths = first.strengths[side.places]
        sizes = [
            np.array([abs(crossing(strengths, own, borne.level)) for own in one.accuracy[:, side.places]])
            for one in (first, second)
        ]
        if first.shared(second)[0] and all(np.isfinite(size).all() and (size > 0).all() for size in sizes):
            yield _limit(borne, first, second, side, sizes)


def _limit(borne: Borne, first: Along, second: Along, side: Side, sizes: list[np.ndarray]) -> Contrast:
    """One side, of which `sizes` are the limits of both models' seeds."""
    one, two = (side.sign * float(size.mean()) for size in sizes)
    return Contrast(
        "robustness",
        later("{way} borne above {level:.0f} %"),
        later("bears {by} more {way} than {other} before its accuracy falls below {level:.0f} %"),
        RATIO,
        _shared(first, second, *map(np.log, sizes)),
        fields={"way": partial(sided, borne.perturbation, len(first.sides), side.sign), "level": 100 * borne.level},
        aside=lambda: t(
            "the {first} at {strength}, the {second} at {other}",
            first=first.model,
            strength=told(borne.perturbation, one),
            second=second.model,
            other=amount(borne.perturbation, two),
        ),
    )


def _shared(first: Along, second: Along, one: np.ndarray, two: np.ndarray) -> BySeed:
    """The second's number (S,) less the first's, for the seeds that both have."""
    mine, other = first.shared(second)
    return {first.seeds[a]: float(two[b] - one[a]) for a, b in zip(mine, other, strict=True)}


def imbalance_contrasts(study: StoredStudy) -> tuple[Contrast, ...]:
    """What each loses of its balanced accuracy from even classes to each ratio, without remedy."""
    found = imbalance(study)
    contrasts = []
    name = later("balanced accuracy lost at 1:{ratio}")
    says = later("loses {by} less balanced accuracy than {other} with classes as uneven as 1:{ratio}")
    for ratio in (one for one in found.ratios if one > 1):
        cases = [(Case(label, 1.0), Case(label, ratio, NONE)) for label in found.labels]
        if all(case in found.each for pair in cases for case in pair):
            even, uneven = (tuple(found.each[pair[i]].by_seed for pair in cases) for i in (0, 1))
            seeds = [seed for seed in even[0] if all(seed in one for one in (*even, *uneven))]
            values = {s: (even[0][s] - uneven[0][s]) - (even[1][s] - uneven[1][s]) for s in seeds}
            step = 1 / int(found.each[cases[0][0]].found.images.sum())
            fields = {"ratio": partial(significant, ratio)}
            contrasts.append(Contrast("imbalance", name, says, POINTS, values, step, fields))
    return tuple(one for one in contrasts if one.values)


def classes_contrasts(study: StoredStudy) -> tuple[Contrast, ...]:
    """The test accuracy with each choice of fewer classes than all."""
    found = fewer(study)
    contrasts = []
    of_first, of_confused = (
        (later("accuracy with {number} classes"), later("is {by} more accurate than {other} with {number} classes")),
        (
            later("accuracy with {number} classes (the most confused ones)"),
            later("is {by} more accurate than {other} with {number} classes (the most confused ones)"),
        ),
    )
    for number, kind in dict.fromkeys((taken.number, taken.kind) for taken in found.each):
        first, second = (found.each.get(Taken(label, number, kind)) for label in found.labels)
        if number < max(found.counts) and first is not None and second is not None:
            name, says = of_first if kind == FIRST else of_confused
            step = 1 / int(first.images.sum())
            values = _accuracies(first, second)
            contrasts.append(Contrast("classes", name, says, POINTS, values, step, {"number": number}))
    return tuple(contrasts)


def _accuracies(first: Confusions, second: Confusions) -> BySeed:
    """The second's accuracy less the first's."""
    one, two = sharing(first, second)
    return dict(zip(one.seeds, map(float, two.accuracy - one.accuracy), strict=True))
