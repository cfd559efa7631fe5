"""A lecture's claim about Adam, as sentences: untuned, tuned with equal budgets, how wide its usable rates are.

Three optimizers (SGD, SGD with momentum 0.9, Adam) at the same nine learning rates each, on several models. In doubt
is who has not tuned: so Adam's default is held to the best that tuning finds among all of them, chosen by validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from passo.analysis.elsewhere import chosen_elsewhere, minus
from passo.analysis.profiles import Profiles, profiles
from passo.analysis.sensitivity import Sensitivities, sensitivity
from passo.analysis.sentences import Said
from passo.analysis.varied import RATE, split
from passo.language import later
from passo.store import StoredRun, StoredStudy
from passo.studies.lectured import MODELS

Studies = Mapping[str, StoredStudy]
TEST, VALIDATION = "test/accuracy", "validation/loss"
ADAM, SGD, MOMENTUM = "adam", "sgd", "momentum"
DEFAULT = 0.001  # torch's, of both Adam and SGD
WITHIN = 0.01  # of the best tuned: one point
BAND = 0.05  # of its own best: five points, since one seed's validation has few images


def test_of(runs: Mapping[int, StoredRun]) -> dict[int, float]:
    """By seed, the test's accuracy."""
    return {seed: run.metric(TEST).last for seed, run in runs.items()}


def rates(study: StoredStudy, optimizer: str) -> dict[float, str]:
    """By learning rate, the configuration of an optimizer: "adam", "sgd", or "momentum" for SGD with it."""
    found = {}
    for run in study.runs:
        asked = run.config["optimizer"]
        kind = MOMENTUM if asked["name"] == SGD and asked.get("momentum") else asked["name"]
        found |= {float(asked["lr"]): run.name} if kind == optimizer else {}
    return dict(sorted(found.items()))


def untuned(study: StoredStudy, optimizer: str) -> dict[int, StoredRun]:
    """By seed, the run with the default learning rate."""
    runs = study.select(rates(study, optimizer)[DEFAULT])
    return {run.seed: run for run in runs if run.seed is not None}


def tuned(study: StoredStudy, optimizer: str | None = None) -> dict[int, StoredRun]:
    """By seed, the run that validation chooses on the other seeds, of an optimizer or of all."""
    names = study.names() if optimizer is None else [*rates(study, optimizer).values()]
    return chosen_elsewhere(study, names, lambda run: run.metric(VALIDATION).last)


def bands(study: StoredStudy, optimizer: str) -> dict[int, float]:
    """By seed, how many decades of learning rates end within five points of that seed's best validation accuracy."""
    found, own = {}, {*rates(study, optimizer).values()}
    for seed in sorted({run.seed for run in study.select() if run.seed is not None}):
        alone = replace(study, runs=tuple(run for run in study.runs if run.seed == seed))
        (group,) = (each for each in sensitivity(alone, within=BAND).groups if own.issuperset(each.names))
        found[seed] = group.decades
    return found


def usable(study: StoredStudy) -> Sensitivities:
    """The same over the means of all seeds, group by group."""
    return sensitivity(study, within=BAND)


def in_doubt(studies: Studies) -> Profiles:
    """Performance profiles over all models and rates: each model with one learning rate is a problem.

    The target of a model is five points below the best mean validation accuracy of all its configurations.
    """
    problems, goals = [], []
    for study in studies.values():
        top = max(group.top.mean for group in usable(study).groups)
        parts = split(study, RATE)
        problems += [replace(part, name=f"{study.name}, {part.name}") for part in parts]
        goals += [top - BAND] * len(parts)
    return profiles(problems, values=goals)


def _untuned(studies: Studies, model: str) -> dict[int, float]:
    study = studies[f"learning-rate-{model}"]
    return minus(test_of(untuned(study, ADAM)), test_of(untuned(study, SGD)))


def _near(studies: Studies, model: str) -> dict[int, float]:
    study = studies[f"learning-rate-{model}"]
    return minus(test_of(untuned(study, ADAM)), test_of(tuned(study)))


def _tuned(studies: Studies, model: str) -> dict[int, float]:
    study = studies[f"learning-rate-{model}"]
    return minus(test_of(tuned(study, ADAM)), test_of(tuned(study, MOMENTUM)))


def _band(studies: Studies, model: str) -> dict[int, float]:
    study = studies[f"learning-rate-{model}"]
    return minus(bands(study, ADAM), bands(study, MOMENTUM))


def _of(model: str) -> tuple[tuple[Said, Callable[[Studies], dict[int, float]]], ...]:
    """The sentences about one model."""
    accuracy = partial(Said, later("on {model}, the test accuracy"), unit="points", fields={"model": model})
    width = later("on {model}, the width of the usable rates")
    default, momentum = later("with Adam's default"), later("with momentum")
    return (
        (accuracy("higher", default, later("with SGD's default")), partial(_untuned, model=model)),
        (
            accuracy("not lower", default, later("with the best of all, tuned"), margin=WITHIN),
            partial(_near, model=model),
        ),
        (
            accuracy("higher", later("with Adam, tuned,"), later("with momentum, tuned")),
            partial(_tuned, model=model),
        ),
        (
            Said(width, "higher", later("with Adam"), momentum, unit="decades", fields={"model": model}),
            partial(_band, model=model),
        ),
    )


ADAMS = tuple(part for model in MODELS for part in _of(model))
"""Each sentence with what gives its numbers, by seed."""
