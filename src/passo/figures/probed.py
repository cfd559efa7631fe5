"""What the probes measured, drawn: curvature against its limit, the noise scale, effective ranks, drift."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.probed import WINDOW
from passo.analysis.probed import curvature as read_curvature
from passo.analysis.probed import drift as read_drift
from passo.analysis.probed import noise as read_noise
from passo.analysis.probed import ranks as read_ranks
from passo.analysis.recorded import Recorded, told_run
from passo.errors import StoreError
from passo.figures.layers import FEW, layer_map, over_steps, suited
from passo.figures.panels import STEP, lines, stacked
from passo.figures.style import BLUE, GREY, INK, ORANGE, RED, WIDTH, Figure, altair, data, finished, interactive
from passo.language import t

DOTTED = 60  # looks up to which each has a point


def curvature(run: Recorded) -> Figure:
    """The largest curvature, as the optimiser divides it too, against what is stable; what is not found is marked."""
    found = read_curvature(run)
    if not np.isfinite(found.sharpness).any():
        raise StoreError(f"the curvature of no step of run {run.id} could be measured")
    plain, seen = t("largest curvature of the loss"), t("as {optimizer} divides it", optimizer=found.optimizer)
    bound, open_ = t("limit of stability"), t("not found to within 1 %")
    limited = bool(np.isfinite(found.limit).any())
    shades = {plain: BLUE, **({seen: ORANGE} if found.preconditioned else {}), **({bound: INK} if limited else {})}
    marks = (found.found, found.seen_found)
    if any((~ok & np.isfinite(v)).any() for ok, v in zip(marks, (found.sharpness, found.seen), strict=True)):
        shades[open_] = RED
    panels = []
    if found.preconditioned:
        above = {seen: found.seen, bound: found.limit}
        panels.append(_against(found.steps, above, shades, found.seen_found, x_title=None))
        panels.append(_against(found.steps, {plain: found.sharpness}, shades, found.found))
    else:
        drawn = {plain: found.sharpness, **({bound: found.limit} if limited else {})}
        panels.append(_against(found.steps, drawn, shades, found.found))
    chart = interactive(stacked(*panels) if len(panels) > 1 else panels[0], zoom=True)
    caption = t(
        "The largest eigenvalue of the loss's Hessian on the batch of each step in {run}, at the weights after it, "
        "found by Lanczos's method; above the limit of stability, 2/η for gradient descent, steps along its direction "
        "grow (Cohen et al. 2021).",
        run=told_run(run.id),
    )
    if found.preconditioned:
        caption += " " + t(
            "Above, the Hessian as {optimizer} divides gradients, with the limit of its momentum (Cohen et al. 2022).",
            optimizer=found.optimizer,
        )
    title = finished(chart, t("Curvature and what is stable"), t("run {run}", run=run.id))
    return Figure("curvature", title, caption, found.sentence())


def _against(
    steps: np.ndarray, series: dict[str, np.ndarray], shades: dict[str, str], found: np.ndarray, **look: Any
) -> Any:
    """Lines with a point for each look, red where it has not converged; on a logarithm what is not above 0 is left."""
    scale = suited(np.concatenate(list(series.values())))
    if scale.get("type") == "log":
        series = {name: np.where(values > 0, values, np.nan) for name, values in series.items()}
    first = next(iter(series))
    dots = _dots(steps, series[first], shades[first]) if len(steps) <= DOTTED else ()
    lost = ~found & np.isfinite(series[first])
    over = (*dots, *(_dots(steps[lost], series[first][lost], RED) if lost.any() else ()))
    look = {**look, **_air(steps, list(series.values()))}
    return lines(steps, series, shades, y=t("curvature"), height=190, scale=scale, over=over, measured=[first], **look)


def _air(steps: np.ndarray, shown: list[np.ndarray]) -> dict[str, Any]:
    """Room for whole points at the ends of both axes."""
    pad = 0.015 * float(steps[-1] - steps[0]) or 0.5
    values = np.concatenate(shown)
    values = values[np.isfinite(values) & (values > 0)]
    reach = [float(values.min()) / 1.1, 1.1 * float(values.max())] if len(values) else []
    return {"x_scale": {"domain": [float(steps[0]) - pad, float(steps[-1]) + pad]}, "reach": reach}


def _dots(x: np.ndarray, y: np.ndarray, colour: str) -> tuple[Any, ...]:
    there = np.isfinite(y)
    chart = altair().Chart(data({"x": x[there], "y": y[there]}))
    return (chart.mark_point(filled=True, size=34, opacity=1, color=colour).encode(x="x:Q", y="y:Q"),)


def noise_scale(run: Recorded) -> Figure:
    """The gradient noise scale beside the batch size, and each layer's signal-to-noise ratio."""
    found = read_noise(run)
    scale_, batch = t("gradient noise scale"), t("batch size")
    if not np.isfinite(found.scale).any() and not np.isfinite(found.signal).any():
        raise StoreError(
            f"the gradient noise of no step of run {run.id} stands below its gradient, or none was measured"
        )
    series = {scale_: found.scale, batch: np.full(len(found.steps), found.batch)}
    shades = {scale_: BLUE, batch: GREY}
    scale = suited(np.concatenate(list(series.values())))
    dots = _dots(found.steps, found.scale, BLUE) if len(found.steps) <= DOTTED else ()
    few = len(found.names) <= FEW  # else the panel below is a map, where there is nothing to pick
    look = {"height": 170, "scale": scale, "over": dots, "measured": [scale_], "x_title": None if few else STEP}
    above = lines(found.steps, series, shades, y=t("examples"), **look, **_air(found.steps, list(series.values())))
    each = (found.steps, found.signal, found.names, t("signal-to-noise ratio of a batch"), suited(found.signal))
    below = over_steps(*each, height=200) if few else layer_map(*each, width=WIDTH - 40, height=300, titled=True)
    alt = altair()
    both = alt.vconcat(above if few else interactive(above, zoom=True), below, spacing=18)
    chart = interactive(both, zoom=True) if few else both
    chart = chart.resolve_scale(x="shared" if few else "independent", color="independent", strokeDash="independent")
    caption = t(
        "tr Σ / |G|² of each look at {run}, with Σ the covariance of one example's gradient and G the mean gradient, "
        "both estimated without bias from parts of the batch and averaged over up to {n} looks (McCandlish et al. "
        "2018); below, |G|² / (tr Σ / batch size) of each parameter tensor. Gaps: the gradient does not stand out.",
        run=told_run(run.id),
        n=WINDOW,
    )
    title = finished(chart, t("How noisy gradients are"), t("run {run}", run=run.id))
    return Figure("noise-scale", title, caption, found.sentence())


