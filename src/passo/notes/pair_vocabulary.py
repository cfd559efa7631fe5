"""The words that the texts on two models may use: every value and every sentence is computed from the study."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from typing import Any

import numpy as np

from passo.analysis.contrasts import Contrasted
from passo.analysis.intervals import CONFIDENCE, Interval, interval
from passo.analysis.pair import Pair, configured, pair
from passo.analysis.trusted import Trusted
from passo.analysis.words import ranged, significant
from passo.errors import StoreError
from passo.language import later, t
from passo.notes.formats import fixed, points
from passo.notes.references import DATA, NAMES, OPTIMIZERS, SCHEDULES
from passo.notes.spoken import Speech, escaped, listed
from passo.store import StoredRun, StoredStudy

FOUND = {
    "small": "small.small",
    "validated": "validated.validated",
    "sizes": "sizes.sizes",
    "imbalance": "imbalance.imbalance",
    "fewer": "fewer.fewer",
    "confused": "confused.confused_pair",
    "exploration": "exploration.exploration",
    "robustness": "robustness.robustness",
    "flips": "flips.flips",
    "embedded": "embedded.embedded_pair",
    "attributed": "attributed.attributed_pair",
    "trusted": "trusted.trusted_pair",
    "mapped": "mapped.mapped_pair",
    "differences": "differences.differences",
}
"""What a text asks for by calling it, and the function of `passo.analysis` that answers, once."""

TOPICS = {
    "sizes": later("accuracy"),
    "small": later("little data"),
    "robustness": later("changed images"),
    "imbalance": later("rare classes"),
    "exploration": later("every choice"),
    "attributed": later("where each of them looks"),
}
"""What a study may be about: the analysis that must be there, and how it is called."""

ASKED = ("sizes", "robustness", "imbalance", "classes", "calibration")
"""Parts of a study, as `Contrast.part` calls them."""


def vocabulary(study: StoredStudy) -> dict[str, Any]:
    """The names that the texts may use. What is costly, or may be missing, is computed when it is called."""
    two, run = pair(study), reference(study)
    say = Speech(two.labels)
    found = {name: _once(study, path) for name, path in FOUND.items()}
    return {
        **found,
        "leading": lambda most: leading(found["differences"]().told, most),
        "mean": _mean,
        "concentrated": lambda one: float(np.nanmedian(one.half[-1, :, 0])),
        "failing": _failing,
        "topics": lambda: [t(said) for name, said in TOPICS.items() if _has(found[name])] or [t("what they cost")],
        "choices": lambda: _choices(found["exploration"]),
        "has": lambda name: _has(found[name]),
        "level": CONFIDENCE,
        "say": say,
        "said": t,  # a word that the study holds in English, such as the name of a remedy
        "first": say.the(two.labels[0]),
        "second": say.the(two.labels[1]),
        "names": tuple(map(say.name, two.labels)),
        "pair": two,
        "difference": two.difference,
        "seeds": len(seeds(study)),
        "quick": bool(study.facts.get("quick")),
        "data": _data(study, run),
        "data_source": DATA.get(_data(study, run)["name"]),
        "training_sources": _training_sources(run),
        "training": training(run),
        "trainings": len(study.select()),
        "measured": len(study.select(kind="robustness")),
        "configurations": len({run.name for run in study.select()}),
        "seconds": spent(study),
        "convolving": [any("Conv" in layer["kind"] for layer in cost["layers"]) for cost in two.matched],
        "ratio": ratio,
        "ranged": _ranged,
        "points": _points,
        "listed": listed,
        "escaped": escaped,
        "significant": significant,
        "torch": study.facts.get("environment", {}).get("torch", t("of an unknown version")),
        "version": installed,
    }


def _once(study: StoredStudy, path: str) -> Callable[[], Any]:
    """What an analysis finds in the study, computed at the first call."""
    module, function = path.split(".")

    @functools.cache
    def found() -> Any:
        return getattr(importlib.import_module(f"passo.analysis.{module}"), function)(study)

    return found


def leading(told: Sequence[Contrasted], most: int) -> list[Contrasted]:
    """The surest difference of each part of the study, so that no part says it all; then the next ones.

    Parts come in the order of what a reader asks first; those that are not listed, last.
    """
    parts: dict[str, list[Contrasted]] = {part: [] for part in ASKED}
    for one in told:
        parts.setdefault(one.contrast.part, []).append(one)
    rounds = zip_longest(*parts.values())
    return [one for each in rounds for one in each if one is not None][:most]


def _mean(values: Mapping[int | None, float] | Interval, digits: int = 1) -> str:
    """A mean over seeds ± half of its interval; of those seeds that have a number, "never" where none has."""
    if not isinstance(values, Interval):
        there = np.array([value for value in values.values() if math.isfinite(value)])
        if not len(there):
            return t("never")
        values = interval(there)
    if not math.isfinite(values.mean):
        return t("never")
    return fixed(values, digits) if values.known and values.half else fixed(values.mean, digits)


def _failing(one: Trusted) -> list[str]:
    """The checks that a model's heat maps do not pass."""
    named = ((t("deletion"), one.deletion), (t("insertion"), one.insertion), (t("random weights"), one.forgetting))
    return [name for name, check in named if not check.holds]


