"""Optimisers race over a surface: the real classes compute, in a warm process; the address is the whole state."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from passo.analysis.races import Race, conditions, table, tell
from passo.analysis.walked import PointStep, point_step
from passo.analysis.words import significant
from passo.figures import racing
from passo.figures.player import race_data, race_words
from passo.figures.races import Scene
from passo.web.answering import Asked
from passo.web.numbers import decimal, pointed_settings, whole

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
        part=_arithmetic(asked, found) if asked.query("step") else None,
        significant=significant,
    )


def step(asked: Asked) -> Response:
    """One step of one racer, number by number, as a part of the page."""
    return asked.page("arithmetic.html.j2", part=_arithmetic(asked, _race(asked)), significant=significant)


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
    optimizers = [pointed_settings(spec) for spec in asked.queries("o") if spec.strip()] or list(FIELD)
    schedules = [pointed_settings(spec) if spec.strip() else None for spec in asked.queries("s")]
    return {
        "surface": asked.query("surface") or "ravine",
        "optimizers": optimizers,
        "schedules": (schedules + [None] * len(optimizers))[: len(optimizers)],
        "start": _start(asked),
        "steps": whole(asked, "steps", STEPS, MOST),
        "noise": decimal(asked, "noise", 0.0),
        "seed": whole(asked, "seed", 0, 2**31 - 1, least=0),
    }


def _race(asked: Asked) -> Race:
    chosen = _chosen(asked)
    if all(plan is None for plan in chosen["schedules"]):
        chosen["schedules"] = []
    return asked.lab.arithmetic.race(**chosen)


@dataclass(frozen=True)
class Arithmetic:
    """A racer's step taken apart: who else there is, how many steps it took, and the step."""

    racers: list[str]
    racer: int
    steps: int
    step: int
    told: PointStep
    losses: tuple[float, float]
    took: float  # the learning rate of this step


def _arithmetic(asked: Asked, found: Race) -> Arithmetic:
    """Which racer and which step the address asks for; the last step where it took fewer."""
    which = whole(asked, "racer", 0, len(found.racers) - 1, least=0)
    racer, chosen = found.racers[which], _chosen(asked)
    at = list(racer.start)
    options = {key: value for key, value in racer.optimizer.items() if key != "name"}
    spec = {"name": racer.optimizer["name"], **options}
    way = asked.lab.arithmetic.way(
        racer.label,
        found.told_axes,
        surface=chosen["surface"],
        optimizer=spec,
        schedule=racer.schedule,
        start=at,
        steps=found.steps,
        noise=chosen["noise"],
        seed=chosen["seed"],
    )
    number = min(whole(asked, "step", 1, MOST), way.steps)
    last = len(racer.losses) - 1
    losses = (float(racer.losses[min(number - 1, last)]), float(racer.losses[number]) if number <= last else math.nan)
    rate = float(racer.lr[min(number, len(racer.lr)) - 1])
    names = [one.label for one in found.racers]
    return Arithmetic(names, which, way.steps, number, point_step(way, number), losses, rate)


def _start(asked: Asked) -> list[float] | None:
    if not asked.query("x") or not asked.query("y"):
        return None
    return [decimal(asked, "x", 0.0), decimal(asked, "y", 0.0)]
