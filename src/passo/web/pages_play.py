"""Schedules and averages under one's hands: on a preview, and on gradients that were recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from starlette.responses import Response

from passo.analysis.averages import Smoothing, correction, ewma, weights_by_lag
from passo.analysis.recomputed import series as recorded_series
from passo.errors import StoreError, UsageError
from passo.figures.plotted import WIDE, plans, remembered, smoothed
from passo.figures.style import Written
from passo.language import numeral, t
from passo.web.answering import Asked
from passo.web.kept import KeptRun
from passo.web.microscope import parameters
from passo.web.numbers import decimal, pointed, pointed_settings, whole
from passo.web.pictures import answer
from passo.web.series import extremes
from passo.web.spoken import spoken_words

PLANS, AVERAGES, POINTS, RUNS = 6, 4, 800, 400  # RUNS are offered to choose from
USUAL_PLANS = ("StepLR step_size=3 gamma=0.5", "CosineAnnealingLR", "OneCycleLR max_lr=0.3")
USUAL_BETAS = (0.5, 0.9, 0.99)


# ── Schedules ─────────────────────────────────────────────────────────────────────────────────────────────


def schedules(asked: Asked) -> Response:
    """The page; its curves are asked for by its script, and stand as a table where there is none."""
    found = _plans(asked)
    return asked.page(
        "schedules.html.j2",
        offered=asked.lab.offered(),
        asked_for=_asked_plans(asked),
        curves=found,
        sentence=plans(found).sentence,
        words=spoken_words(),
    )


def planned(asked: Asked) -> Response:
    """Learning rates of the schedules that are asked for, as JSON."""
    found = _plans(asked)
    figure = plans(found)
    return asked.json({"curves": found, "spec": figure.spec(), "sentence": figure.sentence})


def pictured_plans(asked: Asked) -> Response:
    """The same as a picture."""
    return answer(asked, plans(_plans(asked), wide=WIDE), picture=True)


def _asked_plans(asked: Asked) -> dict[str, Any]:
    given = [pointed_settings(spec) for spec in asked.queries("s") if spec.strip()][:PLANS]
    return {
        "specs": given or list(USUAL_PLANS),
        "lr": decimal(asked, "lr", 0.1, least=1e-12, most=1e6),
        "epochs": whole(asked, "epochs", 10, most=1000),
        "steps_per_epoch": whole(asked, "steps", 100, most=1000),
    }


def _plans(asked: Asked) -> list[dict[str, Any]]:
    wanted = _asked_plans(asked)
    return asked.lab.worker.ask("schedules", **wanted)


# ── Averages ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Values:
    """A series to be averaged (n,), the steps at which it was seen, and what it is."""

    steps: np.ndarray
    values: np.ndarray
    told: str


def averages(asked: Asked) -> Response:
    """The page of averages: it hangs on which runs there are, and on the one that is chosen."""
    trained = (
        f"{one.name}/{run.id}"
        for one in asked.lab.shelf.entries()
        if one.outline is not None
        for run in one.outline.runs
        if run.kind == "train"
    )
    runs, chosen = [*islice(trained, RUNS)], _source(asked)
    return asked.kept((runs, None if chosen is None else chosen.mark), lambda: _averages(asked, runs, chosen))


def _averages(asked: Asked, runs: list[str], chosen: KeptRun | None) -> Response:
    wrong = ""
    try:
        names, drawn = [] if chosen is None else parameters(chosen), _drawn(asked)
    except StoreError as why:  # a run that was not watched: its form, with the reason and invented values
        names, wrong, drawn = [], asked.told(why), _drawn(asked, _invented(asked))
    return asked.page(
        "averages.html.j2",
        runs=runs,
        names=names,
        betas=_betas(asked),
        corrected=_corrected(asked),
        noise=_noise(asked),
        wrong=wrong,
        told=drawn.told,
        of=drawn.of,
        sentences=(drawn.averages().sentence, drawn.weights().sentence),
        words=spoken_words(),
    )


def averaged(asked: Asked) -> Response:
    """The series with its averages, and how much each step weighs by its age, as specifications with their words."""
    found = _drawn(asked)
    both = (found.averages(), found.weights())
    return asked.json({"of": found.of, "told": found.told, "specs": [f.spec() for f in both],
                       "sentences": [f.sentence for f in both]})  # fmt: skip


def pictured_averages(asked: Asked) -> Response:
    """One of the two as a picture."""
    found = _drawn(asked)
    figure = found.averages(WIDE) if asked.place("which") == "curves" else found.weights(WIDE)
    return answer(asked, figure, picture=True)


@dataclass(frozen=True)
class Drawn:
    """What a page of averages draws: the series, its averages by name, what each step weighs, and what is said."""

    of: str
    series: list[tuple[float, float | None]]
    curves: dict[str, list[tuple[float, float | None]]]
    lags: dict[str, list[tuple[float, float | None]]]
    told: list[str]

    def averages(self, wide: float | None = None) -> Written:
        return smoothed(self.series, self.curves, self.told, self.of, wide=wide)

    def weights(self, wide: float | None = None) -> Written:
        return remembered(self.lags, self.told, wide=wide)


def _drawn(asked: Asked, of: Values | None = None) -> Drawn:
    found, curves, weights, told = of or _values(asked), {}, {}, []
    for place, beta in enumerate(_betas(asked)):
        by = Smoothing(beta=beta)
        mean = ewma(found.values, by)
        if _corrected(asked):
            mean = mean / correction(by, len(mean))
        lags = int(min(200, max(10, 3 * by.periods)))
        name = f"β = {numeral(f'{beta:g}')}" + "\u200b" * place  # names that look alike are still two
        curves[name] = _few(found.steps, mean)
        weights[name] = [(float(ago), float(weight)) for ago, weight in enumerate(weights_by_lag(by, lags))]
        told.append(
            t(
                "β = {beta:g}: like a moving average over {n:,.0f} steps; {share:.0f} % of the weight lies on the "
                "last {last:,}",
                beta=beta,
                n=by.periods,
                share=100 * (1 - beta ** round(by.average_age)),
                last=round(by.average_age),
            )
        )
    return Drawn(found.told, _few(found.steps, found.values), curves, weights, told)


def _corrected(asked: Asked) -> bool:
    """Whether averages are corrected for their start at zero: unless "raw" is asked for."""
    return asked.query("start") != "raw"


def _values(asked: Asked) -> Values:
    run = _source(asked)
    if run is not None:
        found = recorded_series(run, asked.query("parameter") or None, None)
        told = t("gradients of {weight} in {run}", weight=found.coordinate, run=run.id)
        return Values(np.asarray(found.steps), np.asarray(found.grad, np.float64), told)
    return _invented(asked)


def _invented(asked: Asked) -> Values:
    kind, n = asked.query("kind") or "step", 300
    rng, at = np.random.default_rng(0), np.arange(300)
    shapes = {
        "step": np.where(at < n // 2, 0.0, 1.0),
        "wave": np.sin(at / 25),
        "impulse": np.where(at == 50, 10.0, 0.0),
        "constant": np.ones(n),
    }
    if kind not in shapes:
        raise UsageError(f"kind must be one of {', '.join(shapes)}, got {kind!r}")
    return Values(at + 1, shapes[kind] + _noise(asked) * rng.standard_normal(n), t("made-up values with noise"))


def _source(asked: Asked) -> KeptRun | None:
    wanted = asked.query("run")
    if not wanted:
        return None
    study, _, run = wanted.partition("/")
    return asked.lab.kept.run(study, run)


def _noise(asked: Asked) -> float:
    return decimal(asked, "noise", 0.3, least=0, most=5)


def _betas(asked: Asked) -> list[float]:
    try:
        given = [float(pointed("beta", one)) for one in asked.queries("beta")[:AVERAGES]]
    except UsageError:
        raise
    except ValueError:
        raise UsageError(f"beta must be a number from 0 to below 1, got {asked.queries('beta')!r}") from None
    if any(not 0 <= one < 1 for one in given):
        raise UsageError(f"beta must be from 0 to below 1, got {given!r}")
    return given or list(USUAL_BETAS)


def _few(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float | None]]:
    kept, values = extremes(x, y, POINTS)
    return [(float(a), float(b) if math.isfinite(b) else None) for a, b in zip(kept, values, strict=True)]
