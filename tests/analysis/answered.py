"""Runs with given predictions and losses, written into a real store: what the tests of the evaluation read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from passo.store import Store, StoredRun, open_study


def stored(
    folder: Path,
    probabilities: Sequence[Sequence[float]] | np.ndarray | None = None,
    labels: Sequence[int] | np.ndarray = (),
    *,
    classes: Sequence[str] | None = None,
    metrics: Mapping[str, Sequence[float]] | None = None,
    config: Mapping[str, Any] | None = None,
    per_epoch: int = 10,
) -> StoredRun:
    """A finished run `it` whose test gave these probabilities (N, C), and whose epochs ended with these metrics."""
    with Store.create(folder, name="answered", config={}) as store:
        run = store.add_run("it", config=dict(config or {}))
        if classes is not None:
            run.info(data={"classes": list(classes)})
        if probabilities is not None:
            run.array("test/probabilities", np.asarray(probabilities, np.float32), axes=["image", "class"])
            run.array("test/labels", np.asarray(labels))
        for name, values in (metrics or {}).items():
            for epoch, value in enumerate(values, start=1):
                run.scalars(epoch * per_epoch, epoch, {name: value})
        run.finish()
    return open_study(folder).runs[0]


def sure_of(classes: Sequence[int], n: int, confidence: float = 0.7) -> np.ndarray:
    """Probabilities (N, n) that hold each image for one class with this confidence, the others alike."""
    q = np.full((len(classes), n), (1 - confidence) / (n - 1))
    q[np.arange(len(classes)), list(classes)] = confidence
    return q


def many(n: int, images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (images, n) and labels of a middling classifier."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, n, images)
    scores = random.standard_normal((images, n))
    scores[np.arange(images), labels] += 2.5
    q = np.exp(scores)
    return q / q.sum(1, keepdims=True), labels
