"""What tuning meets: the learning rate's curves, results by budget, the importance of each hyperparameter."""

from __future__ import annotations

from typing import Any

from passo.analysis.budgets import BY, REPORT, budgets
from passo.analysis.importance import importance
from passo.analysis.sensitivity import Sensitivities, sensitivity
from passo.analysis.varied import RATE, called
from passo.analysis.words import spoken
from passo.figures.curves import about
from passo.figures.points import points
from passo.figures.style import BLUE, GREY, INK, Figure, altair, colour, colours, data, finished, interactive
from passo.language import numeral, t
from passo.store import StoredStudy


def sensitivity_curves(study: StoredStudy, metric: str = "validation/accuracy", key: str = RATE) -> Figure:
    """A metric over the learning rate, and the band within one point of the best."""
    found = sensitivity(study, metric, key)
    names = [group.name for group in found.groups]
    shades = dict(zip(names, colours(names), strict=True))
    series = {g.name: list(zip(g.at, g.found, strict=True)) for g in found.groups}
    title = called(found.key)
    chart = points(series, shades, x=title, metric=metric, over=bands_drawn(found, shades), height=280)
    caption = t(
        "Means over seeds and 95 % intervals, groups set apart sideways. The thick bar over each curve's best is its "
        "band: where the mean, straight between neighbours, stays within {within} of the best; where a seed diverged "
        "it ends.",
        within=found.within,
    )
    heading = t("How much the {setting} matters", setting=title)
    return Figure("sensitivity", finished(interactive(chart), heading, about(study)), caption, found.sentence())


def bands_drawn(found: Sensitivities, shades: dict[str, str]) -> list[Any]:
    alt = altair()
    columns = {
        "low": [g.low for g in found.groups],
        "high": [g.high for g in found.groups],
        "y": [g.top.mean for g in found.groups],
        "label": [g.name for g in found.groups],
    }
    shade = colour("label", list(shades), list(shades.values()))
    bars = alt.Chart(data(columns)).mark_rule(strokeWidth=9, opacity=0.35, strokeCap="butt")
    return [bars.encode(x=alt.X("low:Q"), x2="high:Q", y=alt.Y("y:Q"), color=shade)]


def budget_curves(study: StoredStudy, by: str = BY, report: str = REPORT, group: str | None = None) -> Figure:
    """The expected result of the best of k configurations, chosen by validation, over k."""
    found = budgets(study, by, report, group)
    names = [each.group for each in found.groups]
    series = {g.group: [(k, g.at(k)) for k in range(1, len(g.mean) + 1)] for g in found.groups}
    shades = dict(zip(names, colours(names), strict=True))
    chart = points(series, shades, x=t("configurations tried"), metric=report, log_x=False)
    caption = t(
        "Expected {report} of the best of k configurations drawn at random without replacement from those of the "
        "study, chosen by {by}; means and 95 % intervals over seeds, each seed a tuner of its own. After Dodge et al. "
        "2019.",
        report=spoken(report),
        by=spoken(by),
    )
    heading = t("What more tuning gives")
    return Figure("budget", finished(interactive(chart), heading, about(study)), caption, found.sentence())


def importance_bars(study: StoredStudy, metric: str = "validation/accuracy", names: list[str] | None = None) -> Figure:
    """Each hyperparameter's share of the variance, with what chance would give it."""
    alt = altair()
    found = importance(study, metric, names)
    parts = found.parts()
    order = [name for name, _, _ in parts]
    keys = {effect.key for effect in found.effects}
    columns = {
        "name": order,
        "share": [share for _, share, _ in parts],
        "chance": [chance for _, _, chance in parts],
        "text": [numeral(f"{100 * share:.1f} %") for _, share, _ in parts],
        "kind": ["setting" if name in keys else "other" for name in order],
    }
    source = data(columns)
    y = alt.Y(
        "name:N",
        sort=order,
        axis=alt.Axis(title=None, labelLimit=220, labelPadding=6, grid=False, ticks=False, domain=False),
    )
    top = max(columns["share"])
    scale = alt.Scale(domain=[0, min(1.0, 1.15 * top)], nice=False)
    x = alt.X("share:Q", scale=scale, axis=alt.Axis(title=t("share of the variance"), format="~%", tickCount=6))
    shade = alt.Color("kind:N", scale=alt.Scale(domain=["setting", "other"], range=[BLUE, GREY]), legend=None)
    chance = alt.Chart(source).transform_filter("isValid(datum.chance)")
    chart = alt.layer(
        alt.Chart(source).mark_bar(height=18).encode(x=x, y=y, color=shade),
        chance.mark_tick(color=INK, thickness=2, size=24).encode(x=alt.X("chance:Q"), y=y),
        alt.Chart(source).mark_text(align="left", dx=5, fontSize=11, color=INK).encode(x=x, y=y, text="text:N"),
    ).properties(width=430, height=30 * len(order))
    caption = t(
        "Shares of the variance of the {metric} over a full grid, every run counted: main effects (blue), and what "
        "they do not explain (grey); they sum to 1. The tick is what chance alone would give a setting.",
        metric=spoken(metric),
    )
    title = finished(chart, t("What mattered"), about(study))
    return Figure("importance", title, caption, found.sentence())
