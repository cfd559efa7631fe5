"""What the doctor says over the trainings of a study: which defects, in how many of them, each told by the plainest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from passo.diagnosis import Diagnosed, Diagnosis, diagnose
from passo.diagnosis.diagnosing import MOST, RECORDING
from passo.diagnosis.evidence import WATCH
from passo.diagnosis.findings import FOUND, few
from passo.language import t
from passo.notes.content import escaped
from passo.notes.sourced import sourced
from passo.store import StoredStudy

PATIENTS = 60  # trainings that are looked at: one whose every step was recorded takes 20 to 200 ms
CURVES = ("train/loss", "validation/loss")  # what detectors read of a training that recorded nothing else
ENDED = ("done", "diverged", "failed")

Told = tuple[str, Diagnosed]
"""A run, and one finding of it."""


@dataclass(frozen=True)
class Defect:
    """One defect: in how many trainings it was found or is suspected, and the `plainest` of these.

    Words are Markdown; numbers and the evidence keep their runs.
    """

    title: str
    found: Any
    suspected: Any
    runs: str
    plainest: str
    evidence: Any
    meaning: str
    cure: str
    command: str


@dataclass(frozen=True)
class Checkup:
    """Of `trainings`, `examined` were looked at; the steps of `watched` were recorded, and `looked` detectors saw each.

    `defects` are at most five, the surest first; `lacks` is what the watched ones did not record.
    """

    defects: tuple[Defect, ...]
    trainings: int
    examined: int
    watched: int
    looked: int
    lacks: str


def checkup(study: StoredStudy) -> Checkup:
    """All trainings that ended, first seeds first where there are too many."""
    ended = [run for run in study.holding(*CURVES).runs if run.kind == "train" and run.status in ENDED]
    ended.sort(key=lambda run: -1 if run.seed is None else run.seed)
    seen = [diagnose(run) for run in ended[:PATIENTS]]
    watched = [one for one in seen if WATCH not in one.blind]
    lacks = dict.fromkeys(what for one in watched for what in one.blind)
    return Checkup(
        tuple(_defect(study, several) for several in _by_defect(seen)[:MOST]),
        len(ended),
        len(seen),
        len(watched),
        min((one.looked for one in watched), default=0),
        "; ".join(escaped(t(RECORDING[what])) for what in lacks),
    )


def _by_defect(seen: Sequence[Diagnosis]) -> list[list[Told]]:
    """The findings of each defect, the plainest first; and first the defect that was found most often."""
    by: dict[str, list[Told]] = {}
    for one in seen:
        for finding in one.findings:
            by.setdefault(finding.name, []).append((one.run, finding))
    for several in by.values():
        several.sort(key=lambda told: (told[1].level != FOUND, -told[1].finding.strength))
    return sorted(by.values(), key=lambda several: (-len(_of_level(several, found=True)), -len(several)))


def _defect(study: StoredStudy, several: Sequence[Told]) -> Defect:
    plainest, one = several[0]
    done = {run.id for run in study.runs if run.status == "done"}  # only these are among a note's runs
    sure, doubtful = _of_level(several, found=True), _of_level(several, found=False)
    return Defect(
        t(one.detector.title),
        sourced(len(sure), done.intersection(sure)),
        sourced(len(doubtful), done.intersection(doubtful)),
        few([f"`{run}`" for run, _ in several]),
        plainest,
        sourced(escaped(one.evidence), done & {plainest}),
        escaped(t(one.detector.meaning)),
        escaped(t(one.detector.cure)),
        one.command(f"{study.folder.name}/{plainest}"),
    )


def _of_level(several: Sequence[Told], *, found: bool) -> list[str]:
    return [run for run, one in several if (one.level == FOUND) is found]