def _choices(explored: Callable[[], Any]) -> list[dict[str, str]]:
    """What was explored and has a figure of its own, the largest effect first; nothing where nothing was."""
    from passo.figures import PAIR_FIGURES
    from passo.figures.choices import slug

    named = [(choice, slug(choice)) for choice in explored().choices] if _has(explored) else []
    return [{"said": t(choice), "figure": name} for choice, name in named if name in PAIR_FIGURES]


def _has(found: Callable[[], Any]) -> bool:
    """Whether the study holds what an analysis reads."""
    try:
        found()
    except StoreError:
        return False
    return True


def reference(study: StoredStudy) -> StoredRun:
    """The run that stands for all: the first seed of the first model, of `base` where it is there."""
    try:
        name = configured(study, entry="base")[0].name
    except StoreError:
        name = configured(study)[0].name
    return min(study.select(name), key=lambda run: -1 if run.seed is None else run.seed)


def seeds(study: StoredStudy) -> list[int]:
    """The seeds that any training had."""
    return sorted({run.seed for run in study.select() if run.seed is not None})


def spent(study: StoredStudy) -> float:
    """Seconds from the beginning to the end, or those that were counted."""
    counted = study.facts.get("seconds")
    return float(counted if counted is not None else study.facts.get("finished", 0) - study.facts.get("created", 0))


def _data(study: StoredStudy, run: StoredRun) -> dict[str, Any]:
    """What is known of the data: the study's facts, and what its reference run says more."""
    told: dict[str, Any] = {**run.info.get("data", {}), **study.facts.get("data", {})}
    counts = run.info.get("data", {}).get("counts") or told.get("counts", {})
    title, colon, _ = str(told.get("title", "")).partition(":")  # "Fashion-MNIST: articles of clothing, …"
    called = title if colon else str(told.get("name", t("the data")))
    told.setdefault("licence", t("not recorded"))
    return {**told, "counts": counts, "called": escaped(called), "of_each": run.config["dataset"].get("per_class")}


def training(run: StoredRun) -> str:
    """How a run was trained, in words: the optimizer with its rate, its schedule, epochs and batches.

    "`adam` at a learning rate of up to 0.004 (OneCycleLR), 15 epochs of mini-batches of 64 images"
    """
    optimizer, schedule = run.config["optimizer"], run.config.get("schedule") or {}
    peak = schedule.get("max_lr")
    if peak is not None:
        rate = t("up to {rate}", rate=significant(peak))
    else:
        rate = significant(optimizer.get("lr", float("nan")))
    known = f" ({escaped(schedule['name'])})" if schedule.get("name") else ""
    return t(
        "{optimizer} at a learning rate of {rate}, {epochs} epochs of mini-batches of {images}",
        optimizer=NAMES.get(optimizer["name"], escaped(optimizer["name"])),
        rate=f"{rate}{known}",
        epochs=run.config["epochs"],
        images=run.config["batch_size"],
    )


def _training_sources(run: StoredRun) -> tuple[str, ...]:
    """Where the optimizer and the schedule were published, as far as that is known here."""
    optimizer, schedule = run.config["optimizer"]["name"], (run.config.get("schedule") or {}).get("name", "")
    return tuple(key for key in (OPTIMIZERS.get(optimizer), SCHEDULES.get(schedule)) if key is not None)


def ratio(two: Pair, key: str) -> float:
    """How many times as much of something (macs, memory) the second model takes as the first."""
    first, second = (float(cost[key]) for cost in two.matched)
    return second / first


def _ranged(found: Interval, metric: str = "accuracy") -> str:
    """A mean with its interval, its brackets escaped: Markdown would take them for a link's."""
    return escaped(ranged(found, metric))


def _points(found: Interval) -> str:
    """A difference of shares in percentage points, without its sign; the words say which way.

    >>> _points(Interval(-0.198, -0.205, -0.191, 5)).replace("\\xa0", " ")
    '19.8 ± 0.7 points'
    """
    return points(Interval(abs(found.mean), abs(found.mean) - found.half, abs(found.mean) + found.half, found.n))


def installed(package: str) -> str:
    """A library with the version that is installed here; its name alone where it is not."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def keywords(study: StoredStudy) -> tuple[str, ...]:
    """What the study is about, for a file's properties."""
    two, told = pair(study), study.facts.get("data", {})
    named: Mapping[str, Any] = told
    return tuple(
        filter(None, (*two.labels, str(named.get("name", "")), t("robustness"), t("class imbalance"), "Grad-CAM"))
    )
