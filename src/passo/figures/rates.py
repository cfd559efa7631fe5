"""The rate or the name: what each optimiser reaches at each constant learning rate that it was tried at."""

from __future__ import annotations

from typing import Any

from passo.analysis.rates import Rates
from passo.analysis.rates import rates as tried_rates
from passo.analysis.words import counted_seeds, is_share, spoken
from passo.figures.curves import about
from passo.figures.panels import log_ticks, tick_look
from passo.figures.style import (
    BLUE,
    GREEN,
    INDIGO,
    OLIVE,
    PINK,
    RED,
    STONE,
    WIDTH,
    WINE,
    Figure,
    altair,
    colour,
    data,
    finished,
    interactive,
    legend_look,
    picking,
)
from passo.language import t
from passo.store import StoredStudy

SHADES = {
    "sgd": STONE,
    "momentum": RED,
    "nesterov": GREEN,
    "adam": BLUE,
    "rmsprop": INDIGO,
    "adagrad": OLIVE,
    "adadelta": PINK,
    "ftrl": WINE,
}


def rates(study: StoredStudy) -> Figure:
    """Test accuracy over the learning rate, a line for each optimiser."""
    found = tried_rates(study)
    widest = found.widest
    sentence = t(
        "The learning rate of {optimizer} moves its mean test accuracy by {spread:.1f} points. The {n} optimisers that "
        "were tried at two rates or more lie {between:.1f} points apart, each at its best rate ({seeds}).",
        optimizer=widest,
        spread=100 * found.spread(widest),
        n=len(found.tuned),
        between=100 * found.between,
        seeds=counted_seeds(found.tried[0].outcome.n),
    )
    caption = t(
        "Mean test accuracy of every constant learning rate that was tried, PyTorch's and Keras' definitions under one "
        "name; whiskers are 95 % intervals over seeds."
    )
    title = finished(interactive(_chart(found)), t("The rate or the name?"), about(study))
    return Figure("rates", title, caption, sentence)


def _chart(found: Rates) -> Any:
    alt = altair()
    rows = found.tried
    columns = {
        "x": [one.lr for one in rows],
        "y": [one.outcome.mean for one in rows],
        "low": [max(one.outcome.low, 0.0) for one in rows],  # in this order: of NaN, which stays NaN
        "high": [min(one.outcome.high, 1.0) for one in rows],
        "label": [one.optimizer for one in rows],
    }
    names = list(found.optimizers)
    form = "~%" if is_share(found.metric) else "~g"
    ends = min(columns["x"]), max(columns["x"])
    ticks = log_ticks(*ends)
    x = alt.X(
        "x:Q",
        title=t("learning rate"),
        scale=alt.Scale(type="log", domain=[ends[0] / 1.3, ends[1] * 1.3]),
        axis=alt.Axis(grid=False, **tick_look(ticks)),
    )
    y = alt.Y("y:Q", title=spoken(found.metric), axis=alt.Axis(format=form, tickCount=6))
    base = alt.Chart(data(columns)).encode(
        x=x,
        color=colour("label", names, [SHADES.get(name, STONE) for name in names]),
        opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
    )
    shape = alt.Shape("label:N", scale=alt.Scale(domain=names), legend=alt.Legend(**legend_look(names)))
    tips = [
        alt.Tooltip("label:N", title=t("optimiser")),
        alt.Tooltip("x:Q", title=t("learning rate"), format=".2~g"),
        alt.Tooltip("y:Q", title=t("mean"), format=".1%"),
    ]
    whiskers = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5)
    dots = base.mark_point(filled=True, size=70).encode(y=y, shape=shape, tooltip=tips)
    layered = alt.layer(whiskers.encode(y="low:Q", y2="high:Q"), base.mark_line().encode(y=y), dots)
    return layered.properties(width=WIDTH, height=300)
