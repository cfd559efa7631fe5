"""Learning-rate schedules: their shapes before training, their effects after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis import Plan, bands, plans, schedule_effect
from passo.analysis.words import joined, significant
from passo.errors import StoreError
from passo.figures.curves import FIRST_SEED, WHISKERS, about
from passo.figures.panels import band_panel, epoch_range, learning_rates, stacked
from passo.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    WIDTH,
    Figure,
    altair,
    colour,
    dash,
    data,
    finished,
    interactive,
    thinned,
)
from passo.language import later, t
from passo.store import StoredStudy

WHEN = {
    "epoch": later("stepped per epoch"),
    "plateau": later("per validation loss"),
    "step": later("per mini-batch"),
}
_STEPPED = {
    "epoch": later("{names} per epoch"),
    "plateau": later("{names} per validation loss"),
    "step": later("{names} per mini-batch"),
}
_SHADES = {"epoch": BLUE, "plateau": ORANGE, "step": GREEN}


def schedule_chart(preview: Any) -> Any:
    """The learning rate of one schedule over the epochs: anything with `name`, `when`, `epochs` (T,) and `lr` (T,)."""
    alt = altair()
    kept = thinned(len(preview.lr), 4000)  # one line alone may keep its corners
    source = data({"x": np.asarray(preview.epochs)[kept], "y": np.asarray(preview.lr)[kept]})
    shade = _SHADES.get(getattr(preview, "when", ""), BLUE)
    line = alt.Chart(source).mark_line(interpolate="step-after", color=shade)
    chart = line.encode(
        x=alt.X("x:Q", title=t("epoch"), scale=alt.Scale(nice=False), axis=alt.Axis(grid=False)),
        y=alt.Y("y:Q", title=t("learning rate"), axis=alt.Axis(tickCount=6)),
        tooltip=[alt.Tooltip("x:Q", title=t("epoch"), format=".3~f"), alt.Tooltip("y:Q", title="lr", format=".4~g")],
    )
    name = getattr(preview, "name", None) or t("schedule")
    subtitle = t(WHEN.get(getattr(preview, "when", ""), ""))
    return finished(chart.properties(width=WIDTH, height=220), name, subtitle)


def schedule_shapes(study: StoredStudy) -> Figure:
    """Every previewed schedule, small, on one scale."""
    alt = altair()
    found = plans(study)
    if not found:
        raise StoreError(f"{study.folder} holds no schedule previews")
    names = [plan.name for plan in found]
    there = [when for when in WHEN if when in {plan.when for plan in found}]
    shade = colour("when", [t(WHEN[w]) for w in there], [_SHADES[w] for w in there])
    chart = (
        alt.Chart(data(_columns(found)))
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=alt.X("x:Q", title=t("epoch"), scale=alt.Scale(nice=False), axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("y:Q", title="lr", axis=alt.Axis(tickCount=3)),
            color=shade,
            strokeDash=dash("when", [t(WHEN[w]) for w in there]),
            tooltip=[alt.Tooltip("name:N", title=t("schedule"))],
        )
        .properties(width=172, height=74)
        .facet(alt.Facet("name:N", sort=names, header=alt.Header(labelAnchor="start", labelPadding=3)), columns=3)
    )
    groups = {when: [plan.name for plan in found if plan.when == when] for when in there}
    lowest = min(found, key=lambda plan: plan.lr[-1])
    sentence = t(
        "{n} schedules over {epochs} epochs change the learning rate: {groups}. {lowest} ends lowest, at {rate}.",
        n=len(found),
        epochs=round(float(found[0].epochs[-1])),
        groups="; ".join(t(_STEPPED[when], names=joined(group)) for when, group in groups.items()),
        lowest=lowest.name,
        rate=significant(lowest.lr[-1], 2),
    )
    caption = t("Schedules before they are used: the learning rate at each mini-batch, from torch's own schedulers.")
    return Figure("schedule-shapes", finished(chart, t("Learning-rate schedules")), caption, sentence)


def _columns(found: tuple[Plan, ...]) -> dict[str, Any]:
    kept = [_changes(plan.lr) for plan in found]
    return {
        "x": np.concatenate([plan.epochs[k] for plan, k in zip(found, kept, strict=True)]),
        "y": np.concatenate([plan.lr[k] for plan, k in zip(found, kept, strict=True)]),
        "name": np.concatenate([np.repeat(plan.name, len(k)) for plan, k in zip(found, kept, strict=True)]),
        "when": np.concatenate([np.repeat(t(WHEN[plan.when]), len(k)) for plan, k in zip(found, kept, strict=True)]),
    }


def _changes(lr: np.ndarray) -> np.ndarray:
    """The records at which the rate changes, the first and the last: the same steps drawn with fewer points."""
    moved = np.flatnonzero(np.diff(lr)) + 1
    kept = np.union1d(moved, [0, len(lr) - 1])
    return kept[thinned(len(kept), 200)]


def schedule_effects(study: StoredStudy) -> Figure:
    """What the schedules did to a training: validation loss, accuracy, and the learning rate."""
    names = ["nesterov", "nesterov-step", "nesterov-plateau", "nesterov-cyclic", "nesterov-onecycle"]
    loss, accuracy = (bands(study, f"validation/{what}", names) for what in ("loss", "accuracy"))
    span = epoch_range(loss, start=0)
    chart = interactive(
        stacked(
            band_panel(loss, x_title=None, height=190, x_domain=span),
            band_panel(accuracy, x_title=None, height=150, x_domain=span),
            learning_rates(study, names, span, height=110),
        )
    )
    caption = f"{t('The same network, optimiser and seeds under five schedules.')} {t(WHISKERS)} {t(FIRST_SEED)}"
    sentence = schedule_effect(study, names).sentence()
    return Figure("schedule-effects", finished(chart, t("What schedules do"), about(study)), caption, sentence)
