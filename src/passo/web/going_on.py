"""What a study can be asked to do by a button: to stop while it trains, to go on where it stands; or why it cannot."""

from __future__ import annotations

from typing import NamedTuple

from passo.language import t
from passo.store import Outline, open_study
from passo.web.kinds import kind_of


class GoingOn(NamedTuple):
    """`do` is "stop", "resume", or empty where neither does anything; `told` says what comes of it, or why not."""

    do: str = ""
    told: str = ""


def going_on(study: Outline) -> GoingOn:
    """What a page offers of a study; nothing of one that is done, and of what is no training."""
    if study.status == "done" or not _heeds(study):
        return GoingOn()
    if study.status == "running":
        return GoingOn("stop", t("its state is kept, and it can go on later"))
    if "planned" in study.facts:
        return GoingOn("resume", t("what is done stays; the other runs go on, or begin, from the queue"))
    if study.status == "diverged":
        return GoingOn(
            told=t("It cannot be resumed: repeated, it would diverge again. Begin another one with other settings.")
        )
    if not all(_named(study.config.get(part)) for part in ("dataset", "model")):
        return GoingOn(told=t("It cannot be resumed from here: its model or its data are a program's own."))
    if open_study(study.folder).checkpoints():
        return GoingOn("resume", t("it goes on where it stopped, from the queue"))
    return GoingOn("resume", t("none of its states was kept: it begins anew, from the queue"))


def going_on_of(study: Outline, status: str) -> GoingOn:
    """The same on the page of one run with this status."""
    found = going_on(study)
    if status == "done" or (status == "running") != (found.do == "stop"):
        return GoingOn()
    return GoingOn() if status == "diverged" and found.do else found  # the others of its study go on without it


def _heeds(study: Outline) -> bool:
    """Whether whoever makes a study heeds a request to stop, and can go on: no races, maps, or loops of one's own."""
    return "planned" in study.facts or kind_of(study) == "training"


def _named(part: object) -> bool:
    """Whether data or a model can be found by a name: no object of the caller's, and no file of code."""
    name = str(part.get("name", "")) if isinstance(part, dict) else ""
    return not name.startswith("(") and ".py:" not in name
