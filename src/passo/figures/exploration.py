"""Everything that was explored, ranked: what each setting does to the test accuracy of both models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from passo.analysis.exploration import METRIC, Effect, Exploration, exploration
from passo.analysis.paired import ALONE, gap
from passo.analysis.paired_shares import apart
from passo.analysis.words import ranged, seeds, shortened
from passo.figures.style import BLUE, INK, RED, Figure, altair, colour, data, finished, shape
from passo.language import t
from passo.store import StoredStudy

ROW = 15.0  # points
ONE_COLUMN = 22  # rows, headings among them; more get a second column
ASIDE = 0.17  # of a row, each model to its side
LINEAR = 2.0  # points of accuracy, beyond which the axis is logarithmic
NEAR = 8.0  # points; an axis that goes farther has no tick at 1
TICKS = (1, 2, 5, 10, 20, 50, 100)
SHADE = "#EFF1F3"
PALE = 0.35  # how opaque the inside of a point is that is distinguishable only by itself


@dataclass(frozen=True)
class _Row:
    """A line of the figure: a choice's heading, or one of its settings with its effects."""

    text: str
    effects: tuple[Effect, ...] = ()


def draw_exploration(study: StoredStudy) -> Figure:
    """All settings in order of their effect, by choice; see `analysis.exploration`."""
    return exploration_figure(exploration(study))


def exploration_figure(found: Exploration) -> Figure:
    """A forest of effects: a row for each setting, a point with its interval for each model."""
    alt = altair()
    columns = _columns(found)
    wide = 300 if len(columns) == 1 else 215
    chart = alt.hconcat(*(_forest(found, rows, wide) for rows in columns), spacing=14)
    title = finished(chart, t("What each choice does to the test accuracy"), _subtitle(found))
    caption = t(
        "Test accuracy of one setting changed at a time, less the reference's, in points: means and 95 % intervals of "
        "differences paired by seed ({seeds}). Filled: told apart from no effect after Holm's correction for all "
        "{count} changes; pale: only by itself, had it been the only one tried; hollow: neither. The choice with the "
        "largest effect comes first; the axis is linear up to {linear:g} points and logarithmic beyond, and cuts "
        "intervals at the frame.",
        seeds=seeds(found.n),
        count=len(found.effects),
        linear=LINEAR,
    )
    return Figure("exploration", title, caption, found.sentence())


def _subtitle(found: Exploration) -> str:
    told = [f"{label} {ranged(accuracy, METRIC)}" for label, (_, accuracy) in found.reference.items()]
    return t("differences from the reference: {accuracies}", accuracies=t(", ").join(told))


def _columns(found: Exploration) -> list[list[_Row]]:
    """Headings and settings, in one column or in two of about the same length; a choice is never parted."""
    blocks = []
    for choice in found.choices:
        of = found.of(choice)
        settings = found.settings(choice)
        rows = [_Row(setting.said, tuple(e for e in of if e.setting == setting)) for setting in settings]
        blocks.append([_Row(t(choice)), *rows])
    total = sum(map(len, blocks))
    if total <= ONE_COLUMN:
        return [list(chain(*blocks))]
    lengths = np.cumsum([len(block) for block in blocks])
    cut = int(np.abs(lengths - total / 2).argmin()) + 1
    return [list(chain(*part)) for part in (blocks[:cut], blocks[cut:]) if part]


def _forest(found: Exploration, rows: Sequence[_Row], wide: float) -> Any:
    """One column of rows; y is the number of the row, downwards."""
    alt = altair()
    low, high = _reach(found)
    y = {"scale": alt.Scale(domain=[len(rows) - 0.4, -0.6], nice=False), "axis": _names(rows)}
    x = {
        "scale": alt.Scale(type="symlog", constant=LINEAR, domain=[low, high], nice=False, clamp=True),
        "axis": _axis(low, high),
    }
    base = alt.Chart(data(_points(found, rows, low, high))).encode(
        y=alt.Y("y:Q", **y), color=colour("model", list(found.labels), [BLUE, RED])
    )
    tips = [alt.Tooltip("setting:N", title=t("setting")), alt.Tooltip("model:N", title=t("model"))]
    tips += [alt.Tooltip("difference:N", title=t("difference")), alt.Tooltip("apart:N", title=t("told apart"))]
    point = {"x": alt.X("mean:Q", **x), "tooltip": tips}
    layers = [
        alt.Chart(data({"x": [0.0]})).mark_rule(color=INK, opacity=0.55).encode(x=alt.X("x:Q", **x)),
        *_headings(rows, y, wide),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.8)
        .encode(x=alt.X("low:Q", **x), x2="high:Q"),
        *(
            dots.encode(**point, shape=shape("model", found.labels))
            for dots in dots_by_standing(base, "apart", _shades(found), size=34)
        ),
    ]
    return alt.layer(*layers).properties(width=wide, height=ROW * len(rows))


