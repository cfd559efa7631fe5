"""Optimisers race over a surface: the real classes compute, in a warm process; the address is the whole state."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from passo.analysis.races import Race, conditions, race, table, tell
from passo.errors import UsageError
from passo.figures import racing
from passo.figures.player import race_data, race_words
from passo.figures.races import Scene
from passo.web.answering import Asked

FIELD = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
STEPS, MOST = 300, 2000


def descents(asked: Asked) -> Response:
    """The page, with the race drawn at its end; scripts play it, and drag its start."""
    offered = asked.lab.offered()
    found = _race(asked)
    scene = Scene(found)
    return asked.page(
        "descents.html.j2",
        offered=offered,
        race=found,
        chosen=_chosen(asked),
        svg=racing.picture(scene, found.steps),
        data=race_data(scene),
        told=_told(found),
        say=race_words(),
    )


def raced(asked: Asked) -> Response:
    """The same as JSON, for a page that is there already."""
    found = _race(asked)
    scene = Scene(found)
    return asked.json({"svg": racing.picture(scene, found.steps), "data": race_data(scene), **_told(found)})


def _told(found: Race) -> dict[str, Any]:
    standings = replace(table(found), note=conditions(found))
    return {"sentence": tell(found), "columns": standings.columns, "rows": standings.rows, "note": standings.note}


def _chosen(asked: Asked) -> dict[str, Any]:
    """What the address asks for, or what is usual."""
    optimizers = [spec for spec in asked.queries("o") if spec.strip()] or list(FIELD)
    schedules = [spec if spec.strip() else None for spec in asked.queries("s")]
    return {
        "surface": asked.query("surface") or "ravine",
        "optimizers": optimizers,
        "schedules": (schedules + [None] * len(optimizers))[: len(optimizers)],
        "start": _start(asked),
        "steps": _whole(asked, "steps", STEPS, MOST),
        "noise": _decimal(asked, "noise", 0.0),
        "seed": _whole(asked, "seed", 0, 2**31 - 1, least=0),
    }


def _race(asked: Asked) -> Race:
    chosen = _chosen(asked)
    if all(plan is None for plan in chosen["schedules"]):
        chosen["schedules"] = []
    return race(asked.lab.worker.ask("race", **chosen))


def _start(asked: Asked) -> list[float] | None:
    if not asked.query("x") or not asked.query("y"):
        return None
    return [_decimal(asked, "x", 0.0), _decimal(asked, "y", 0.0)]


def _decimal(asked: Asked, name: str, default: float) -> float:
    try:
        value = float(asked.query(name) or default)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} must be a number, got {asked.query(name)!r}")
    return value


def _whole(asked: Asked, name: str, default: int, most: int, least: int = 1) -> int:
    value = _decimal(asked, name, default)
    if value != int(value) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, got {asked.query(name)!r}")
    return int(value)
