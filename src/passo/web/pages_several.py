"""Across studies: curves of any runs over each other, and several studies as problems; the address is the view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response

from passo.analysis.paired import fair
from passo.analysis.profiles import profiles
from passo.errors import PassoError, StoreError, UsageError
from passo.figures.compared import Wish, draw_compared
from passo.figures.style import DASHES, OTHERS
from passo.language import t
from passo.registry import unknown
from passo.store import StoredRun, StoredStudy
from passo.web.answering import Asked
from passo.web.pages_compare import ROWS, wished
from passo.web.pictures import answer, lacking
from passo.web.series import POINTS
from passo.web.spoken import spoken_words

RUNS, STUDIES = len(OTHERS), 8  # that one page lays over each other, or holds against each other
OFFERED = 200  # studies that a form offers, the newest
FIRST = ("validation/loss", "train/loss", "validation/accuracy")  # metrics that are laid over each other unasked


# ── Runs ──────────────────────────────────────────────────────────────────────────────────────────────────


def overlay(asked: Asked) -> Response:
    """Curves of any runs over each other, with a table of where they end; the curves are asked for by the page."""
    if not asked.queries("run"):
        return asked.page("overlay_choose.html.j2", most=RUNS)
    found, troubles = _runs(asked)
    metrics = sorted({name for _, run in found for name in run.metrics()})
    metric = _metric(asked, metrics)
    rows = []
    for place, (study, run) in enumerate(found):
        series = run.metric(metric) if run.has(metric) else None
        rows.append(
            {
                "name": f"{study}/{run.id}",
                "study": study,
                "run": run,
                "last": "" if series is None or math.isnan(series.last) else f"{series.last:.6g}",
                "step": "" if series is None else f"{int(series.steps[-1]):,}",
                "series": f"/study/{quote(study, safe='')}/run/{quote(run.id, safe='')}/series?"
                + urlencode({"metric": metric, "points": POINTS // 2}),
                "shade": OTHERS[place],
                "dash": DASHES[place % len(DASHES)],
            }
        )
    drawn = [{key: row[key] for key in ("name", "series", "shade", "dash")} for row in rows]
    return asked.page(
        "overlay.html.j2",
        rows=rows,
        drawn={"metric": metric, "runs": drawn, "live": any(run.status == "running" for _, run in found)},
        metrics=metrics,
        metric=metric,
        troubles=troubles,
        words=spoken_words(),
    )


def _runs(asked: Asked) -> tuple[list[tuple[str, StoredRun]], list[tuple[str, str]]]:
    """The runs that are asked for, and what cannot be read of them."""
    names = list(dict.fromkeys(asked.queries("run")))
    if not names or len(names) > RUNS:
        raise UsageError(f"choose from one to {RUNS} runs, got {len(names)}")
    found, troubles = [], []
    for name in names:
        study, _, run = name.partition("/")
        try:
            there = asked.lab.shelf.run(study, run)
            there.metrics()
            found.append((study, there))
        except PassoError as error:
            troubles.append((name, asked.told(error)))
    return found, troubles


def _metric(asked: Asked, metrics: Sequence[str]) -> str:
    wanted = asked.query("metric")
    if wanted and wanted not in metrics:
        raise unknown("metric", wanted, metrics)
    return wanted or next((name for name in (*FIRST, *metrics) if name in metrics), "")


# ── Studies ───────────────────────────────────────────────────────────────────────────────────────────────


def compare(asked: Asked) -> Response:
    """What `passo compare A B` says: each study's ranking, and who is quick on how many of them.

    Where none are ticked, or too many, the form in which to tick them.
    """
    ticked = list(dict.fromkeys(asked.queries("study")))
    if not 1 <= len(ticked) <= STUDIES:
        return _choose(asked, ticked)
    names = _studies(asked)
    if len(names) == 1:
        return RedirectResponse(f"/study/{quote(names[0], safe='')}/compare", 303)
    found, troubles = [], []
    for name in names:
        try:
            found.append(asked.lab.shelf.study(name))
        except PassoError as error:
            troubles.append((name, asked.told(error)))
    parts = [_ranked(asked, study) for study in found]
    metrics = sorted(set.intersection(*({*study.metrics()} for study in found))) if found else []
    known = list(dict.fromkeys(name for study in found for name in study.names()))
    return asked.page(
        "compare_several.html.j2",
        parts=parts,
        studies=names,
        profile=_profiles(asked, found),
        metrics=[name for name in metrics if "/" in name],
        known=known[:ROWS],
        chosen={*asked.queries("name")},
        troubles=troubles,
        words=spoken_words(),
        query=asked.request.url.query,
    )


def figure(asked: Asked) -> Response:
    """A figure of several studies as JSON; there is one, `profiles`."""
    found = [asked.lab.shelf.study(name) for name in _studies(asked)]
    try:
        drawn = draw_compared(asked.place("figure"), found, _wish(asked, found[0]))
    except StoreError as why:
        return lacking(asked, why)
    return answer(asked, drawn)


def _choose(asked: Asked, ticked: Sequence[str]) -> Response:
    """The form, with those studies ticked that were."""
    entries = [one for one in asked.lab.shelf.entries() if one.outline is not None]
    trained = [one.name for one in entries if one.kind in ("study", "training")]
    return asked.page(
        "compare_choose.html.j2", 400 if ticked else 200, offered=trained[:OFFERED], ticked=ticked, most=STUDIES
    )


def _studies(asked: Asked) -> list[str]:
    names = list(dict.fromkeys(asked.queries("study")))
    if not names or len(names) > STUDIES:
        raise UsageError(f"choose from one to {STUDIES} studies, got {len(names)}")
    return names


def _wish(asked: Asked, study: StoredStudy) -> Wish:
    """What is asked of one of the studies: of the configurations that were named, those that it has."""
    known = study.names()
    return wished(asked, study, [name for name in asked.queries("name") if name in known])


def _ranked(asked: Asked, study: StoredStudy) -> dict[str, Any]:
    try:
        wish = _wish(asked, study)
        found = fair(study, wish.metric, wish.names)
        table = found.table()
        return {"study": study.folder.name, "sentence": found.sentence(), "table": table, "rows": table.rows[:ROWS]}
    except PassoError as why:
        nothing = t("nothing: {why}", why=asked.told(why))
        return {"study": study.folder.name, "sentence": nothing, "table": None}


def _profiles(asked: Asked, found: Sequence[StoredStudy]) -> dict[str, Any]:
    try:
        wish = _wish(asked, found[0]) if found else Wish()
        made = profiles(found, wish.curve, [wish.target] * len(found), wish.unit)
        table = made.table()
        return {"sentence": made.sentence(), "table": table, "rows": table.rows[:ROWS]}
    except PassoError as why:
        return {"sentence": t("nothing: {why}", why=asked.told(why)), "table": None}
