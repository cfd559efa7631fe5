"""Learning-rate range tests: the curves of the seeds, what four rules read off them, and whether it held."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis import RangeCheck, RangeCurve, RangeSummary, lr_ranges, rules_agree
from passo.analysis.words import significant
from passo.figures.curves import about
from passo.figures.panels import heading
from passo.figures.style import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    RED,
    WIDTH,
    Figure,
    altair,
    data,
    finished,
    thinned,
)
from passo.figures.verified import SMOOTHING, verified
from passo.language import t
from passo.store import StoredStudy

ROW = 24  # the height of a rule's row


def range_chart(lr: np.ndarray, loss: np.ndarray, smoothed: np.ndarray, suggestion: float) -> Any:
    """One range test: mini-batch loss and its average against the learning rate (T,), the suggestion marked."""
    curve = RangeCurve(None, np.asarray(lr), np.asarray(loss), np.asarray(smoothed), float(suggestion), None)
    chart = _tests(RangeSummary("range test", (curve,)), BLUE, width=WIDTH, height=260)
    subtitle = t("The smoothed loss falls most steeply at {rate}", rate=significant(suggestion))
    return finished(chart, t("Learning-rate range test"), subtitle)


def range_figure(summary: RangeSummary, check: RangeCheck | None = None, subtitle: str = "") -> Figure:
    """The tests of all seeds, what each rule suggests, and the trainings that verified it, where there are any."""
    alt = altair()
    upper = _tests(summary, BLUE, width=WIDTH, height=250, labelled=not summary.suggestions)
    panels = [alt.vconcat(upper, _rules(summary, WIDTH), spacing=10).resolve_scale(x="shared")]
    if check is not None:
        panels.append(verified(check))
    chart = alt.vconcat(*panels, spacing=26).resolve_scale(color="independent")
    told = [summary.sentence(), rules_agree(summary.suggestions), "" if check is None else check.sentence()]
    sentence = " ".join(part for part in told if part)
    caption = f"{_caption(summary)} {_below(summary, check)}"
    return Figure("lr-range", finished(chart, t("Which learning rate?"), subtitle), caption, sentence)


def lr_range(study: StoredStudy) -> Figure:
    """The tests of Adam and of SGD with Nesterov, all seeds."""
    found = [lr_ranges(study, name) for name in ("range-adam", "range-nesterov")]
    panels = [
        _tests(summary, COLOURS[summary.name], width=260, height=220, title=summary.name.removeprefix("range-"))
        for summary in found
    ]
    chart = altair().hconcat(*panels, spacing=22)
    sentence = " ".join(summary.sentence() for summary in found)
    caption = _caption(max(found, key=lambda summary: summary.diverged))
    if len(found[0].curves) > 1:
        ticks = t("Ticks at the lower edge are the seeds' suggestions, the dashed line their geometric mean.")
        caption = f"{caption} {ticks}"
    return Figure("lr-range", finished(chart, t("Which learning rate?"), about(study)), caption, sentence)


def _caption(summary: RangeSummary) -> str:
    """What the curves are; said of tests alike, for one panel or for several."""
    n = len(summary.curves)
    curves = t("Mini-batch loss while the learning rate rises: grey as measured, coloured smoothed")
    if n > 1:
        curves = t(
            "Smoothed mini-batch loss while the learning rate rises: thin lines are the {n} seeds, the thick one "
            "their mean with its 95 % interval, as far as all tests go",
            n=n,
        )
    marks = t("the dashed line is the suggestion")
    if summary.diverged:
        marks = t("the dashed line is the suggestion, crosses are where tests stopped because the loss had grown away")
    return f"{curves}; {marks}; {t('losses outside the frame are cut')}."


def _below(summary: RangeSummary, check: RangeCheck | None) -> str:
    """What stands below the curves."""
    said = t("Below, each rule's suggestion.")
    if len(summary.curves) > 1:
        said = t("Below, each rule's suggestion: small dots for the seeds, their geometric mean and its 95 % interval.")
    if check is None:
        return said
    last = (
        t(
            "Last row: trainings at three rates, the mini-batch loss (smoothed, β = {beta}) and the {measured} at the "
            "end, means over seeds with 95 % intervals; dots joined by a line are one seed's.",
            beta=SMOOTHING,
            measured=check.told_measured,
        )
        if len(check.seeds) > 1
        else t(
            "Last row: trainings at three rates, the mini-batch loss (smoothed, β = {beta}) and the {measured} at the "
            "end; dots joined by a line are one seed's.",
            beta=SMOOTHING,
            measured=check.told_measured,
        )
    )
    return f"{said} {last}"


# ── The tests ─────────────────────────────────────────────────────────────────────────────────────────────


def _rate_title(summary: RangeSummary) -> str:
    return t("learning rate") if summary.mode == "linear" else t("learning rate (log scale)")


def _rate_axis(summary: RangeSummary, title: str | None, field: str = "x") -> Any:
    """The learning rate as it was spaced: powers of ten on a log scale, or a linear one."""
    alt = altair()
    ends = [curve.lr[[0, -1]] for curve in summary.curves]
    rates = [mean for found in summary.suggestions for mean in (found.mean, found.low, found.high)]
    known = [rate for rate in rates if np.isfinite(rate)]
    low, high = float(min(np.min(ends), *known)), float(max(np.max(ends), *known))
    look: dict[str, Any] = {"grid": False}
    if summary.mode == "linear":
        scale = alt.Scale(nice=False, domain=[min(0.0, low), 1.02 * high])
        look |= {"format": "~g", "tickCount": 6}
    else:
        low, high = max(low, float(np.min(ends)) / 10), min(high, float(np.max(ends)) * 3)
        scale = alt.Scale(type="log", nice=False, domain=[low / 1.1, high * 1.1])
        steps = (1,) if high / low > 50 else (1, 2, 5)
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        ticks = [tick for tick in ticks if low / 1.1 <= tick <= high * 1.1]
        look |= {"format": "~e", "values": ticks[:: 1 + len(ticks) // 10], "labelOverlap": False, "tickCount": 99}
    axis = alt.Axis(title=title, **look) if title else alt.Axis(title=None, labels=False, ticks=False, **look)
    return alt.X(f"{field}:Q", scale=scale, axis=axis)


def _tests(
    summary: RangeSummary,
    shade: str,
    *,
    width: float,
    height: float,
    title: str = "",
    labelled: bool = True,
) -> Any:
    """The seeds' curves, their mean and band, where tests stopped, and the suggestion as a dashed line."""
    alt = altair()
    x = _rate_axis(summary, _rate_title(summary) if labelled else None)
    layers = [*_lines(summary, shade, x), *_stops(summary, x), *_chosen(summary, x, height, labelled)]
    extra = {"title": heading(title)} if title else {}
    return alt.layer(*layers).properties(width=width, height=height, **extra)


