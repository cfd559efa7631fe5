"""One run: its curves while they grow, what is inside its steps, what happened, what it is made of."""

from __future__ import annotations

import math
from urllib.parse import quote

import numpy as np
from starlette.responses import RedirectResponse, Response

from passo.errors import UnknownName
from passo.figures.plotted import WIDE, curve, told_curve
from passo.figures.style import Written
from passo.language import language
from passo.registry import unknown
from passo.store import StoredRun
from passo.web.answering import Asked
from passo.web.beside import Said
from passo.web.going_on import GoingOn, going_on_of
from passo.web.happened import happenings
from passo.web.kept import KeptRun
from passo.web.made import facts_of, settings_of
from passo.web.microscope import LABELS, figures_of, microscope, pictures
from passo.web.numbers import decimal
from passo.web.pages_doctor import PATIENTS, consulted
from passo.web.pages_epochs import has_epochs
from passo.web.pictures import answer
from passo.web.series import POINTS, extremes
from passo.web.spoken import spoken_words

JSON = "application/json"
CURVES = 12  # metrics that are asked for at once
DRAWN = ("train/loss", "validation/loss", "validation/accuracy", "lr")  # metrics that are drawn unasked
PLAIN = "plain"  # what a browser without scripts asks for: everything as pictures and tables


def run(asked: Asked) -> Response:
    """The page of a run; its curves and figures are asked for by the page, or stand in it where no script runs."""
    study, name = asked.place("study"), asked.place("run")
    whole = asked.lab.shelf.whole(study)
    try:
        found = asked.lab.kept.run(study, name)
    except UnknownName:
        if whole == study:  # it was trained in a folder of its own, and is part of its study now
            raise
        asked.lab.shelf.run(whole, name)
        return RedirectResponse(f"/study/{quote(whole, safe='')}/run/{quote(name, safe='')}", 303)
    about = asked.lab.beside.said().get(f"{study}/{name}", Said())
    can = going_on_of(asked.lab.shelf.outline(whole), found.status)
    return asked.kept((found.mark, about, can), lambda: _page(asked, found, whole, about, can))


def _page(asked: Asked, found: KeptRun, whole: str, about: Said, can: GoingOn) -> Response:
    metrics = found.metrics()
    lasts = {metric: value for metric, value in found.lasts().items() if math.isfinite(value)}
    drawn = [metric for metric in metrics if metric in DRAWN]
    plain, look = bool(asked.query(PLAIN)), microscope(found, asked)
    return asked.page(
        "run.html.j2",
        study=asked.place("study"),
        run=found,
        metrics=metrics,
        lasts=lasts,
        about=about,
        whole=whole,
        can=can,
        figures=figures_of(found),
        look=look,
        labels=LABELS,
        happened=found.made(("happened", language()), lambda: happenings(found)),
        settings=settings_of(found.config),
        facts=facts_of(found.info),
        drawn=drawn,
        epochs=has_epochs(found),
        patient=found.kind in PATIENTS,
        plain=plain,
        **(consulted(asked, found) if plain and found.kind in PATIENTS else {}),
        curves=[(name, _curve(found, name).sentence) for name in drawn] if plain else [],
        pictures=pictures(found, asked, look) if plain else {},
        words={**spoken_words(), "curve": curve("", np.array([]), np.array([])).spec()},
    )


def series(asked: Asked) -> Response:
    """Curves as JSON: {"name": {"x": […], "y": […], "n": …, …}} for each `metric`; `from` and `to` are steps."""
    low, high = decimal(asked, "from", -math.inf), decimal(asked, "to", math.inf)
    most = int(min(POINTS, max(20, decimal(asked, "points", POINTS))))
    query = (tuple(asked.queries("metric")[:CURVES]), low, high, most)
    found = asked.lab.curves.told(asked.place("study"), asked.place("run"), query, told_curve)
    return Response(found, media_type=JSON)


def pictured(asked: Asked) -> Response:
    """One curve as a picture, for a browser without scripts."""
    found = asked.lab.kept.run(asked.place("study"), asked.place("run"))
    return answer(asked, _curve(found, asked.query("metric")), picture=True)


def _curve(found: StoredRun, name: str) -> Written:
    if not found.has(name):
        raise unknown("metric", name, found.metrics())
    whole = found.metric(name)
    return curve(name, *extremes(whole.steps, whole.values), wide=WIDE)