def rank(run: Recorded) -> Figure:
    """The effective rank of each layer's outputs, as a share of what it could be."""
    found = read_ranks(run)
    there = np.flatnonzero((np.isfinite(found.share) & (found.most > 1)).any(0))
    if not len(there):
        raise StoreError(f"no layer of run {run.id} has an effective rank")
    names = [f"{found.layers[i]} ({t('of {n}', n=f'{np.nanmax(found.most[:, i]):.0f}')})" for i in there]
    scale = {"domain": [0.0, 1.0], "nice": False}
    chart = over_steps(found.steps, found.share[:, there], names, t("share of the directions"), scale, titled=True)
    chart = interactive(chart, zoom=True) if len(names) <= FEW else chart
    caption = t(
        "exp of the entropy of the normalised singular values of each layer's outputs, examples and positions by units "
        "(Roy & Vetterli 2007), as a share of what it could be at most, at each look at a whole batch of {run}.",
        run=told_run(run.id),
    )
    title = finished(chart, t("How many directions layers use"), t("run {run}", run=run.id))
    return Figure("rank", title, caption, found.sentence())


def drift(run: Recorded) -> Figure:
    """How far each layer is from where it started."""
    found = read_drift(run)
    if not found.names:
        raise StoreError(f"all weights of run {run.id} started at 0: there is no drift to draw")
    chart = over_steps(
        found.steps, found.drift, found.names, t("drift from the start"), suited(found.drift), titled=True
    )
    chart = interactive(chart, zoom=True) if len(found.names) <= FEW else chart
    caption = t(
        "‖θ − θ₀‖ / ‖θ₀‖ of each parameter tensor at each look at {run}, with θ₀ its weights before the first step.",
        run=told_run(run.id),
    )
    if found.zero:
        caption += " " + t("Not shown, since they started at 0: {names}.", names=", ".join(found.zero))
    title = finished(chart, t("How far the weights have gone"), t("run {run}", run=run.id))
    return Figure("drift", title, caption, found.sentence())
