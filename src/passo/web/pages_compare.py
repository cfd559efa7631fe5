"""Configurations held against each other: ranked, paired by seed, with sentences; the address is the whole view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from passo.analysis.curves import bands
from passo.errors import PassoError, StoreError
from passo.figures.compared import COMPARED, Wish, draw_compared
from passo.figures.comparison import curve_of, parts
from passo.figures.curves import curves_figure, tell_best
from passo.figures.style import Figure
from passo.language import t
from passo.registry import unknown
from passo.store import StoredStudy
from passo.telling import told
from passo.web.answering import Asked
from passo.web.pictures import PICTURE, answer, lacking
from passo.web.spoken import spoken_words

NAMED = 200  # configurations that a page offers to choose from
ROWS = 200  # of a table that a page shows
CURVES = "curves"


def compare(asked: Asked) -> Response:
    """The parts of a comparison, each with its sentence and its table; figures are asked for by the page."""
    found = asked.lab.shelf.study(asked.place("study"))
    names, metrics = found.names(), [name for name in found.metrics() if "/" in name]
    if not names:
        return asked.page("compare_nothing.html.j2", study=found)
    wish = wished(asked, found)
    told_parts: list[dict[str, Any]] = []
    for part in parts(found, wish, wish.names):
        try:
            computed = part.compute()
            table = computed.table()
            told_parts.append(
                {"part": part, "sentence": computed.sentence(), "table": table, "rows": table.rows[:ROWS]}
            )
        except StoreError as why:
            told_parts.append({"part": part, "sentence": t("nothing: {why}", why=told(str(why))), "table": None})
    return asked.page(
        "compare.html.j2",
        study=found,
        names=names[:NAMED],
        chosen=set(wish.names or ()),
        metrics=metrics,
        wish=wish,
        parts=told_parts,
        words=spoken_words(),
        curves=_told_curves(found, wish),
        query=asked.request.url.query,
    )


def figure(asked: Asked) -> Response:
    """A figure of the comparison as JSON, or as a picture; `curves` are the bands over seeds."""
    found, name = asked.lab.shelf.study(asked.place("study")), asked.place("figure")
    picture = name.endswith(PICTURE)
    try:
        drawn = _drawn(found, name.removesuffix(PICTURE), wished(asked, found))
    except StoreError as why:
        return lacking(asked, why, picture=picture)
    return answer(asked, drawn, picture=picture)


def _drawn(found: StoredStudy, name: str, wish: Wish) -> Figure:
    if name == CURVES:
        return curves_figure(found, wish.curve, wish.names)
    if name not in COMPARED:
        raise unknown("figure of a comparison", name, [*COMPARED, CURVES])
    return draw_compared(name, found, wish)


def _told_curves(found: StoredStudy, wish: Wish) -> str:
    """What the curves show, or why there are none."""
    try:
        return tell_best(bands(found, wish.curve, wish.names))
    except PassoError as why:
        return told(str(why))


def wished(asked: Asked, found: StoredStudy, given: Sequence[str] | None = None) -> Wish:
    """What the address asks for: `name` (several; `given` take their place), `metric`, `curve`, `against`."""
    known = found.names()
    if not known:
        raise StoreError(f"{found.folder.name} has no finished training yet")
    names = tuple(name for name in dict.fromkeys(asked.queries("name") if given is None else given) if name)
    for name in (*names, *filter(None, [asked.query("against")])):
        if name not in known:
            raise unknown(f"configuration in {found.folder.name}", name, known)
    metrics = found.metrics()
    metric = asked.query("metric") or str(found.config.get("metric", "test/accuracy"))
    if metric not in metrics:
        usual = [
            name for name in ("validation/accuracy", "test/loss", "validation/loss", "train/loss") if name in metrics
        ]
        if asked.query("metric") or not usual:
            raise unknown(f"metric in {found.folder.name}", metric, metrics)
        metric = usual[0]
    curve = asked.query("curve") or curve_of(found, metric)
    if curve not in metrics:
        raise unknown(f"metric in {found.folder.name}", curve, metrics)
    return Wish(metric=metric, curve=curve, names=names or None, against=asked.query("against") or None)
