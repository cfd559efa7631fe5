"""The loss surface of a run with the way that its training went: those that lie under the root, or a new one.

A landscape is a study of its own, which says of what run it is. Computing one takes minutes: it is a command of passo
in the queue, with progress and an end on the page of jobs.
"""

from __future__ import annotations

import math
from typing import Any

from starlette.responses import RedirectResponse, Response

from passo.analysis.landscapes import loss_surface, tell
from passo.errors import PassoError, UnknownName, UsageError
from passo.figures.landscapes import landscape_chart
from passo.store import StoredRun
from passo.web.answering import Asked
from passo.web.kinds import LANDSCAPE, source
from passo.web.pictures import answer
from passo.web.spoken import spoken_words

NUMBERS: dict[str, tuple[float, float, float]] = {
    "points": (41, 3, 121),
    "images": (1000, 1, 100_000),
    "margin": (0.3, 0, 5),
    "reach": (1, 0.01, 100),
    "seed": (0, 0, 2**31 - 1),
}
"""What a form asks for: what is usual, the least and the most."""
WHOLE = ("points", "images", "seed")
CHOICES = {"directions": ("pca", "random"), "batch_norm": ("running", "batch")}


def surface(asked: Asked) -> Response:
    """The page of a run's loss surfaces, the newest first, and the form for another one."""
    run = asked.lab.shelf.run(asked.place("study"), asked.place("run"))
    return asked.page(
        "surface.html.j2",
        study=asked.place("study"),
        run=run,
        path=len(run.array("path/steps")) if "path/steps" in run.arrays() else 0,
        found=_landscapes(asked, run),
        numbers=NUMBERS,
        whole=WHOLE,
        words=spoken_words(),
    )


def figure(asked: Asked) -> Response:
    """One landscape of this run as JSON: its specification, its sentence and its caption."""
    run = asked.lab.shelf.run(asked.place("study"), asked.place("run"))
    for name, found in _stored(asked, run):
        if name == asked.place("landscape"):
            return answer(asked, landscape_chart(found))
    raise UnknownName(f"run {run.id} has no landscape {asked.place('landscape')!r} here")


def begin(asked: Asked) -> Response:
    """Put the computing of a landscape into the queue."""
    run = asked.lab.shelf.run(asked.place("study"), asked.place("run"))
    if "path" not in run.arrays():
        raise UsageError(f"run {run.id} recorded no path of its weights: train it with record.path=40")
    words = [word for name in (*CHOICES, *NUMBERS) for word in (f"--{name.replace('_', '-')}", _setting(asked, name))]
    named = f"{asked.place('study')}/{run.id}"
    whole = f"{asked.lab.shelf.folder(asked.place('study'))}/{run.id}"  # a name could be another's, where passo runs
    asked.lab.jobs.add([LANDSCAPE, *words, "--", whole], study=f"{named}/{LANDSCAPE}")
    return RedirectResponse("/jobs", 303)


def _setting(asked: Asked, name: str) -> str:
    """What the form says of one setting, as a command line takes it."""
    value = asked.form.get(name, "")
    if name in CHOICES:
        value = value or CHOICES[name][0]
        if value not in CHOICES[name]:
            raise UsageError(f"{name} must be one of {', '.join(CHOICES[name])}, got {value!r}")
        return value
    usual, least, most = NUMBERS[name]
    try:
        number = float(value) if value else usual
    except ValueError:
        number = math.nan
    if not least <= number <= most or (name in WHOLE and number != int(number)):
        if name in WHOLE:
            raise UsageError(f"{name} must be a whole number from {least:g} to {most:g}, got {value!r}")
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
    return f"{number:.12g}"


def _landscapes(asked: Asked, run: StoredRun) -> list[dict[str, Any]]:
    """Name, sentence and settings of each landscape that can be read."""
    return [
        {"name": name, "told": tell(loss_surface(found)), "settings": found.config}
        for name, found in _stored(asked, run)
    ]


def _stored(asked: Asked, run: StoredRun) -> list[tuple[str, StoredRun]]:
    """The finished landscapes under the root that say that they are of this run."""
    found = []
    for entry in asked.lab.shelf.entries():
        there = entry.outline
        if there is None or not any(one.kind == LANDSCAPE and one.status == "done" for one in there.runs):
            continue
        made = source(there)
        if made is None or not made.is_of(asked.place("study"), run):
            continue
        try:
            study = asked.lab.shelf.study(entry.name)
            kept = next(one for one in study.runs if one.kind == LANDSCAPE and one.status == "done")
            loss_surface(kept)
        except PassoError:
            continue
        found.append((entry.name, kept))
    return found
