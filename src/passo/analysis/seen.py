"""What a study's stage of seeing kept of each model, topic by topic: arrays `<topic>/<key>`, and facts beside them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from passo.analysis.pair import pair
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

SEEING = "seeing"
"""The kind of a run that looks into another one."""


def kept(run: StoredRun, topic: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and facts of one topic of a run; raises `StoreError` where it kept none."""
    names = [name for name in run.arrays() if name.startswith(f"{topic}/")]
    if not names or topic not in run.info:
        raise StoreError(f"run {run.id} kept nothing of {topic!r}: run the study's [seeing] again")
    return {name.removeprefix(f"{topic}/"): run.array(name) for name in names}, run.info[topic]


def both_seen(study: StoredStudy, topic: str) -> tuple[StoredRun, StoredRun]:
    """The runs that looked into a study's two models; of several configurations that were looked into, the first.

    Raises `StoreError` where one of the models was not looked into.
    """
    labels = pair(study).labels
    there = [run for run in study.select(kind=SEEING) if topic in run.info]
    found = [next((run for run in there if run.config.get("model") == label), None) for label in labels]
    if None in found:
        lost = labels[found.index(None)]
        looked = (run for run in study.select(kind=SEEING) if run.config.get("model") == lost)
        why = next((run.info["missing"][topic] for run in looked if topic in run.info.get("missing", {})), None)
        told = f"it cannot be had: {why}" if why else "give its file [seeing], and run it"
        raise StoreError(f"{study.folder} kept nothing of {topic!r} for {lost}: {told}")
    first, second = (run for run in found if run is not None)
    return first, second


def whole(kept: Container[str], names: Iterable[str], topic: str) -> None:
    """Raise `StoreError` where arrays or facts of a topic are missing."""
    if lost := [name for name in names if name not in kept]:
        raise StoreError(f"{topic!r} was not kept whole: it lacks {', '.join(lost)}")