def _loss_axis(summary: RangeSummary, field: str = "y") -> Any:
    alt = altair()
    scale = alt.Scale(domain=list(_window(summary)), nice=False, zero=False)
    return alt.Y(f"{field}:Q", scale=scale, axis=alt.Axis(title=t("mini-batch loss"), format="~g", tickCount=5))


def _window(summary: RangeSummary) -> tuple[float, float]:
    """From below the lowest smoothed loss to well above where the tests begin; what grows away is cut."""
    first = max(float(np.nanmax(c.smoothed[: max(3, len(c.lr) // 4)])) for c in summary.curves)
    least = min(float(np.nanmin(c.smoothed)) for c in summary.curves)
    span = first - least or abs(first) or 1.0
    return least - 0.12 * span, first + 0.45 * span


def _lines(summary: RangeSummary, shade: str, x: Any) -> list[Any]:
    alt = altair()
    curves, y = summary.curves, _loss_axis(summary)
    if len(curves) == 1:
        kept = thinned(len(curves[0].lr), 300)
        base = [
            alt.Chart(data({"x": curves[0].lr[kept], "y": values[kept]})).encode(x=x, y=y)
            for values in (curves[0].loss, curves[0].smoothed)
        ]
        return [
            base[0].mark_line(clip=True, strokeWidth=0.8, color=GREY, opacity=0.8),
            base[1].mark_line(clip=True, strokeWidth=2.2, color=shade),
        ]
    each = {
        "x": np.concatenate([c.lr for c in curves]),
        "y": np.concatenate([c.smoothed for c in curves]),
        "seed": np.concatenate([np.repeat(str(c.seed), len(c.lr)) for c in curves]),
    }
    thin = alt.Chart(data(each)).mark_line(clip=True, strokeWidth=1, color=shade, opacity=0.45)
    lr, mean, lower, upper = summary.band
    band = alt.Chart(data({"x": lr, "y": mean, "low": lower, "high": upper})).encode(x=x)
    return [
        band.mark_area(clip=True, color=shade, opacity=0.16).encode(y=_loss_axis(summary, "low"), y2="high:Q"),
        thin.encode(x=x, y=y, detail="seed:N"),
        band.mark_line(clip=True, strokeWidth=2.4, color=shade).encode(y=y),
    ]


def _stops(summary: RangeSummary, x: Any) -> list[Any]:
    """A cross where a seed's test stopped; at the upper edge where the loss had left the frame."""
    alt = altair()
    ended = [c for c in summary.curves if c.diverged_at is not None]
    if not ended:
        return []
    high = _window(summary)[1]
    last = [float(c.smoothed[-1]) if np.isfinite(c.smoothed[-1]) else np.inf for c in ended]
    columns = {
        "x": [float(c.diverged_at or 0) for c in ended],
        "y": [min(value, high) for value in last],
        "seed": [str(c.seed) for c in ended],
    }
    tips = [alt.Tooltip("seed:N", title=t("seed")), alt.Tooltip("x:Q", title=t("stopped at"), format=".3~g")]
    cross = alt.Chart(data(columns)).mark_text(text="×", fontSize=17, fontWeight=700, color=RED)
    return [cross.encode(x=x, y=_loss_axis(summary), tooltip=tips)]


def _chosen(summary: RangeSummary, x: Any, height: float, labelled: bool) -> list[Any]:
    alt = altair()
    mark = data({"x": [summary.suggestion], "label": [significant(summary.suggestion)]})
    rule = alt.Chart(mark).mark_rule(strokeDash=[4, 3], color=INK).encode(x=x)
    if not labelled:
        return [rule]
    text = alt.Chart(mark).mark_text(align="right", dx=-6, fontSize=12, fontWeight=600, color=INK)
    seeds = data({"x": [c.suggestion for c in summary.curves], "seed": [str(c.seed) for c in summary.curves]})
    ticks = alt.Chart(seeds).mark_tick(orient="vertical", thickness=2, size=11, color=INK, clip=True)
    tips = [alt.Tooltip("seed:N", title=t("seed")), alt.Tooltip("x:Q", title="lr", format=".3~g")]
    return [
        rule,
        text.encode(x=x, y=alt.value(9), text="label:N"),
        *([ticks.encode(x=x, y=alt.value(height - 6), tooltip=tips)] if len(summary.curves) > 1 else []),
    ]


# ── The rules ─────────────────────────────────────────────────────────────────────────────────────────────


def _rules(summary: RangeSummary, width: float) -> Any:
    """A row for each rule: a dot for each seed, the geometric mean, its interval, and both in figures."""
    alt = altair()
    found = summary.suggestions
    x, low = (_rate_axis(summary, _rate_title(summary), field) for field in ("x", "low"))
    y = alt.Y("rule:N", sort=[each.rule for each in found], axis=alt.Axis(title=None, grid=True, labelFontSize=11.5))
    columns = {
        "rule": [each.rule for each in found],
        "x": [each.mean for each in found],
        "low": [each.low for each in found],
        "high": [each.high for each in found],
        "label": [str(each) for each in found],
    }
    singles = {
        "rule": [each.rule for each in found for _ in each.values],
        "x": [value for each in found for value in each.values],
    }
    base = alt.Chart(data(columns)).encode(y=y)
    marked = alt.datum.rule == summary.rule
    shade = alt.condition(marked, alt.value(INK), alt.value(BLUE))
    seeds = alt.Chart(data(singles)).mark_point(filled=True, clip=True, size=16, color=INK, opacity=0.4)
    layers = [
        base.mark_rule(clip=True, strokeWidth=2.4, opacity=0.55).encode(x=low, x2="high:Q", color=shade),
        seeds.encode(x=x, y=y),
        base.mark_point(filled=True, clip=True, size=80, opacity=1).encode(x=x, color=shade),
        *(
            base.transform_filter(which)
            .mark_text(align="left", dx=8, fontSize=11, fontWeight=weight, color=INK)
            .encode(x=alt.value(width), text="label:N")
            for which, weight in ((marked, 700), (alt.datum.rule != summary.rule, 400))
        ),
        *_chosen(summary, x, 0, labelled=False),
    ]
    return alt.layer(*layers).properties(width=width, height=ROW * len(found))
