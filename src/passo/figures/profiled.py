"""Performance profiles: for each solver, on what share of the problems it is within a factor of the fastest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from passo.analysis.profiles import Profiles
from passo.figures.panels import log_ticks, tick_look
from passo.figures.style import WIDTH, Figure, altair, colour, colours, data, finished, interactive, picking
from passo.language import later, t

_UNITS = {"epochs": later("epochs"), "steps": later("steps"), "seconds": later("seconds")}


def profile_curves(found: Profiles, subtitle: str = "") -> Figure:
    """Steps, one line for each solver; equal ones are set a little apart so that both are seen."""
    never = [name for i, name in enumerate(found.solvers) if not math.isfinite(float(found.costs[:, i].min()))]
    caption = t(
        "For each solver the share of the {problems} problems on which it needs at most τ times the {unit} of the "
        "fastest, until half of its runs are at the target. At τ = 1: how often it is fastest; at the right: how often "
        "it gets there at all. Equal lines are set a little apart. After Dolan and Moré 2002.",
        problems=len(found.problems),
        unit=t(_UNITS[found.unit]),
    )
    if never:
        caption += " " + t("Never there: {names}.", names=", ".join(never))
    title = finished(interactive(profile_steps(found)), t("Performance profiles"), subtitle)
    return Figure("profiles", title, caption, found.sentence())


def profile_steps(found: Profiles, height: int = 260, shades: Mapping[str, str] | None = None) -> Any:
    """The lines alone, to stand in another chart, in its `shades`."""
    alt = altair()
    finite = found.ratios[np.isfinite(found.ratios)]
    end = max(2.0, 1.15 * float(finite.max(initial=1.0)))
    names = list(found.solvers)
    columns: dict[str, list] = {"x": [], "y": [], "drawn": [], "label": []}
    for i, name in enumerate(names):
        apart = 0.006 * (i - (len(names) - 1) / 2)
        own = found.ratios[:, i]
        for at in sorted({1.0, *own[np.isfinite(own)].tolist(), end}):
            share = found.share(name, at)
            for column, value in zip(columns, (at, share, share + apart, name), strict=True):
                columns[column].append(value)
    ticks = log_ticks(1.0, end) if end > 4 else [tick for tick in (1, 1.5, 2, 2.5, 3, 3.5, 4) if tick <= end]
    look = {"values": ticks, "format": "~g"} if end <= 4 else tick_look(ticks)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", domain=[1 / end**0.01, end], nice=False),
        axis=alt.Axis(
            title=t("factor τ of the fewest {unit}", unit=t(_UNITS[found.unit])), grid=False, labelOverlap=False, **look
        ),
    )
    y = alt.Y(
        "drawn:Q",
        scale=alt.Scale(domain=[-0.03, 1.03], nice=False),
        axis=alt.Axis(title=t("share of problems"), format="~%", values=[0, 0.25, 0.5, 0.75, 1]),
    )
    return (
        alt.Chart(data(columns))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=colour("label", names, [shades[name] for name in names] if shades else colours(names)),
            opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
            tooltip=["label:N", alt.Tooltip("x:Q", format=".3~g"), alt.Tooltip("y:Q", format=".0%")],
        )
        .properties(width=WIDTH, height=height)
    )
