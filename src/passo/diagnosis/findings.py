"""What a detector says: how sure it is, what it saw, what that means, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence
from passo.language import t

FOUND, SUSPECTED = "found", "suspected"


@dataclass(frozen=True)
class Finding:
    """One defect of a run. `evidence` has the numbers; `strength` in (0, 1] orders findings of one level."""

    level: str
    evidence: str
    strength: float = 1.0


Look = Callable[[Evidence], Finding | None]


@dataclass(frozen=True)
class Detector:
    """One defect that can be told from a recorded run.

    `reason` says why its threshold stands where it does, `source` where that is known from: both for the documentation.
    `title`, `meaning` and `cure` are translated where they are shown; `try_` is a command, or a line, that tries the
    cure.
    """

    name: str
    title: str
    meaning: str
    cure: str
    try_: str
    reason: str
    source: str
    look: Look


def found(evidence: str, strength: float = 1.0) -> Finding:
    return Finding(FOUND, evidence, strength)


def suspected(evidence: str, strength: float = 0.5) -> Finding:
    return Finding(SUSPECTED, evidence, strength)


def share(value: float) -> str:
    """A share as a percentage.

    >>> share(0.1234)
    '12.3 %'
    """
    return f"{significant(100 * value)} %"


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names of many.

    >>> few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else t("{names} and {n:,} more", names=shown, n=len(names) - most)
