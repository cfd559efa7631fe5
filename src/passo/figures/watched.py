"""A watched run in pictures: its stages, layers, losses, activations, clipping, and the proof; all by name.

>>> sorted(RUN_FIGURES)[:3]
['activations', 'apart', 'betas']
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis.halves import half_of
from passo.analysis.recorded import Recorded, hyper, told_run, watch_facts
from passo.analysis.stages import stage
from passo.analysis.updates import Traces, find_coordinate, traces
from passo.analysis.words import significant
from passo.errors import UsageError
from passo.figures.adversaries import discriminator, samples
from passo.figures.apart import apart
from passo.figures.betas import betas
from passo.figures.calibration import calibration
from passo.figures.classes import classes, confusion
from passo.figures.distances import run_cross_entropy
from passo.figures.distributions import distributions
from passo.figures.hardest import hardest
from passo.figures.layers import cosine, effective, layers, ratios, signal, suited
from passo.figures.overfitting import overfitting
from passo.figures.panels import STEP, lines, stacked
from passo.figures.probed import curvature, drift, noise_scale, rank
from passo.figures.reconstructed import errors, reconstructions
from passo.figures.regressed import residuals
from passo.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED, Figure, drawn, finished, interactive
from passo.figures.weights import weights
from passo.figures.whole import activations, clipping, loss_change, residual
from passo.language import later, t
from passo.registry import Registry

RAW, GRADIENT, AVERAGE = later("gradient before clipping"), later("gradient"), later("its corrected average")
BUFFER, RATE = later("momentum buffer"), later("learning rate")
ADAPTED, MEASURED, UPDATE = later("adapted gradient"), later("measured update / −lr"), later("measured update")
SHADES = {RAW: ORANGE, GRADIENT: GREY, AVERAGE: BLUE, BUFFER: BLUE, ADAPTED: GREEN, MEASURED: INK, UPDATE: INK}


def stages(run: Recorded, *, parameter: str | None = None, index: Sequence[int] | None = None) -> Figure:
    """One weight's way in three panels: what is averaged, what scales it, and the direction that comes out."""
    seen = traces(run, find_coordinate(run, parameter, index))
    above, between, below = _averages(seen), _multiplier(run, seen), _directions(seen)
    shades = {name: SHADES.get(name, RED) for name in {**above, **between, **below}}
    panels = (
        _panel(seen, above, shades, t("gradient"), 130),
        _panel(seen, between, shades, t("scaling"), 110, scale=_room(between)),
        _panel(seen, below, shades, t("direction"), 130, x_title=STEP),
    )
    chart = interactive(stacked(*panels), zoom=True)
    name = watch_facts(run).get("optimizer") or t("the optimiser")
    title = t("How {optimizer} adapts a gradient", optimizer=name)
    subtitle = t("{weight}, run {run}", weight=seen.coordinate, run=run.id)
    caption = t(
        "{weight} in {run}, step by step: the gradient and what is remembered of it; what scales it; the direction, "
        "and θ after minus θ before, measured, over −lr.",
        weight=seen.coordinate,
        run=told_run(run.id),
    )
    return Figure("stages", finished(chart, title, subtitle), caption + drawn(len(seen.steps)), _told(seen))


def _averages(seen: Traces) -> dict[str, np.ndarray]:
    """The gradient, before clipping too where that differs, and what is remembered of it."""
    series = {GRADIENT: seen["grad"]}
    if "grad_raw" in seen and not np.array_equal(seen["grad_raw"], seen["grad"], equal_nan=True):
        series = {RAW: seen["grad_raw"], **series}
    for label, name in ((AVERAGE, "exp_avg_hat"), (BUFFER, "momentum_buffer")):
        if name in seen:
            series[label] = seen[name]
    return series


def _multiplier(run: Recorded, seen: Traces) -> dict[str, np.ndarray]:
    """Adam's 1/(√v̂ + ε); the root of another optimiser's squares; of the others the learning rate."""
    if "exp_avg_sq_hat" in seen:
        below = np.sqrt(np.maximum(seen["exp_avg_sq_hat"], 0)) + float(hyper(run).get("eps") or 0.0)
        return {"1 / (√v̂ + ε)": np.divide(1.0, below, out=np.full(len(below), np.nan), where=below > 0)}
    for name in seen.stages:
        if stage(name).square:
            return {t("√ of the {squares}", squares=stage(name).words): np.sqrt(np.maximum(seen[name], 0))}
    return {RATE: seen.lr}


