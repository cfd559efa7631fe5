"""A watched run as a whole: predicted and measured changes in loss, activations, clipping, and the proof."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.recorded import Recorded, needed_stage, roundings, watch_facts
from passo.analysis.updates import residual as read_residual
from passo.analysis.updates import traces
from passo.analysis.whole import activations as read_activations
from passo.analysis.whole import clipping as read_clipping
from passo.analysis.whole import loss_change as read_loss_change
from passo.figures.layers import FEW, over_steps
from passo.figures.panels import STEP, level, lines, stacked, x_axis, y_axis
from passo.figures.style import BLUE, INK, ORANGE, WIDTH, Figure, altair, data, drawn, finished, interactive, thinned

PREDICTED, CAME = "predicted by the gradient", "came"


def loss_change(run: Recorded) -> Figure:
    """The change in loss that the gradient predicts, g·Δθ, beside the one that came on the same batch."""
    found = read_loss_change(run)
    series = {PREDICTED: found.predicted} | ({} if found.came is None else {CAME: found.came})
    shades = {name: {PREDICTED: BLUE, CAME: INK}[name] for name in series}
    panel = lines(found.steps, series, shades, y="change in loss", height=200, dashed=[CAME], over=level(0.0, ""))
    if found.came is None:
        chart = interactive(panel, zoom=True)
    else:
        chart = altair().vconcat(interactive(panel, zoom=True), _against(found.predicted, found.came), spacing=18)
        chart = chart.resolve_scale(x="independent", y="independent", color="independent")
    caption = (
        f"The loss of each step's own batch in {run.id}: what g·Δθ, summed over all parameters, predicts to first "
        f"order, and the loss after the step minus the loss before it.{drawn(len(found.steps))}"
    )
    title = "What the gradient predicts, and what came"
    return Figure("loss-change", finished(chart, title, f"run {run.id}"), caption, found.sentence())


def _against(predicted: np.ndarray, came: np.ndarray) -> Any:
    """A point for each step, and the line on which what came is what was predicted."""
    alt = altair()
    there = np.flatnonzero(np.isfinite(predicted) & np.isfinite(came))
    there = there[thinned(len(there))]
    points = data({"x": predicted[there], "y": came[there]})
    ends = [float(min(predicted[there].min(), 0)), float(max(predicted[there].max(), 0))]
    line = alt.Chart(data({"x": np.array(ends), "y": np.array(ends), "label": ["", "as predicted"]}))
    dots = alt.Chart(points).mark_point(filled=True, size=22, opacity=0.55, color=INK)
    return alt.layer(
        line.mark_line(strokeDash=[4, 3], color=BLUE, strokeWidth=1.5).encode(x="x:Q", y="y:Q"),
        dots.encode(x=x_axis("predicted change in loss"), y=y_axis("change that came")),
    ).properties(width=WIDTH, height=200)


def activations(run: Recorded) -> Figure:
    """Each layer's output: mean, spread and dead units on the way forward, gradients on the way back."""
    found = read_activations(run)
    rows: list[tuple[np.ndarray, str, dict[str, Any]]] = [
        (found.mean, "mean", {}),
        (found.std, "standard deviation", {"type": "log"}),
        (found.dead, "dead units", {"domain": [0.0, 1.0]}),
        (found.grad_rms, "gradient, rms", {"type": "log"}),
    ]
    rows = [row for row in rows if np.isfinite(row[0]).any()]
    panels = [
        over_steps(
            found.steps,
            values,
            found.layers,
            title,
            scale,
            height=110,
            alone=False,
            x_title=STEP if values is rows[-1][0] else None,
        )
        for values, title, scale in rows
    ]
    chart = altair().vconcat(*panels, spacing=12).resolve_scale(x="shared", color="shared")
    if len(found.layers) <= FEW:
        chart = interactive(chart, zoom=True)
    else:
        chart = chart.resolve_scale(color="independent")
    caption = (
        f"Outputs of each layer of {run.id} in forward order: mean, standard deviation, the share of units that are "
        f"≤ 0 for the whole batch, and the rms of the loss's gradient with respect to them.{drawn(len(found.steps))}"
    )
    return Figure(
        "activations",
        finished(chart, "Activations forward, gradients backward", f"run {run.id}"),
        caption,
        found.sentence(),
    )


def clipping(run: Recorded) -> Figure:
    """The norm of all gradients before and after clipping, and the share that was left."""
    found = read_clipping(run)
    before, after, share = "before clipping", "as the optimiser reads it", "share left"
    norms = lines(
        found.steps,
        {before: found.raw, after: found.read},
        {before: ORANGE, after: BLUE},
        y="norm of all gradients",
        height=170,
        scale={"type": "log"},
        x_title=None,
        thin=[before],
    )
    kept = lines(found.steps, {share: found.kept}, {share: INK}, y=share, height=110, scale={"domain": [0, 1.05]})
    chart = interactive(stacked(norms, kept), zoom=True)
    caption = f"‖g‖ over all parameters of {run.id}, as backward left it and as the optimiser read it."
    caption += drawn(len(found.steps))
    return Figure("clipping", finished(chart, "How much clipping took", f"run {run.id}"), caption, found.sentence())


def residual(run: Recorded) -> Figure:
    """The proof over the steps: how far measured and explained updates are apart, in roundings of the weight."""
    found = read_residual(run)
    count = len(run.meta("trace")["coordinates"])
    seen = [traces(run, k) for k in range(count)]
    needed_stage(run.id, "theta", tuple(seen[0].stages), "the residual in roundings")
    each = np.stack([one.roundings for one in seen])  # (K, T)
    worst = np.where(np.isfinite(each).any(0), np.nanmax(np.where(np.isfinite(each), each, 0.0), axis=0), np.nan)
    label = f"largest of {count} traced weights"
    facts, most = watch_facts(run), roundings(run)
    over = [*level(float(facts["bound"]), f"bound {facts['bound']:g}")] if facts.get("bound") else []
    if most:
        over += level(max(most.values()), f"largest of all weights at any step: {max(most.values()):.2g}")
    chart = lines(seen[0].steps, {label: worst}, {label: BLUE}, y="roundings of the weight", height=220, over=over)
    caption = (
        f"|measured − explained| / (eps · max(|θ|, |θ′|, |Δθ|)) in {run.id}: the update is θ after minus θ before, "
        f"and the explained one comes from the equations.{drawn(len(seen[0].steps))}"
    )
    return Figure(
        "residual",
        finished(interactive(chart, zoom=True), "What the equations leave unexplained", f"run {run.id}"),
        caption,
        found.sentence(),
    )
