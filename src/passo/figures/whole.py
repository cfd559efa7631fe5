"""A watched run as a whole: predicted and measured changes in loss, activations, clipping, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis.recorded import Recorded, roundings, told_run, watch_facts
from passo.analysis.updates import residual as read_residual
from passo.analysis.updates import residual_by_step
from passo.analysis.whole import Activations
from passo.analysis.whole import activations as read_activations
from passo.analysis.whole import clipping as read_clipping
from passo.analysis.whole import loss_change as read_loss_change
from passo.figures.layers import FEW, layer_map, over_steps, suited
from passo.figures.panels import level, lines, stacked, x_axis, y_axis
from passo.figures.style import BLUE, INK, ORANGE, WIDTH, Figure, altair, data, drawn, finished, interactive, thinned
from passo.language import later, t

PREDICTED, CAME = later("predicted by the gradient"), later("came")


def loss_change(run: Recorded) -> Figure:
    """The change in loss that the gradient predicts, g·Δθ, beside the one that came on the same batch."""
    found = read_loss_change(run)
    series, shades = {t(PREDICTED): found.predicted}, {t(PREDICTED): BLUE}
    if found.came is not None:
        series, shades = {**series, t(CAME): found.came}, {**shades, t(CAME): INK}
    zero = level(0.0, " ")
    panel = lines(found.steps, series, shades, y=t("change in loss"), height=200, measured=[t(CAME)], over=zero)
    if found.came is None:
        chart = interactive(panel, zoom=True)
    else:
        chart = altair().vconcat(interactive(panel, zoom=True), _against(found.predicted, found.came), spacing=18)
        chart = chart.resolve_scale(x="independent", y="independent", color="independent", strokeDash="independent")
    caption = t(
        "The loss of each step's own batch in {run}: what g·Δθ, summed over all parameters, predicts to first order, "
        "and the loss after the step minus the loss before it.",
        run=told_run(run.id),
    )
    title = finished(chart, t("What the gradient predicts, and what came"), t("run {run}", run=run.id))
    return Figure("loss-change", title, caption + drawn(len(found.steps)), found.sentence())


def _against(predicted: np.ndarray, came: np.ndarray) -> Any:
    """A point for each step, and the line on which what came is what was predicted."""
    alt = altair()
    there = np.flatnonzero(np.isfinite(predicted) & np.isfinite(came))
    there = there[thinned(len(there))]
    points = data({"x": predicted[there], "y": came[there]})
    ends = [float(min(predicted[there].min(), 0)), float(max(predicted[there].max(), 0))]
    line = alt.Chart(data({"x": np.array(ends), "y": np.array(ends), "label": ["", t("as predicted")]}))
    dots = alt.Chart(points).mark_point(filled=True, size=22, opacity=0.55, color=INK)
    return alt.layer(
        line.mark_line(strokeDash=[4, 3], color=BLUE, strokeWidth=1.5).encode(x="x:Q", y="y:Q"),
        dots.encode(x=x_axis(t("predicted change in loss")), y=y_axis(t("change that came"))),
    ).properties(width=WIDTH, height=200)


def activations(run: Recorded) -> Figure:
    """Each layer's output: mean, spread and dead units on the way forward, gradients on the way back."""
    found = read_activations(run)
    share = {"domain": [0.0, 1.0]}
    rows: list[tuple[str, np.ndarray, Mapping[str, Any]]] = [
        (t("mean"), found.mean, {}),
        (t("standard deviation"), found.std, suited(found.std)),
        (t("share of dead units"), found.dead, share),
        (t("gradient, rms"), found.grad_rms, suited(found.grad_rms)),
    ]
    rows = [row for row in rows if np.isfinite(row[1]).any()]
    few = len(found.layers) <= FEW
    panels = [(_lines if few else _cells)(found, *row) for row in rows]
    chart = _in_pairs(panels, "shared" if few else "independent")
    chart = interactive(chart, zoom=True) if few else chart
    caption = t(
        "Outputs of each layer of {run} in forward order: mean, standard deviation, the share of units that are ≤ 0 "
        "for the whole batch (of layers that can be dead), and the rms of the loss's gradient with respect to them.",
        run=told_run(run.id),
    )
    title = finished(chart, t("Activations forward, gradients backward"), t("run {run}", run=run.id))
    return Figure("activations", title, caption + drawn(len(found.steps)), found.sentence())


