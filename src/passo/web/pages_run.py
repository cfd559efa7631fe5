"""One run: its curves while they grow, what is inside its steps, what happened, what it is made of."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

import numpy as np
from starlette.responses import RedirectResponse, Response

from passo.analysis.recorded import watch_facts
from passo.errors import PassoError, UnknownName, UsageError
from passo.figures.watched import RUN_FIGURES, draw_run
from passo.language import later
from passo.store import StoredRun
from passo.telling import told
from passo.web.answering import Asked
from passo.web.beside import Said
from passo.web.pages_studies import duration
from passo.web.series import POINTS
from passo.web.spoken import spoken_words

JSON = "application/json"
CURVES = 12  # metrics that are asked for at once
GROUPS: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    (
        later("Inside the optimiser"),
        frozenset({"trace/steps"}),
        (
            *("apart", "stages", "layers", "ratios", "signal", "cosine", "betas"),
            *("loss-change", "clipping", "residual", "weights"),
        ),
    ),
    (later("Activations"), frozenset({"activations/steps"}), ("activations",)),
    (
        later("What it answers"),
        frozenset({"test/probabilities"}),
        ("confusion", "classes", "calibration", "hardest", "cross-entropy"),
    ),
)
"""Figures of a run by what they show, and the arrays that a run must have for them."""

DRAWN = ("train/loss", "validation/loss", "validation/accuracy", "lr")  # metrics that are drawn unasked
SCRUBBED = 400  # steps that a slider offers
OPTIONS = {"parameter": str, "index": str, "step": int, "layer": str, "quantity": str}


def run(asked: Asked) -> Response:
    """The page of a run; its curves and figures are asked for by the page."""
    study, name = asked.place("study"), asked.place("run")
    try:
        found = asked.lab.shelf.run(study, name)
    except UnknownName:
        whole, colon, _ = study.rpartition(":")  # it was trained in a folder of its own, and is part of its study now
        if not colon:
            raise
        asked.lab.shelf.run(whole, name)
        return RedirectResponse(f"/study/{quote(whole, safe='')}/run/{quote(name, safe='')}", 303)
    metrics = found.metrics()
    lasts = {metric: value for metric, value in found.lasts().items() if math.isfinite(value)}
    about = asked.lab.beside.said().get(f"{study}/{name}", Said())
    return asked.page(
        "run.html.j2",
        study=study,
        run=found,
        metrics=metrics,
        lasts=lasts,
        about=about,
        figures=figures_of(found),
        parameters=parameters(found),
        events=[(kind, step, told(message)) for kind, step, message, _ in found.events()][-200:],
        settings=sorted(_flat(found.config).items()),
        facts=sorted((key, value) for key, value in found.info.items() if not isinstance(value, dict | list)),
        duration=duration,
        drawn=[name for name in metrics if name in DRAWN],
        steps=watched_steps(found),
        words=spoken_words(),
    )


def series(asked: Asked) -> Response:
    """Curves as JSON: {"name": {"x": […], "y": […], "n": …}} for each `metric`; `from` and `to` are steps."""
    low, high = _number(asked, "from", -math.inf), _number(asked, "to", math.inf)
    most = int(min(POINTS, max(20, _number(asked, "points", POINTS))))
    query = (tuple(asked.queries("metric")[:CURVES]), low, high, most)
    return Response(asked.lab.curves.told(asked.place("study"), asked.place("run"), query), media_type=JSON)


def figure(asked: Asked) -> Response:
    """A figure of the run as JSON: its specification, its sentence and its caption."""
    found = asked.lab.shelf.run(asked.place("study"), asked.place("run"))
    options = {name: _read(asked, name, kind) for name, kind in OPTIONS.items() if asked.query(name)}
    drawn = draw_run(asked.place("figure"), found, **options)
    return asked.json({"spec": drawn.spec(), "sentence": drawn.sentence, "caption": drawn.caption})


def figures_of(found: StoredRun) -> list[tuple[str, list[str]]]:
    """The figures for which this run has recorded something, in groups; a figure says itself what it lacks."""
    there = found.arrays()
    groups = [
        (told, [name for name in names if name in RUN_FIGURES]) for told, needs, names in GROUPS if needs <= {*there}
    ]
    return [(told, names) for told, names in groups if names]


def watched_steps(found: StoredRun) -> list[int]:
    """The steps that the microscope looked at, evenly thinned to what a slider can offer."""
    if "trace/steps" not in found.arrays():
        return []
    steps = found.array("trace/steps")
    at = np.unique(np.linspace(0, len(steps) - 1, min(SCRUBBED, len(steps))).astype(int)) if len(steps) else []
    return [int(steps[i]) for i in at]


def parameters(found: StoredRun) -> list[str]:
    """The parameters that were watched, in the model's order; none where nothing was."""
    try:
        return [str(name) for name in watch_facts(found).get("roundings", {})]
    except PassoError:
        return []


def _read(asked: Asked, name: str, kind: type) -> Any:
    value = asked.query(name)
    if kind is int:
        if not value.isdecimal():
            raise UsageError(f"{name} must be a whole number, got {value!r}")
        return int(value)
    return value


def _number(asked: Asked, name: str, default: float) -> float:
    value = asked.query(name)
    try:
        return float(value) if value else default
    except ValueError:
        raise UsageError(f"{name} must be a number, got {value!r}") from None


def _flat(config: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by dotted key, as a command line takes them."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{key}.")
        elif value is not None:
            found[f"{before}{key}"] = value
    return found
