"""Test accuracy of two models over the number of training images, and how far their curves stand apart sideways."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.horizontal import needed
from passo.analysis.paired import APART
from passo.analysis.sizes import METRIC, Sizes, sizes
from passo.analysis.words import seeds, significant
from passo.figures.panels import HALO, heading, log_ticks, tick_look
from passo.figures.points import own_ticks, points
from passo.figures.style import BLUE, GREY, INK, RED, WIDTH, Figure, altair, data, finished, interactive
from passo.language import later, t
from passo.store import StoredStudy

IMAGES = later("training images per class")
TOLD = later("told apart")
ARROW = 46  # area of its head, in square pixels


def accuracy_over_sizes(study: StoredStudy) -> Figure:
    """Both models over the number of images, their differences below, and the distance at equal accuracy once."""
    found = sizes(study)
    shades = dict(zip(found.labels, (BLUE, RED), strict=True))
    series = {
        label: [(n, found.at(m, k)) for k, n in enumerate(found.per_class)] for m, label in enumerate(found.labels)
    }
    above = points(series, shades, x=None, metric=METRIC, height=270, over=_sideways(found))
    chart = altair().vconcat(above, _differences(found), spacing=14).resolve_scale(x="independent")
    title = finished(interactive(chart), t("How many images does each model need?"), on_data(study))
    return Figure("sizes", title, _caption(found), found.sentence())


def on_data(study: StoredStudy) -> str:
    """Which data a study is about, as a subtitle; "" where it does not say."""
    name = study.facts.get("data", {}).get("name")
    return t("on {name}", name=name) if name else ""


def _caption(found: Sizes) -> str:
    own, same = (
        later(
            "Above: test accuracy over the number of training images per class, {seeds} (each draws its own training "
            "images)."
        ),
        later(
            "Above: test accuracy over the number of training images per class, {seeds} (all have the same training "
            "images)."
        ),
    )
    parts = [
        t(own if found.own_images else same, seeds=seeds(len(found.seeds))),
        t(
            "Below: the difference, paired by seed; strong where it is told apart after the correction for all of "
            "them, faint where it is not."
        ),
    ]
    if found.fewer is not None and found.fewer.told:
        parts.append(
            t(
                "The arrow is drawn at the middle of the accuracies that both reach; its number is the mean over all "
                "of them."
            )
        )
    return " ".join(parts)


def _sideways(found: Sizes) -> list[Any]:
    """An arrow from the model that needs more images to the one that needs fewer, at one accuracy, with the ratio."""
    if found.fewer is None or not found.fewer.told:
        return []
    alt = altair()
    level = float(np.mean(found.overlap))
    at = [needed(found.per_class, of_model, level) for of_model in found.accuracies.mean(1)]
    begin, end = max(at), min(at)
    word = found.fewer.amount(of_ahead=True).partition(" [")
    told = t("{factor} times fewer", factor=significant(float(np.exp(abs(found.fewer.mean))), 2))
    told += f" [{word[2]}" if word[2] else ""
    base = alt.Chart(data({"drawn": [begin], "to": [end], "y": [level], "word": [told]}))
    rule = base.mark_rule(color=INK, strokeWidth=1.6).encode(x="drawn:Q", x2="to:Q", y="y:Q")
    head = base.mark_point(shape="triangle-left", filled=True, size=ARROW, color=INK, opacity=1)
    right = begin * end < found.per_class[0] * found.per_class[-1]  # where there is more room beside the curves
    at = {"align": "left", "baseline": "top", "dx": 10, "dy": 7} if right else {"align": "right", "dx": -10, "dy": -8}
    text = {**at, "fontSize": 12, "fontWeight": 600, "color": INK}
    x = "drawn:Q" if right else "to:Q"
    words = [base.mark_text(**text, **look).encode(x=x, y="y:Q", text="word:N") for look in (HALO, {})]
    return [rule, head.encode(x="to:Q", y="y:Q"), *words]


def _differences(found: Sizes) -> Any:
    """The second minus the first at each size, in points of accuracy, around a line at 0."""
    alt = altair()
    first, second = found.labels
    each = found.differences
    columns = {
        "x": list(found.per_class),
        "y": [100 * one.mean for one in each],
        "low": [100 * one.low for one in each],
        "high": [100 * one.high for one in each],
        "told": [t(TOLD if one.told else APART) for one in each],
        "within": [one.amount() for one in each],
    }
    ends = [0.0, *(end for name in ("y", "low", "high") for end in columns[name] if np.isfinite(end))]
    air = 0.08 * (max(ends) - min(ends)) or 1.0
    scale = alt.Scale(domain=[min(ends) - air, max(ends) + air], nice=False)
    y = alt.Y("y:Q", axis=alt.Axis(title=t("points"), tickCount=4), scale=scale)
    base = alt.Chart(data(columns)).encode(x=_x(found))
    shade = alt.condition(f"datum.told == '{t(TOLD)}'", alt.value(INK), alt.value(GREY))
    minus = t("{first} minus {second}", first=second, second=first)
    tips = [alt.Tooltip("x:Q", title=t(IMAGES)), alt.Tooltip("within:N", title=minus)]
    tips.append(alt.Tooltip("told:N", title=t("told")))
    return alt.layer(
        alt.Chart(data({"y": [0.0]})).mark_rule(color=INK, opacity=0.6).encode(y=y),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6)
        .encode(y=alt.Y("low:Q", scale=scale), y2="high:Q", color=shade),
        base.mark_point(filled=True, size=46, opacity=1).encode(y=y, color=shade, tooltip=tips),
    ).properties(width=WIDTH, height=110, title=heading(minus))


def _x(found: Sizes) -> Any:
    """The logarithmic axis of `points`, for one series."""
    alt = altair()
    low, high = found.per_class[0], found.per_class[-1]
    room = (high / low) ** 0.04 if high > low else 1.5
    ends = [low / room, high * room]
    look = own_ticks(found.per_class, ends) or tick_look(log_ticks(ends[0], ends[1]))
    axis = alt.Axis(title=t(IMAGES), grid=False, labelOverlap=False, **look)
    return alt.X("x:Q", axis=axis, scale=alt.Scale(type="log", domain=ends, nice=False))