def _room(series: dict[str, np.ndarray]) -> Mapping[str, Any]:
    """A learning rate is shown from 0 up; a scaling on the scale that suits it."""
    (values,) = series.values()
    top = float(np.nanmax(values, initial=0.0))
    return {"domain": [0.0, 1.15 * top or 1.0], "nice": False} if RATE in series else suited(values)


def _directions(seen: Traces) -> dict[str, np.ndarray]:
    """The direction as explained and as measured, or the measured update alone."""
    if "adapted" not in seen:
        return {UPDATE: seen["update"]}
    return {ADAPTED: seen["adapted"], MEASURED: seen.measured}


def _panel(seen: Traces, series: dict[str, Any], shades: dict[str, str], y: str, height: float, **look: Any) -> Any:
    thin = [t(RAW), t(GRADIENT)] if len(series) > 1 else []
    look = {"x_title": None, "measured": [t(GRADIENT), t(MEASURED), t(UPDATE)], **look}
    told = {t(name): values for name, values in series.items()}
    dyes = {t(name): shade for name, shade in shades.items()}
    return lines(seen.steps, told, dyes, y=y, height=height, thin=thin, **look)


def _told(seen: Traces) -> str:
    there = np.isfinite(seen["grad"])
    told = {
        "n": int(there.sum()),
        "weight": seen.coordinate,
        "run": told_run(seen.run),
        "spread": significant(float(seen["grad"][there].std())),
        "moved": significant(float(np.nanmean(np.abs(seen["update"])))),
    }
    if "adapted" not in seen:
        return t(
            "Over {n:,} steps gradients of {weight} in {run} have a standard deviation of {spread}; a step moves it by "
            "{moved} on average.",
            **told,
        )
    sizes = np.abs(seen["adapted"])
    off = float(np.nanmax(np.abs(seen.measured - seen["adapted"]), initial=0.0))
    return t(
        "Over {n:,} steps gradients of {weight} in {run} have a standard deviation of {spread}; they become directions "
        "with a mean size of {size} and at most {most}; a step moves it by {moved} on average, and the measured "
        "updates agree with the directions within {apart}.",
        size=significant(float(np.nanmean(sizes))),
        most=significant(float(np.nanmax(sizes))),
        apart=significant(off, 1),
        **told,
    )


RUN_FIGURES: Registry[Callable[..., Figure]] = Registry("figure of a run")
for _name, _draw in (
    ("stages", stages),
    ("layers", layers),
    ("effective-lr", effective),
    ("distributions", distributions),
    ("ratios", ratios),
    ("signal", signal),
    ("cosine", cosine),
    ("loss-change", loss_change),
    ("activations", activations),
    ("clipping", clipping),
    ("residual", residual),
    ("apart", apart),
    ("betas", betas),
    ("weights", weights),
    ("curvature", curvature),
    ("noise-scale", noise_scale),
    ("rank", rank),
    ("drift", drift),
    ("confusion", confusion),
    ("classes", classes),
    ("calibration", calibration),
    ("hardest", hardest),
    ("overfitting", overfitting),
    ("cross-entropy", run_cross_entropy),
    ("residuals", residuals),
    ("reconstructions", reconstructions),
    ("errors", errors),
    ("discriminator", discriminator),
    ("samples", samples),
):
    RUN_FIGURES.add(_name, _draw)


def draw_run(name: str, run: Recorded, **options: Any) -> Figure:
    """One figure of a watched run: a stored one, or a lens that is still open.

    Raises `UnknownName` for a figure that does not exist, `UsageError` for an option that it does not take, or where
    no step was recorded yet, `StoreError` where the run did not record what it shows, `MissingExtra` where altair is
    not installed.
    """
    draw = RUN_FIGURES[name]
    run = half_of(run, options.get("parameter"))
    takes = [key for key in inspect.signature(draw).parameters if key != "run"]
    for option in options:
        if option not in takes:
            there = f"it takes {', '.join(takes)}" if takes else "it takes no options"
            raise UsageError(f"figure {name!r} takes no {option!r}: {there}")
    if draw is not weights and "trace/steps" in run.arrays() and not len(run.array("trace/steps")):
        raise UsageError(f"no step has been recorded yet: call optimizer.step() first, then draw {name!r}")
    return draw(run, **options)
