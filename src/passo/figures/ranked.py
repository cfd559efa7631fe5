"""Configurations ranked: each one's value with its interval, and its paired difference from the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from passo.analysis.paired import FairComparison, Paired
from passo.analysis.words import is_share, shortened, significant, spoken, within
from passo.figures.panels import heading
from passo.figures.style import BLUE, GREY, INK, ORANGE, RED, Figure, altair, data, finished
from passo.language import later, numeral, t

APART, ALONE, LEVEL = later("told apart"), later("only by itself"), later("not distinguishable")


def ranked(found: FairComparison, subtitle: str = "") -> Figure:
    """Values on the left, differences on the right; grey is what cannot be told from the reference."""
    short = shortened(found.comparison.names)
    high = max(60, 22 * len(short))
    chart = altair().hconcat(_values(found, short, high), _differences(found, short, high), spacing=20)
    caption = t(
        "Left: {metric}, means and 95 % intervals (Student's t), small dots are the seeds. Right: differences from "
        "{reference} ({why}), paired by seed: thick their 95 % intervals, thin those that hold for all {count} "
        "comparisons at once (Bonferroni; cut at the frame). Told apart: corrected p at most 0.05; only by itself: its "
        "own interval leaves out 0; else about how many seeds would tell.",
        metric=spoken(found.metric),
        reference=found.reference,
        why=t("named before") if found.planned else t("the best"),
        count=found.count,
    )
    title = finished(chart, t("{metric}, ranked", metric=spoken(found.metric).capitalize()), subtitle)
    return Figure("ranked", title, caption, found.sentence())


def _state(found: FairComparison, name: str) -> str:
    pair = found.against[name]
    return ALONE if pair.alone else LEVEL if pair.verdict == LEVEL else APART


def _named() -> Any:
    return altair().Tooltip("configuration:N", title=t("configuration"))


def _axis(short: Mapping[str, str], **look: Any) -> Any:
    alt = altair()
    axis = alt.Axis(title=None, labelLimit=0, grid=True, **look)
    return alt.Y("name:N", sort=None, scale=alt.Scale(domain=list(short.values())), axis=axis)


def _values(found: FairComparison, short: Mapping[str, str], high: float) -> Any:
    alt = altair()
    share = is_share(found.metric)
    outcomes = [o for o in found.comparison.outcomes if math.isfinite(o.mean)]
    columns = {
        "name": [short[o.name] for o in outcomes],
        "configuration": [o.name for o in outcomes],
        "within": [within(o, found.metric) for o in outcomes],
        "mean": [o.mean for o in outcomes],
        "low": [max(o.low, 0.0) if share else o.low for o in outcomes],  # in this order: of NaN, which stays NaN
        "high": [min(o.high, 1.0) if share else o.high for o in outcomes],
    }
    seeds = [(short[o.name], str(seed), value) for o in outcomes for seed, value in zip(o.seeds, o.values, strict=True)]
    each = {name: [seed[i] for seed in seeds] for i, name in enumerate(("name", "seed", "mean"))}
    axis = alt.Axis(title=spoken(found.metric), tickCount=4, format="~%" if share else "~g")
    x = alt.X("mean:Q", scale=alt.Scale(zero=False, padding=8), axis=axis)
    form = ".1%" if share else ".4~g"
    base = alt.Chart(data(columns)).encode(y=_axis(short))
    mean = alt.Tooltip("mean:Q", title=t("mean"), format=form)
    tips = [_named(), mean, alt.Tooltip("within:N", title=t("95 % interval"))]
    dots = alt.Chart(data(each)).mark_point(filled=True, size=13, color=INK, opacity=0.5)
    whiskers = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, color=BLUE, opacity=0.55)
        .encode(x=alt.X("low:Q"), x2="high:Q")
    )
    return alt.layer(
        *([whiskers] if any(map(math.isfinite, columns["low"])) else []),  # of one seed each there are none
        dots.encode(x=x, y=_axis(short), tooltip=[alt.Tooltip("seed:N", title=t("seed")), mean]),
        base.mark_point(filled=True, size=72, opacity=1, color=BLUE).encode(x=x, tooltip=tips),
    ).properties(width=250, height=high, title=heading(t("value")))


def _differences(found: FairComparison, short: Mapping[str, str], high: float) -> Any:
    alt = altair()
    unit = 100.0 if is_share(found.metric) else 1.0
    pairs = [found.against[n] for n in short if n != found.reference and math.isfinite(found.against[n].mean)]
    low, top = _reach(pairs)
    columns = {
        "name": [short[p.first] for p in pairs],
        "configuration": [p.first for p in pairs],
        "within": [_points_within(p, unit) for p in pairs],
        **{field: [unit * getattr(p, field) for p in pairs] for field in ("mean", "low", "high")},
        "wide_low": [unit * max(p.wide[0], low) for p in pairs],
        "wide_high": [unit * min(p.wide[1], top) for p in pairs],
        "state": [t(_state(found, p.first)) for p in pairs],
        "text": [_remark(p) for p in pairs],
    }
    scale = alt.Scale(domain=[t(APART), t(ALONE), t(LEVEL)], range=[RED, ORANGE, GREY])
    legend = alt.Legend(orient="bottom", direction="horizontal") if any(p.known for p in pairs) else None
    shade = alt.Color("state:N", scale=scale, legend=legend)
    name = shortened([found.reference], 32)[found.reference]
    title = t("minus {name} (points)", name=name) if unit > 1 else t("minus {name}", name=name)
    domain = alt.Scale(domain=[unit * low, unit * top], nice=False)
    x = alt.X("mean:Q", scale=domain, axis=alt.Axis(title=title, tickCount=5))
    base = alt.Chart(data(columns)).encode(y=_axis(short, labels=False, ticks=False), color=shade)
    zero = alt.Chart(data({"x": [0.0]})).mark_rule(color=INK, opacity=0.6).encode(x=alt.X("x:Q"))
    words = (
        base.transform_filter("datum.text")
        .mark_text(align="left", dx=8, fontSize=10.5)
        .encode(x=alt.value("width"), text="text:N")
    )
    tips = [_named(), alt.Tooltip("mean:Q", title=t("mean"), format=".3~f")]
    tips.append(alt.Tooltip("within:N", title=t("95 % interval")))
    known = base.transform_filter("isValid(datum.low)")
    return alt.layer(
        zero,
        known.mark_rule(strokeWidth=1, clip=True).encode(x=alt.X("wide_low:Q"), x2="wide_high:Q"),
        known.mark_rule(strokeWidth=3, clip=True).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=72, opacity=1).encode(x=x, tooltip=tips),
        words.encode(color=alt.value(INK)),
    ).properties(width=250, height=high, title=heading(t("difference, paired by seed")))


def _points_within(pair: Paired, unit: float) -> str:
    if not pair.known:
        return t("not known")
    return t("{low} to {high}", low=significant(unit * pair.low), high=significant(unit * pair.high))


def _reach(pairs: Sequence[Paired]) -> tuple[float, float]:
    """The axis: 0, all means and their own intervals; the wide ones as far as they do not dwarf these."""
    ends = [0.0, *(end for p in pairs for end in (p.low, p.high, p.mean) if math.isfinite(end))]
    air = 0.3 * (max(ends) - min(ends)) or 1.0
    wide = [end for p in pairs for end in p.wide if math.isfinite(end)] or ends
    little = 0.05 * (max(ends) - min(ends)) or 1.0
    return max(min(ends) - air, min(*wide, *ends) - little), min(max(ends) + air, max(*wide, *ends) + little)


def _remark(pair: Paired) -> str:
    """What stands at the right: p, or the seeds that would be needed."""
    if not pair.known:
        return ""
    if pair.verdict != LEVEL:
        return numeral("p < 0.001" if pair.adjusted < 0.001 else f"p {pair.adjusted:.3f}")
    about = pair.needed.about
    return t("needs over a million seeds") if about is None else t("needs about {count:,} seeds", count=about)