HALF = 250
"""The width of one of two panels beside each other."""


def _lines(found: Activations, title: str, values: np.ndarray, scale: Mapping[str, Any]) -> Any:
    return over_steps(found.steps, values, found.layers, title, scale, height=150, width=HALF)


def _cells(found: Activations, title: str, values: np.ndarray, scale: Mapping[str, Any]) -> Any:
    """A map of the layers that have a number: of dead units only those of a ReLU and its like have."""
    there = np.flatnonzero(np.isfinite(values).any(0))
    names = [found.layers[i] for i in there]
    return layer_map(found.steps, values[:, there], names, title, scale, width=HALF - 30, height=240, titled=True)


def _in_pairs(panels: Sequence[Any], colours: str) -> Any:
    """Two panels in each row; their colours are "shared" or "independent"."""
    alt = altair()
    pairs = [alt.hconcat(*panels[i : i + 2], spacing=24) for i in range(0, len(panels), 2)]
    return alt.vconcat(*(pair.resolve_scale(color=colours) for pair in pairs), spacing=16).resolve_scale(color=colours)


def clipping(run: Recorded) -> Figure:
    """The norm of all gradients before and after clipping, and the share that was left."""
    found = read_clipping(run)
    before, after, share = t("before clipping"), t("as the optimiser reads it"), t("share left")
    shades = {before: ORANGE, after: BLUE, share: INK}
    norms = {before: found.raw, after: found.read}
    scale = suited(np.concatenate(list(norms.values())))
    look: dict[str, Any] = {"y": t("norm of all gradients"), "height": 170, "scale": scale, "x_title": None}
    panels = (
        lines(found.steps, norms, shades, thin=[before], **look),
        lines(found.steps, {share: found.kept}, shades, y=share, height=110, scale={"domain": [0, 1.05]}),
    )
    chart = interactive(stacked(*panels), zoom=True)
    caption = t(
        "‖g‖ over all parameters of {run}, as backward left it and as the optimiser read it.", run=told_run(run.id)
    )
    title = finished(chart, t("How much clipping took"), t("run {run}", run=run.id))
    return Figure("clipping", title, caption + drawn(len(found.steps)), found.sentence())


def residual(run: Recorded) -> Figure:
    """The proof over the steps: how far measured and explained updates are apart, in roundings of the weight."""
    found = read_residual(run)
    steps, worst = residual_by_step(run)
    label = t("largest of {n} traced weights", n=len(run.meta("trace")["coordinates"]))
    bound, most = watch_facts(run).get("bound"), roundings(run)
    levels = {float(bound): t("promised: at most {bound:g}", bound=bound)} if bound else {}
    if most:
        top = max(most.values())
        levels[top] = t("the largest of all weights at any step: {n:.2g}", n=top)
    top = 1.12 * max([*levels, float(np.nanmax(worst, initial=0.0)), 1e-3])
    over = [layer for value, words in levels.items() for layer in level(value, words)]
    scale = {"domain": [0.0, top], "nice": False}
    y = t("roundings of the weight")
    chart = lines(steps, {label: worst}, {label: BLUE}, y=y, height=220, scale=scale, over=over)
    caption = t(
        "|measured − explained| / (eps · max(|θ|, |θ′|, |Δθ|)) in {run}: the update is θ after minus θ before, and the "
        "explained one comes from the equations.",
        run=told_run(run.id),
    )
    chart = interactive(chart, zoom=True)
    title = finished(chart, t("What the equations leave unexplained"), t("run {run}", run=run.id))
    return Figure("residual", title, caption + drawn(len(steps)), found.sentence())
