"""The few words that writers themselves put into a note."""

from __future__ import annotations

from collections.abc import Sequence

from passo.analysis.words import joined
from passo.language import t
from passo.notes.content import LeftOut


def told_left_out(left_out: Sequence[LeftOut]) -> str:
    """What is not in a note, in a sentence or two; nothing where all of it is.

    >>> told_left_out([LeftOut("calibration", ""), LeftOut("robustness", "no run of it is done")])
    'Left out for want of room: calibration. Not in this study: robustness.'
    """
    told = []
    if crowded := [one.name for one in left_out if not one.why]:
        told.append(t("Left out for want of room: {names}.", names=joined([t(name) for name in crowded])))
    if lacking := [one.name for one in left_out if one.why]:
        told.append(t("Not in this study: {names}.", names=joined([t(name) for name in lacking])))
    return " ".join(told)