def dots_by_standing(base: Any, field: str, shades: Any, **look: Any) -> list[Any]:
    """Points by what `paired_shares.apart` says in `field`: full for "yes", pale for "only by itself", else hollow."""
    alt = altair()
    hollow = base.mark_point(strokeWidth=1.5, opacity=1, fill="white", filled=False, **look)
    fill = alt.Fill("model:N", scale=shades, legend=None)
    strong = alt.condition(f"datum.{field} == '{t('yes')}'", alt.value(1.0), alt.value(PALE))
    there = base.transform_filter(f"datum.{field} == '{t('yes')}' || datum.{field} == '{t(ALONE)}'")
    return [hollow, there.mark_point(strokeWidth=1.5, opacity=1, **look).encode(fill=fill, fillOpacity=strong)]


def _shades(found: Exploration) -> Any:
    return altair().Scale(domain=list(found.labels), range=[BLUE, RED])


def _points(found: Exploration, rows: Sequence[_Row], low: float, high: float) -> dict[str, list[Any]]:
    """A point for each effect, intervals cut to the axis, in points of accuracy."""
    told = [
        (
            i + ASIDE * (2 * found.labels.index(effect.model) - 1) * (len(row.effects) > 1),
            100 * effect.difference.mean,
            max(100 * effect.difference.low, low) if effect.difference.known else np.nan,
            min(100 * effect.difference.high, high) if effect.difference.known else np.nan,
            effect.model,
            effect.setting.full,
            gap(effect.difference, METRIC),
            apart(effect.difference),
        )
        for i, row in enumerate(rows)
        for effect in row.effects
    ]
    names = ("y", "mean", "low", "high", "model", "setting", "difference", "apart")
    return {name: [one[i] for one in told] for i, name in enumerate(names)}


def _reach(found: Exploration) -> tuple[float, float]:
    """The axis in points: all means with air; intervals as far as they are not much wider than the means reach."""
    means = [100 * effect.difference.mean for effect in found.effects]
    ends = [100 * end for e in found.effects if e.difference.known for end in (e.difference.low, e.difference.high)]
    low, high = min([*means, -1.0]), max([*means, 1.0])
    return max(min([*ends, low]), 2.0 * low) - 0.4, min(max([*ends, high]), 2.0 * high) + 0.4


def _axis(low: float, high: float) -> Any:
    ticks = TICKS if max(-low, high) < NEAR else TICKS[1:]
    values = [-tick for tick in reversed(ticks) if -tick >= low] + [0] + [tick for tick in ticks if tick <= high]
    sign = "datum.value > 0 ? '+' + datum.value : replace('' + datum.value, '-', '−')"
    return altair().Axis(title=t("difference in points"), values=values, labelExpr=sign, labelOverlap="greedy")


def _names(rows: Sequence[_Row]) -> Any:
    """The settings' names at their rows; headings have none here."""
    there = [i for i, row in enumerate(rows) if row.effects]
    short = shortened([f"{row.text}" for row in rows if row.effects], 26)
    words = [short[row.text] if row.effects else "" for row in rows]
    told = f"{json.dumps(words, ensure_ascii=False)}[datum.value]"
    look = {"domain": False, "ticks": False, "labelOverlap": False, "labelLimit": 0, "labelPadding": 6}
    return altair().Axis(title=None, values=there, labelExpr=told, grid=True, **look)


def _headings(rows: Sequence[_Row], y: Any, wide: float) -> list[Any]:
    """The choices' names in bands across the plot."""
    alt = altair()
    there = [i for i, row in enumerate(rows) if not row.effects]
    source = alt.Chart(
        data(
            {
                "y": there,
                "top": [i - 0.5 for i in there],
                "bottom": [i + 0.5 for i in there],
                "text": [rows[i].text for i in there],
            }
        )
    )
    band = source.mark_rect(color=SHADE).encode(
        y=alt.Y("top:Q", **y), y2="bottom:Q", x=alt.value(0), x2=alt.value(wide)
    )
    words = source.mark_text(align="left", fontSize=11, fontWeight=600, color=INK, baseline="middle")
    return [band, words.encode(y=alt.Y("y:Q", **y), x=alt.value(6), text="text:N")]
