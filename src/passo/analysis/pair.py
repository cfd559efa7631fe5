"""Two models compared: which they are, how they were matched, which configurations belong to which part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passo.errors import StoreError
from passo.store import StoredStudy


@dataclass(frozen=True)
class Configured:
    """One configuration of the study, for one of the two models.

    `entry` is the run of the study file that it comes from, `varied` what its grid made of it, `choice` which choice of
    an exploration it makes; empty for the reference.
    """

    name: str
    entry: str
    model: str
    parts: tuple[str, ...]
    choice: str
    varied: Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """The labels of both models, and what each costs: see `models.budget.Cost.facts`."""

    labels: tuple[str, str]
    matched: tuple[Mapping[str, Any], Mapping[str, Any]]
    within: float
    difference: float


def begun(sentence: str, labels: Sequence[str]) -> str:
    """A sentence with a large first letter, but where it begins with the name of a model.

    >>> begun("the cnn errs less.", ["cnn"]), begun("cnn erra menos.", ["cnn"])
    ('The cnn errs less.', 'cnn erra menos.')
    """
    return sentence if sentence.startswith(tuple(labels)) else f"{sentence[0].upper()}{sentence[1:]}"


def pair(study: StoredStudy) -> Pair:
    """The two models of a study; raises `StoreError` where it compares none."""
    facts = study.facts.get("pair")
    if not facts:
        raise StoreError(f"{study.folder} compares no two models: its study file has no [pair]")
    first, second = facts["labels"]
    return Pair((first, second), tuple(facts["matched"]), float(facts["within"]), float(facts["difference"]))


def configured(study: StoredStudy, part: str | None = None, entry: str | None = None) -> tuple[Configured, ...]:
    """The configurations of a part, or of an entry, that have runs which ended; in the order of the study file.

    Raises `StoreError` where there are none.
    """
    done = {run.name for run in study.runs if run.kind == "train" and run.status == "done"}
    found = tuple(
        Configured(name, told["entry"], told["model"], tuple(told["parts"]), told["choice"], told["varied"])
        for name, told in study.facts.get("configurations", {}).items()
        if name in done and (part is None or part in told["parts"]) and (entry is None or told["entry"] == entry)
    )
    if not found:
        if entry:
            raise StoreError(f"{study.folder} has no finished run of the entry {entry!r}: run the study to its end")
        if part:
            raise StoreError(f"{study.folder} has no finished run of the part {part!r}: run the study to its end")
        raise StoreError(f"{study.folder} has no finished configuration: run the study to its end")
    return found
