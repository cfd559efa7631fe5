"""A made-up study of two models shown perturbed images, of which every answer is known; no torch, a moment to write.

Images are 0 … N − 1, of class i mod C. A model has the first images wrong, so many as `WRONG` says for each strength,
and `luck(seed)` more, which both models share, and takes each for the next class. Trained on shifts, both have half as
many wrong along shift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from passo.store import Store, StoredStudy, open_study

LABELS = ("flat", "deep")
IMAGES, CLASSES = 200, 4
STRENGTHS = {"scale": (0.0, -0.2, 0.2, -0.4, 0.4), "shift": (0.0, 1.0, 2.0, 3.0, 4.0)}
WRONG = {  # by strength, of each model; noise of a seed comes on top
    "scale": ((20, 40, 40, 90, 60), (20, 40, 40, 60, 60)),
    "shift": ((20, 30, 60, 100, 160), (20, 30, 60, 70, 80)),
}


def luck(seed: int) -> int:
    return (0, 2, -2, 1, -1)[seed % 5]


def own_luck(model: int, seed: int, k: int) -> int:
    """What a model has wrong by chance at a strength: 0 unchanged, else −1, 0 or 1."""
    return (seed + k + model) % 3 - 1 if k else 0


def wrong(way: str, model: int, seed: int, k: int, trained: str = "", table: Mapping[str, Any] = WRONG) -> int:
    """How many images are wrong."""
    count = table[way][model][k] // (2 if trained else 1)
    return int(np.clip(count + luck(seed) + own_luck(model, seed, k), 0, IMAGES))


def make(
    folder: Path,
    *,
    seeds: int = 5,
    labels: Sequence[str] = LABELS,
    table: Mapping[str, Any] = WRONG,
    classes: int = CLASSES,
    colour: bool = False,
    trained: bool = True,
) -> StoredStudy:
    """Write the study into an empty folder and open it."""
    with Store.create(folder, name="made-up", config={}) as store:
        store.facts(pair={"labels": list(labels), "within": 0.02, "difference": 0.0, "matched": [{}, {}]})
        for entry, ways, on in (("base", tuple(table), ""), ("on-shift", ("shift",), "shift"))[: 1 + trained]:
            for m, label in enumerate(labels):
                config = {"of": f"{entry}-{label}", "model": label, "seeds": list(range(seeds)), "images": IMAGES}
                run = store.add_run(f"robustness-{entry}-{label}", config=config, kind="robustness")
                augment = {on: 3.0} if on else {}
                names = [f"class {c}" for c in range(classes)]
                run.info(of=f"{entry}-{label}", seeds=list(range(seeds)), images=IMAGES, classes=names, augment=augment)
                run.array("labels", np.arange(IMAGES) % classes)
                run.array("positions", 7 * np.arange(IMAGES))
                for way in ways:
                    _write(run, way, m, seeds, on, table, classes, colour)
                run.finish()
    return open_study(folder)


def pixels(image: int, k: int, colour: bool = False) -> np.ndarray:
    """The made-up picture of an image at a strength."""
    shape = (3, 6, 6) if colour else (6, 6)
    return np.full(shape, image % 200, np.uint8) + np.arange(6, dtype=np.uint8) * (k + 1)


def _write(
    run: Any, way: str, m: int, seeds: int, on: str, table: Mapping[str, Any], classes: int, colour: bool
) -> None:
    strengths = STRENGTHS[way]
    labels, images = np.arange(IMAGES) % classes, np.arange(IMAGES)
    counts = np.array([[wrong(way, m, seed, k, on, table) for k in range(len(strengths))] for seed in range(seeds)])
    bad = images < counts[:, :, None]  # (S, K, N)
    flip = np.array([[_flip(bad[s, :, i]) for i in images] for s in range(seeds)], np.int16)
    flipped = np.array([_most(flip[:, i], len(strengths)) for i in images], np.int16)
    rows = [(7 * i, flipped[i], labels[i], (labels[i] + 1) % classes) for i in images if flipped[i] > 0][:2]
    pairs = [[pixels(row[0] // 7, 0, colour), pixels(row[0] // 7, int(row[1]), colour)] for row in rows]
    run.array(f"strengths/{way}", np.array(strengths), unit="units of the test")
    run.array(f"predicted/{way}", np.where(bad, (labels + 1) % classes, labels).astype(np.uint8))
    run.array(f"flip/{way}", flip)
    run.array(f"flipped/{way}", flipped)
    run.array(f"pictured/{way}", np.array(rows, np.int64).reshape(-1, 4))
    run.array(f"pictures/{way}", np.array(pairs, np.uint8))


def _flip(bad: np.ndarray) -> int:
    """−2, −1 or the first strength that is wrong."""
    if bad[0]:
        return -2
    return next((k for k, one in enumerate(bad) if one), -1)


def _most(flips: np.ndarray, strengths: int) -> int:
    """The smallest strength by which more than half of the seeds are wrong."""
    for k in range(strengths):
        if sum(one == -2 or 0 < one <= k for one in flips) > len(flips) / 2:
            return k or -2
    return -1
