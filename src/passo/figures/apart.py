"""One step of one weight, taken apart: a waterfall from the gradient to the update.

The parts of a step differ by orders of magnitude and each multiplies the one before it. So the axis is the size, in
logarithms: there a factor is a distance, the same wherever it stands, and the distances add up from the gradient to the
update. The sign, which a logarithm has not, is the colour of the point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.apart import apart as taken_apart
from passo.analysis.parts import Part
from passo.analysis.recorded import Recorded
from passo.analysis.words import significant
from passo.figures.panels import GLYPHS, heading, log_ticks, tick_look
from passo.figures.style import BLUE, FONT, INK, RED, Figure, altair, colour, data, finished, shape
from passo.language import later, t

ROW, PLOT, WORDS, NUMBERS = 44, 230, 342, 78
POSITIVE, NEGATIVE = later("positive"), later("negative")
_QUIET = "#5B6168"


def apart(
    run: Recorded, *, parameter: str | None = None, index: Sequence[int] | None = None, step: int | None = None
) -> Figure:
    """The waterfall of one step of one weight: the equation of each part, its size and sign, and its value."""
    found = taken_apart(run, parameter, index, step)
    panels = [_panel(parts, title) for parts, title in zip(found.lists, found.headings, strict=False)]
    alt = altair()
    chart = alt.vconcat(*panels, spacing=22).resolve_scale(x="independent", y="independent")
    caption = t(
        "From top to bottom, each row is one operation on the number above it. The axis is the number's size, "
        "logarithmic, so a factor is a distance: to the right it grows, to the left it shrinks. Parts that changed "
        "nothing are left out."
    )
    subtitle = t(
        "{optimizer}, learning rate {rate}, run {run}",
        optimizer=found.optimizer,
        rate=significant(found.now.lr),
        run=found.run,
    )
    title = t("Step {step:,} of {weight}, taken apart", step=found.step, weight=found.coordinate)
    drawn = finished(chart, title, subtitle).properties(usermeta={"whole": True})  # its words stand beside its marks
    return Figure("apart", drawn, caption, found.sentence())


def _panel(parts: Sequence[Part], title: str) -> Any:
    """Words and equation, the waterfall, and the value with its factor: three columns of the same rows."""
    alt = altair()
    rows, n = data(_columns(parts)), len(parts)
    left = (("words", -8, 13, 600, INK, FONT), ("equation", 8, 11, 400, _QUIET, GLYPHS))
    right = (("told", -8, 12, 600, INK, GLYPHS), ("factor", 8, 11, 400, _QUIET, GLYPHS))
    columns = (
        _texts(rows, n, WORDS, left, "left"),
        _waterfall(rows, parts, ROW * n),
        _texts(rows, n, NUMBERS, right, "right"),
    )
    return alt.hconcat(*columns, spacing=6, title=heading(title))


def _columns(parts: Sequence[Part]) -> dict[str, Any]:
    """One row for each part; `from` is the size before it, where the two are a factor apart."""
    sizes = [abs(part.value) if math.isfinite(part.value) and part.value else math.nan for part in parts]
    linked = [math.isfinite(part.factor) and part.factor != 0 for part in parts]
    return {
        "row": np.arange(len(parts)),
        "words": [part.words for part in parts],
        "equation": [part.equation for part in parts],
        "size": np.array(sizes),
        "from": np.array([sizes[i - 1] if linked[i] else math.nan for i in range(len(parts))]),
        "above": np.array([i - 1 if linked[i] else math.nan for i in range(len(parts))]),
        "sign": [t(POSITIVE) if part.value > 0 else t(NEGATIVE) for part in parts],
        "told": [significant(part.value) for part in parts],
        "factor": [" " if math.isnan(part.factor) else f"× {significant(part.factor)}" for part in parts],
    }


def _waterfall(rows: Any, parts: Sequence[Part], height: float) -> Any:
    """A bar from the size before to the size after, a point with the sign at its end, a thin line from row to row."""
    alt = altair()
    x, y = _sizes(parts), _rows(len(parts))
    base = alt.Chart(rows)
    spread = base.mark_bar(size=15, color="#DDE1E6", cornerRadius=2).encode(x=_sizes(parts, "from"), x2="size", y=y)
    link = base.mark_rule(color="#9AA1A9", strokeWidth=1).encode(x=_sizes(parts, "from"), y=y, y2="above")
    signs = [t(POSITIVE), t(NEGATIVE)]
    tips = [alt.Tooltip("words:N", title=t("part")), alt.Tooltip("equation:N", title=t("equation"))]
    point = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=x,
        y=y,
        color=colour("sign", signs, [BLUE, RED]),
        shape=shape("sign", signs),
        tooltip=[*tips, alt.Tooltip("told:N", title=t("value")), alt.Tooltip("factor:N", title=t("factor"))],
    )
    return alt.layer(spread, link, point).properties(width=PLOT, height=height)


def _sizes(parts: Sequence[Part], field: str = "size") -> Any:
    """The logarithmic axis, with whole powers of ten."""
    alt = altair()
    sizes = [abs(part.value) for part in parts if math.isfinite(part.value) and part.value] or [1.0]
    low, high = math.floor(math.log10(min(sizes)) - 0.15), math.ceil(math.log10(max(sizes)) + 0.15)
    domain = [float(f"1e{low}"), float(f"1e{high}")]
    look = {"labelFlush": False, "labelOverlap": False, **tick_look(log_ticks(*domain, most=6))}
    axis = alt.Axis(title=t("size, logarithmic"), **look)
    scale = alt.Scale(type="log", domain=domain, nice=False)
    return alt.X(f"{field}:Q", axis=axis, scale=scale)


def _rows(n: int) -> Any:
    alt = altair()
    return alt.Y("row:Q", axis=None, scale=alt.Scale(domain=[n - 0.5, -0.5], nice=False, zero=False, padding=0))


def _texts(
    rows: Any, n: int, width: float, fields: Sequence[tuple[str, float, float, int, str, str]], align: str
) -> Any:
    """Lines of text in each row: (field, offset, size, weight, colour, font)."""
    alt = altair()
    place = alt.value(0 if align == "left" else width)
    layers = [
        alt.Chart(rows)
        .mark_text(align=align, baseline="middle", dy=offset, fontSize=size, fontWeight=weight, color=shade, font=font)
        .encode(x=place, y=_rows(n), text=f"{field}:N")
        for field, offset, size, weight, shade, font in fields
    ]
    return alt.layer(*layers).properties(width=width, height=ROW * n)
