"""All detectors over one run: what they found, the surest first, and which could not look."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passo import telling
from passo.analysis.recorded import Recorded
from passo.diagnosis import examples, fit, flow, handling, rates
from passo.diagnosis.evidence import (
    ACTIVATIONS,
    ANSWERS,
    AROUND,
    STEPS,
    UNWRITTEN,
    VALIDATION,
    WATCH,
    WITNESS,
    Evidence,
    NotSeen,
)
from passo.diagnosis.findings import FOUND, Detector, Finding
from passo.diagnosis.findings import found as finding_of
from passo.errors import StoreError, UsageError
from passo.language import later, t, tn
from passo.registry import unknown

DETECTORS: Mapping[str, Detector] = {
    one.name: one
    for family in (handling, examples, rates, flow, fit)
    for one in family.DETECTORS
}  # fmt: skip
"""Every detector by its name."""
MOST = 5  # findings that are told
RECORDING = {
    WATCH: later("what happens in its steps: record.every=1, or passo.watch(optimizer, model)"),
    WITNESS: later("what goes into the model and comes out: record.witness=true, or passo.watch(optimizer, model)"),
    ANSWERS: later(
        "what it could read: one tensor that goes into the model, one of classes that comes out, and a cross-entropy"
    ),
    STEPS: later("steps: it has not begun"),
    UNWRITTEN: later("what it was asked to record: not written yet, or lost with a process that was killed"),
    AROUND: later("what only newer versions of passo record: record it again"),
    ACTIVATIONS: later("its activations: record.activations=true, or watch(..., activations=True)"),
    VALIDATION: later("a validation loss: dataset.validation=0.1, or run.scalars(...) in a loop of one's own"),
}
"""What detectors need that a run may lack, and how it is recorded."""
ASKED = {WATCH: "every", WITNESS: "witness", ACTIVATIONS: "activations"}
"""What of it is an option of the run's own recording."""
OVERSHADOWED: Mapping[str, frozenset[str]] = {
    "unscaled": frozenset({"lr-high", "exploding", "dead"}),
    "zero-init": frozenset({"vanishing", "lr-low", "labels-shuffled", "dead"}),
    "zero-grad": frozenset({"lr-high", "dead", "over-fitting"}),
    "schedule-too-slow": frozenset({"lr-low"}),
    "schedule-too-fast": frozenset({"lr-low"}),
    "labels-shifted": frozenset({"over-fitting"}),
    "exploding": frozenset({"lr-high", "dead"}),
    "lr-high": frozenset({"dead", "labels-shuffled", "over-fitting"}),
    "lr-low": frozenset({"labels-shuffled"}),
    "sorted": frozenset({"labels-shuffled", "dead"}),
    "labels-shuffled": frozenset({"dead", "over-fitting"}),
    "vanishing": frozenset({"labels-shuffled", "lr-low"}),
    "dead": frozenset({"labels-shuffled", "lr-low"}),
    "clipping": frozenset({"lr-low"}),
    "batch-of-one": frozenset({"sorted"}),
    "underflow": frozenset({"vanishing", "lr-low"}),
}
"""Causes, and what follows from them: an effect is not told beside its cause."""


@dataclass(frozen=True)
class Diagnosed:
    """A finding with its detector."""

    detector: Detector
    finding: Finding

    @property
    def name(self) -> str:
        return self.detector.name

    @property
    def level(self) -> str:
        return self.finding.level

    @property
    def evidence(self) -> str:
        return self.finding.evidence

    def command(self, place: str) -> str:
        """What tries the cure, to be typed; `place` is the run as a command line takes it, STUDY/RUN.

        A lens, which has no place, draws the figure itself, and is of a loop that no other command of passo changes:
        there it is empty.
        """
        if place:
            return re.sub(r"\bRUN\b", lambda _: shlex.quote(place), self.detector.try_)
        drawn = re.sub(r"passo inspect RUN --figure (\S+)", r'lens.figure("\1")', self.detector.try_)
        return "" if drawn.startswith("passo ") else drawn


