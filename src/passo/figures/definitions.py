"""PyTorch's and Keras' optimisers of the same name, on the same gradients: with defaults, and with equal arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis.definitions import Definition, definitions
from passo.analysis.words import joined, significant
from passo.figures.panels import STEP, heading
from passo.figures.style import (
    BLUE,
    GREEN,
    INDIGO,
    INK,
    OLIVE,
    PINK,
    RED,
    STONE,
    WIDTH,
    Figure,
    altair,
    colour,
    data,
    finished,
    interactive,
    long,
    picking,
)
from passo.language import t
from passo.store import StoredStudy

SIDES = {"PyTorch": RED, "Keras": BLUE}
SHADES = {
    "sgd": STONE,
    "rmsprop": INDIGO,
    "adam": BLUE,
    "adadelta": OLIVE,
    "adagrad": GREEN,
    "adamax": PINK,
    "nadam": RED,
}
FLOOR = 1e-12  # below it, two updates in float64 are the same


def default_steps(study: StoredStudy) -> Figure:
    """The size of each step with each side's own defaults, one panel for each name."""
    found = definitions(study)
    values = np.concatenate([side for one in found for side in (one.pytorch, one.keras)])
    panels = [
        log_lines(
            one.steps,
            {"PyTorch": one.pytorch, "Keras": one.keras},
            SIDES,
            values,
            every=2,
            title=None,
            x_title=None,
            heading=heading(_times(one)),
            size=(250, 92),
        )
        for one in found
    ]
    chart = interactive(altair().concat(*panels, columns=2, spacing=14))
    told = [t("{value} for {name}", value=significant(one.ratio, 2), name=one.name) for one in found]
    sentence = t(
        "On the same gradients and with defaults, Keras' median step is so many times PyTorch's: {ratios}.",
        ratios=joined(told),
    )
    caption = t(
        "Root mean square of the update over all weights, each side with its own defaults, along the same recorded "
        "gradients of a network; logarithmic, one scale for all panels."
    )
    title = t("The same name, the same gradients, the defaults")
    subtitle = t("Size of the update (root mean square over all weights) at each optimiser step")
    return Figure("keras-defaults", finished(chart, title, subtitle), caption, sentence)


def _times(one: Definition) -> str:
    """How the ratio of step sizes is said over a panel."""
    if 0.95 < one.ratio < 1.05:
        return t("{name}: Keras takes the same step", name=one.name)
    if one.ratio > 1:
        return t("{name}: Keras takes {n} times the step", name=one.name, n=significant(one.ratio, 2))
    return t("{name}: Keras takes 1/{n} of the step", name=one.name, n=significant(1 / one.ratio, 2))


def equal_arguments(study: StoredStudy) -> Figure:
    """How far apart the updates are when every argument that both take is equal."""
    found = definitions(study)
    differ = [one for one in found if one.apart.max() > FLOOR]
    shades = {one.name: SHADES.get(one.name, INK) for one in differ}
    series = {one.name: np.where(one.apart > FLOOR, one.apart, np.nan) for one in differ}
    chart = altair().layer(
        *_dropped(found[0]),
        log_lines(
            found[0].steps,
            series,
            shades,
            np.concatenate(list(series.values())),
            title=t("difference of the updates, relative"),
            x_title=STEP,
            size=(WIDTH, 320),
        ),
    )
    caption = t(
        "‖Keras' update − PyTorch's‖ over ‖PyTorch's‖ at each step, all weights, float64; both sides have Keras' value "
        "for every argument that both take, and SGD momentum 0.9. What lies below 10⁻¹² is not drawn."
    )
    title = finished(interactive(chart), t("The same name, the same gradients, the same arguments"))
    return Figure("keras-equal-arguments", title, caption, _told(found))


def _told(found: Sequence[Definition]) -> str:
    """One clause for those that differ from the start, for those that part at the drop, for those that never do."""
    early = [one for one in found if one.before_drop > FLOOR]
    late = [one for one in found if one not in early and one.apart.max() > FLOOR]
    never = [one.name for one in found if one not in early and one not in late]
    sentences = []
    if early:
        parts = [
            t(
                "{name} {first} and {median}",
                name=one.name,
                first=significant(one.first, 2),
                median=significant(one.before_drop, 2),
            )
            for one in early
        ]
        sentences.append(
            t("With equal arguments the first update and the median one differ by: {parts}.", parts=joined(parts))
        )
    sentences += [
        t(
            "For {name} they are the same until the learning rate changes, and then differ by {off}.",
            name=one.name,
            off=significant(one.at_drop, 2),
        )
        for one in late
    ]
    if never:
        sentences.append(t("For {names} they are the same throughout.", names=joined(never)))
    return " ".join(sentences)


def _dropped(one: Definition) -> tuple[Any, Any]:
    """A dashed rule where the learning rate changes, with its word on the left."""
    alt = altair()
    source = data({"x": [one.dropped_after + 0.5], "label": [f"lr ÷ {1 / one.drop:.0f}"]})
    rule = alt.Chart(source).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(x="x:Q")
    word = alt.Chart(source).mark_text(align="right", dx=-5, fontSize=11, color=INK)
    return rule, word.encode(x="x:Q", y=alt.value(6), text="label:N")


def log_lines(
    steps: np.ndarray,
    series: Mapping[str, np.ndarray],
    shades: Mapping[str, str],
    values: np.ndarray,
    *,
    title: str | None,
    x_title: str | None,
    size: tuple[float, float],
    every: int = 1,
    heading: Any = None,
) -> Any:
    """Lines over a logarithmic axis that spans `values`, with a tick at each or every second power of ten."""
    alt = altair()
    seen = np.log10(values[np.isfinite(values) & (values > 0)])
    ticks = [float(f"1e{power}") for power in range(int(np.floor(seen.min())), int(np.ceil(seen.max())) + 1, every)]
    domain = [10 ** float(seen.min() - 0.15), 10 ** float(seen.max() + 0.15)]
    y = alt.Y("y:Q", axis=alt.Axis(title=title, values=ticks, format="~e"))
    base = alt.Chart(data(long(steps, series))).encode(
        x=alt.X(
            "x:Q",
            axis=alt.Axis(title=t(x_title) if x_title else None, grid=False, tickCount=6),
            scale=alt.Scale(nice=False),
        ),
        y=y.scale(type="log", domain=domain, nice=False),
        color=colour("label", list(shades), list(shades.values())),
        opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
    )
    wide = base.mark_line(clip=True, strokeWidth=2.4).transform_filter(alt.datum.label == "PyTorch")
    thin = base.mark_line(clip=True, strokeWidth=1.3).transform_filter(alt.datum.label != "PyTorch")
    chart = alt.layer(wide, thin) if "PyTorch" in series else thin  # so that equal lines are both seen
    return chart.properties(width=size[0], height=size[1], **({"title": heading} if heading else {}))
