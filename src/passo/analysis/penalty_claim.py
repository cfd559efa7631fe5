"""A lecture's claim about L2, as sentences: lengths of the weights, gap, test.

The strength is chosen among those of L2 by the validation loss, each seed's by the other seeds, and is held to none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise

from passo.analysis.elsewhere import chosen_elsewhere, minus
from passo.analysis.sentences import Said
from passo.analysis.varied import settings
from passo.analysis.weights import together, weights
from passo.errors import StoreError
from passo.language import later
from passo.store import StoredRun, StoredStudy

Studies = Mapping[str, StoredStudy]
TRAINING, VALIDATION = "epoch/train_loss", "validation/loss"


def strengths(study: StoredStudy) -> dict[float, str]:
    """By λ₂, ascending from 0, the configuration that has it and no λ₁."""
    found = {float(each.get("l2") or 0): name for name, each in settings(study).of.items() if not each.get("l1")}
    if 0.0 not in found or len(found) < 2:
        raise StoreError(f"{study.folder} has not both a configuration without a penalty and one with L2")
    return dict(sorted(found.items()))


def rms(run: StoredRun) -> float:
    """√(Σw²/n) of the weights of all layers at the end."""
    return together(weights(run)).rms


def gap(run: StoredRun) -> float:
    """Validation minus training loss after the last epoch; the training loss is without the penalty."""
    return run.metric(VALIDATION).last - run.metric(TRAINING).last


def read(runs: Mapping[int, StoredRun], what: str) -> dict[int, float]:
    """By seed, the gap or a metric's last value."""
    return {seed: gap(run) if what == "gap" else run.metric(what).last for seed, run in runs.items()}


def without(study: StoredStudy) -> dict[int, StoredRun]:
    """By seed, the run without a penalty."""
    return {run.seed: run for run in study.select(strengths(study)[0.0]) if run.seed is not None}


def chosen(study: StoredStudy) -> dict[int, StoredRun]:
    """By seed, the run with the strength of L2 that validation chooses on the other seeds."""
    names = [name for strength, name in strengths(study).items() if strength > 0]
    return chosen_elsewhere(study, names, lambda run: run.metric(VALIDATION).last)


def _lengths(studies: Studies) -> dict[int, list[float]]:
    """By seed, log(rms) of the weights for each strength, ascending."""
    study = studies["penalties"]
    columns = [{run.seed: rms(run) for run in study.select(name)} for name in strengths(study).values()]
    seeds = [seed for seed in columns[0] if seed is not None and all(seed in each for each in columns)]
    return {seed: [math.log(each[seed]) for each in columns] for seed in seeds}


def _strongest(studies: Studies) -> dict[int, float]:
    return {seed: each[-1] - each[0] for seed, each in _lengths(studies).items()}


def _steps(studies: Studies) -> dict[int, float]:
    """By seed, the logarithm of the ratio that shrinks least from one strength to the next."""
    return {seed: max(b - a for a, b in pairwise(each)) for seed, each in _lengths(studies).items()}


def _chosen(studies: Studies, what: str) -> dict[int, float]:
    study = studies["penalties"]
    return minus(read(chosen(study), what), read(without(study), what))


_WITH, _NONE = later("with L2"), later("without")

PENALTIES = (
    (Said(later("the rms of the weights"), "lower", later("with the strongest L2"), _NONE, unit="ratio"), _strongest),
    (
        Said(
            later("the rms of the weights, from each strength to the next, where it shrinks least,"), "lower",
            later("with the stronger"), later("with the weaker"), unit="ratio",
        ),
        _steps,
    ),
    (
        Said(later("the gap of validation loss over training loss"), "lower", _WITH, _NONE),
        partial(_chosen, what="gap"),
    ),
    (Said(later("the test loss"), "lower", _WITH, _NONE), partial(_chosen, what="test/loss")),
    (
        Said(later("the test accuracy"), "higher", _WITH, _NONE, unit="points"),
        partial(_chosen, what="test/accuracy"),
    ),
)  # fmt: skip
"""Each sentence with what gives its numbers, by seed."""