@dataclass(frozen=True)
class Diagnosis:
    """What was found in one run, the surest first; `blind` maps what was not recorded to the detectors that need it.

    `place` is the run as a command line takes it: STUDY/RUN, empty where it is in memory alone.
    """

    run: str
    findings: tuple[Diagnosed, ...]
    blind: Mapping[str, tuple[str, ...]]
    looked: int
    place: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.findings)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, most: int = MOST) -> list[str]:
        """The diagnosis as text, a paragraph of lines for each finding."""
        told: list[str] = []
        for number, one in enumerate(self.findings[:most], 1):
            level = t("found") if one.level == FOUND else t("suspected")
            told += [
                f"{number}. {t(one.detector.title)} ({level})",
                f"   {one.evidence}",
                f"   {t(one.detector.meaning)}",
                f"   {t(one.detector.cure)}",
                *([f"   → {command}"] if (command := one.command(self.place)) else []),
            ]
        told += [self.others(most)] if len(self.findings) > most else []
        told += [] if self.findings else [self.silence()]
        return told + [
            t("{names} could not look: the run lacks {what}.", names=", ".join(names), what=t(RECORDING[what]))
            for what, names in self.blind.items()
        ]

    def silence(self) -> str:
        """What is said where nothing was found."""
        if not self.looked:
            return t("No detector could look: too little was recorded.")
        return tn("Nothing was found: {n} detector looked.", "Nothing was found: {n} detectors looked.", self.looked)

    def others(self, most: int = MOST) -> str:
        """Where the findings stand that are not among the first."""
        where = f"passo doctor {shlex.quote(self.place)} --all" if self.place else "diagnose(lens).findings"
        left = len(self.findings) - most
        return tn(
            "{n} more is found or suspected: {where}", "{n} more are found or suspected: {where}", left, where=where
        )


def _told_live(run: Recorded, only: str | None) -> list[Diagnosed]:
    """What was said while the run trained (`passo.diagnosis.live`): kept, also where nothing else was recorded."""
    kept: dict[str, Diagnosed] = {}
    for *_, message, data in run.events():
        name = str(data.get("detector")) if data.get("what") == "doctor" else ""
        if name in DETECTORS and only in (None, name):
            one = DETECTORS[name]
            kept[name] = Diagnosed(one, finding_of(telling.told(message.removeprefix(f"{one.title}: "))))
    return list(kept.values())


def diagnose(run: Any, only: str | None = None) -> Diagnosis:
    """What is wrong with a run: a stored one, or what a lens (`passo.watch`) has seen so far.

    `only` asks one detector. An effect is left out where its cause was found (`OVERSHADOWED`). Raises `UnknownName` for
    a detector that is not there, `UsageError` for what is no run.

    >>> from passo.recording.held import HeldRun
    >>> diagnose(HeldRun("empty", {})).names
    ()
    """
    recorded: Recorded = getattr(run, "run", run)
    if not hasattr(recorded, "arrays"):
        raise UsageError(f"diagnose(run): a stored run or a lens, got {type(run).__name__}")
    if only is not None and only not in DETECTORS:
        raise unknown("detector", only, tuple(DETECTORS))
    seen, found, blind, looked = Evidence(recorded), _told_live(recorded, only), dict[str, list[str]](), 0
    asked = getattr(recorded, "config", {}).get("record") or {}
    for one in DETECTORS.values() if only is None else (DETECTORS[only],):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # medians of what is NaN throughout
                finding = one.look(seen)
            looked += 1
        except (NotSeen, StoreError) as lacking:
            what = lacking.what if isinstance(lacking, NotSeen) else WATCH
            what = UNWRITTEN if what in ASKED and asked.get(ASKED[what]) else what
            blind.setdefault(what, []).append(one.name)
            continue
        found = [told for told in found if told.name != one.name]  # who has looked at all of it knows better
        if finding is not None:
            found.append(Diagnosed(one, finding))
    causes = {one.name for one in found if one.level == FOUND}
    hidden = {effect for cause in causes for effect in OVERSHADOWED.get(cause, ())}
    kept = [one for one in found if one.name not in hidden]
    kept.sort(key=lambda one: (one.level != FOUND, -one.finding.strength))
    told = {what: tuple(names) for what, names in blind.items() if what in RECORDING}
    folder = getattr(recorded, "folder", None)
    return Diagnosis(recorded.id, tuple(kept), told, looked, "" if folder is None else f"{folder}/{recorded.id}")
