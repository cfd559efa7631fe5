"""Trained runs measured on perturbed images, and what a study keeps of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from passo.data import Data, load
from passo.data.perturbations import PERTURBATIONS
from passo.errors import StoreError, UsageError
from passo.experiments.answering import Ready
from passo.experiments.robustness import (
    ALREADY,
    IMAGES,
    NEVER,
    Along,
    Shown,
    check_strengths,
    measure,
    shown_images,
    usual_strengths,
)
from passo.experiments.sink import Draft, Sink
from passo.models import own_file
from passo.store import Store, StoredRun, StoredStudy, open_study
from passo.training.rebuilding import describe, rebuilt, run_weights

PICTURES = 8
KIND = "robustness"
_TEST_PART = ("name", "folder", "classes", "perturb", "perturbed", "size", "colour", "in_memory", "allow_sample")


def robustness_run(
    of: Mapping[str, Sequence[StoredRun]],
    strengths: Mapping[str, Sequence[float]] | None = None,
    images: int = IMAGES,
    seed: int = 0,
) -> Iterator[float | tuple[str, Draft]]:
    """Measure trained runs, grouped by configuration; yields how much is done, then a draft for each configuration.

    `strengths`: perturbation → strengths (usual: `robustness.STRENGTHS`, shifts in proportion to the images). A
    configuration that was trained on one of them (`dataset.augment` has one name) is measured along that one alone, the
    others along all. `images` of the test part are the same for all; what is shown at shift 2 is what
    `passo data export NAME perturb.shift=2 seed=SEED` writes.

    Raises `ConfigError` for strengths that a perturbation does not take, `UsageError` for configurations whose test
    images are not the same ones, or that passo cannot build again, `StoreError` for runs without weights.
    """
    runs = {name: sorted(several, key=lambda run: run.seed or 0) for name, several in of.items()}
    if not runs or not all(runs.values()):
        raise UsageError("there is nothing to measure: name trained runs of one configuration or more")
    data = _data(runs)
    shown = shown_images(data, images, seed)
    wanted = check_strengths(usual_strengths(data.in_shape) if strengths is None else strengths)
    along = {name: _along(several[0], wanted) for name, several in runs.items()}
    models = {name: [_ready(run) for run in several] for name, several in runs.items()}
    for found in measure(models, shown, along):
        if not isinstance(found, tuple):
            yield found
            continue
        name, answers = found
        draft = Draft()
        write(draft, shown, answers)
        facts = {"of": name, "seeds": [run.seed for run in runs[name]], "images": len(shown), "seed": seed}
        draft.info(**facts, classes=list(data.classes), dataset=data.name, augment=_augment(runs[name][0]))
        draft.finish()
        yield name, draft


def robustness_study(
    of: Mapping[str, Sequence[StoredRun]],
    out: str | Path,
    *,
    models: Mapping[str, str] | None = None,
    strengths: Mapping[str, Sequence[float]] | None = None,
    images: int = IMAGES,
    seed: int = 0,
) -> StoredStudy:
    """`robustness_run` kept as a study of its own, in a new folder: for runs of any study that is finished.

    `models` says which model each configuration is, so that one that was trained on perturbed images is drawn beside
    the same model that was not; without it, each is its own. Two models are compared, in the order in which they come.
    """
    told = {name: (models or {}).get(name, name) for name in of}
    asked = {"of": {name: [run.id for run in runs] for name, runs in of.items()}, "images": images, "seed": seed}
    with Store.create(out, name="robustness", config={**asked, "models": told, "strengths": strengths}) as study:
        for found in robustness_run(of, strengths, images, seed):
            if isinstance(found, tuple):
                name, draft = found
                facts = {key: draft.facts[key] for key in ("seeds", "images", "seed")}
                run = study.add_run(f"{KIND}-{name}", config={"of": name, "model": told[name], **facts}, kind=KIND)
                draft.replay(run)
    return open_study(out)


def write(sink: Sink, shown: Shown, answers: Mapping[str, Along]) -> None:
    """What one configuration answered, as docs/robustness.md lists it."""
    sink.array("labels", shown.labels, axes=["image"])
    sink.array("positions", shown.positions, axes=["image"])
    for way, along in answers.items():
        flips = along.flips(shown.labels)
        axes = ["seed", "strength", "image"]
        sink.array(f"strengths/{way}", along.strengths, unit=PERTURBATIONS[way].unit, whole=PERTURBATIONS[way].whole)
        sink.array(f"predicted/{way}", along.predicted, axes=axes)
        sink.array(f"probability/{way}", along.probability, axes=axes)
        sink.array(f"flip/{way}", flips, axes=["seed", "image"])
        sink.array(f"flipped/{way}", most_seeds(flips, len(along.strengths)), axes=["image"])
        pictured, pictures = first_flipped(shown, way, along, flips)
        sink.array(f"pictured/{way}", pictured, columns=["position", "strength", "true", "predicted"])
        sink.array(f"pictures/{way}", pictures, axes=["image", "before and after"])


def most_seeds(flips: np.ndarray, strengths: int) -> np.ndarray:
    """The smallest strength by which more than half of the seeds have each image wrong: (S, N) → (N,).

    An index as in `Along.flips`; for an odd number of seeds it is their median.

    >>> most_seeds(np.array([[1, -1, -2], [3, 2, -2], [2, -1, 1]]), 4).tolist()
    [2, -1, -2]
    """
    rank = np.where(flips == ALREADY, 0, np.where(flips == NEVER, strengths, flips))
    middle = np.sort(rank, 0)[len(rank) // 2]
    return np.where(middle == 0, ALREADY, np.where(middle == strengths, NEVER, middle)).astype(np.int16)


def first_flipped(
    shown: Shown, way: str, along: Along, flips: np.ndarray, most: int = PICTURES
) -> tuple[np.ndarray, np.ndarray]:
    """The images that the smallest strengths flip for most seeds; of equals, those that were surest before.

    → (M, 4) int64: position, index of the strength, true class, class that most wrong seeds took it for; and
    (M, 2, …) uint8, before and after.
    """
    flip = most_seeds(flips, len(along.strengths))
    sure = along.probability[:, 0].astype(np.float64).mean(0)
    order = np.lexsort((-sure, np.where(flip > 0, flip, len(along.strengths))))[:most]
    rows, pictures = [], []
    for at in order[flip[order] > 0].tolist():
        k, true = int(flip[at]), int(shown.labels[at])
        given = along.predicted[:, k, at]
        rows.append((shown.positions[at], k, true, np.bincount(given[given != true]).argmax()))
        after = shown.changed(way, float(along.strengths[k]), slice(at, at + 1))
        pictures.append(np.concatenate([shown.pixels[at : at + 1], after]))
    empty = np.zeros((0, 2, *shown.pixels.shape[1:]), np.uint8)
    return np.array(rows, np.int64).reshape(-1, 4), np.stack(pictures) if pictures else empty


def _along(run: StoredRun, wanted: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """The one perturbation that a run was trained on, where that is wanted; or else all."""
    trained = _augment(run)
    alone = {way: own for way, own in wanted.items() if way in trained} if len(trained) == 1 else {}
    return alone or dict(wanted)


def _augment(run: StoredRun) -> dict[str, Any]:
    """The perturbations that a run was trained on, with the largest strength of each."""
    return dict((run.config.get("dataset") or {}).get("augment") or {})


def _ready(run: StoredRun) -> Ready:
    """A run's model with its weights, and the scaling that it was trained with."""
    description = describe(run)
    if description.task != "classify" or description.scaling is None:
        raise UsageError(f"run {run.id} does not tell classes of images apart: perturbations are measured of those")
    name = description.name
    own = name if own_file.is_own(name) and own_file.allowed(name) else None  # a file that the user named here
    return Ready(rebuilt(description, run_weights(run), own), description.scaling)


def _data(runs: Mapping[str, Sequence[StoredRun]]) -> Data:
    """The data that all runs were tested on, held to what they recorded of them."""
    chosen: dict[str, StoredRun] = {}
    for run in (run for several in runs.values() for run in several):
        asked = run.config.get("dataset") or {}
        if "name" not in asked or asked["name"].startswith("("):
            raise UsageError(f"run {run.id} was trained on data of the caller's own, which no name finds again")
        parts = {key: asked.get(key) for key in _TEST_PART}
        parts["seed"] = asked.get("seed") if parts["perturb"] else None
        chosen.setdefault(json.dumps(parts, sort_keys=True), run)
    first, *others = chosen.values()
    if others:
        raise UsageError(
            f"runs {first.id} and {others[0].id} were tested on other images: measure them in two calls, one for each"
        )
    data = load(**{key: value for key, value in first.config["dataset"].items() if key != "augment"})
    then = first.info.get("data", {})
    if "sha256" in then and then["sha256"] != data.facts()["sha256"]:
        raise StoreError(f"run {first.id} was tested on other files of {then['name']} than are here")
    return data
