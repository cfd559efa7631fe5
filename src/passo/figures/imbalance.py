"""What rare classes cost both models and what remedies bring back, by ratio and class by class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from passo.analysis.imbalance import Imbalance, imbalance
from passo.analysis.intervals import Interval
from passo.analysis.paired_shares import SHARE
from passo.analysis.treated import NONE, Case, Treated
from passo.analysis.varied import listed
from passo.analysis.words import seeds, significant, within
from passo.figures.panels import heading
from passo.figures.style import BLUE, RED, STONE, Figure, altair, data, finished
from passo.language import numeral, t
from passo.store import StoredStudy

DASHES = ([1, 0], [6, 3], [1.5, 3], [8, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond")
LOOK = {"title": None, "symbolStrokeColor": STONE, "symbolFillColor": STONE}  # colours are the models'
WIDE, HIGH = 290, 190
MOST = 24  # classes, up to which each has a row


def draw_imbalance(study: StoredStudy) -> Figure:
    """Recall of the rarest classes and of all, against the ratio, with and without remedies."""
    found = imbalance(study)
    alt = altair()
    panels = [_panel(found, i, rarest) for rarest in (True, False) for i in (0, 1)]
    apart = {"row": 18, "column": 34}
    chart = alt.concat(*panels, columns=2, bounds="flush", spacing=apart).resolve_scale(shape="independent")
    caption = t(
        "Test recall against the ratio of the most frequent class to the rarest; the classes between fall off evenly "
        "(so that training images become fewer, too). Above: the rarest third of the classes ({rarest}); below: the "
        "mean over all. Lines are remedies; bands are 95 % intervals ({seeds}).",
        rarest=listed([found.classes[c] for c in found.largest.rarest]),
        seeds=seeds(found.n),
    )
    title = finished(chart, t("Rare classes, and what helps"), _subtitle(found))
    return Figure("imbalance", title, caption, found.sentence())


def _subtitle(found: Imbalance) -> str:
    images = found.largest.images
    return t(
        "largest imbalance: {most:,} training images of one class, {least:,} of another",
        most=images.max(),
        least=images.min(),
    )


def _panel(found: Imbalance, place: int, rarest: bool) -> Any:
    """One model: a line for each remedy, of the rarest classes or of all."""
    alt = altair()
    label, shade = found.labels[place], (BLUE, RED)[place]
    rows = _lines(found, label, rarest)
    columns = {"ratio": [float(row[0]) for row in rows], "remedy": [t(row[1]) for row in rows]}
    columns["dash"] = columns["remedy"]  # a field of its own, so that the legend of shapes stands alone
    columns["model"] = [label] * len(rows)
    base = alt.Chart(data(columns | _ends([row[2] for row in rows]))).encode(
        x=_x(found, "" if rarest else t("most frequent : rarest"))
    )
    y = _y(found, place, rarest)
    tips = [alt.Tooltip("remedy:N", title=t("remedy")), alt.Tooltip("ratio:Q", title=t("ratio"), format="~g")]
    tips += [alt.Tooltip("mean:Q", title=t("mean"), format=".1%"), alt.Tooltip("within:N", title=t("within"))]
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.13, color=shade)
    dots = base.mark_point(filled=True, size=46, opacity=1)
    legend = alt.Legend(orient="bottom-left", direction="vertical", **LOOK) if rarest and place == 0 else None
    layers = [
        band.encode(y=y("low"), y2="high:Q", detail="remedy:N"),
        base.mark_line(color=shade).encode(y=y("mean"), strokeDash=_dash(found)),
        dots.encode(y=y("mean"), shape=_shape(found, legend), color=_shade(found), tooltip=tips),
    ]
    extra = {"title": heading(label)} if rarest else {}
    return alt.layer(*layers).properties(width=WIDE, height=HIGH, **extra)


def _lines(found: Imbalance, label: str, rarest: bool) -> list[tuple[float, str, Interval]]:
    """(ratio, remedy, recall) of one model; what was trained without imbalance is the start of every line."""
    return [
        (case.ratio, remedy, one.recall_of(found.largest.rarest) if rarest else one.balanced)
        for remedy in found.remedies
        for case, one in found.each.items()
        if case.model == label and not case.rare and (case.remedy == remedy or case.ratio == 1)
    ]


def _y(found: Imbalance, place: int, rarest: bool) -> Callable[[str], Any]:
    """How to make the y channel of a field: the same for both models, its axis told at the left alone."""
    alt = altair()
    both = _ends([value for label in found.labels for *_, value in _lines(found, label, rarest)])
    values = [end for name in ("mean", "low", "high") for end in both[name] if np.isfinite(end)]
    air = 0.05 * (max(values) - min(values)) or 0.05
    scale = alt.Scale(domain=[max(0.0, min(values) - air), min(1.0, max(values) + air)], nice=False)
    title = t("recall of the rarest classes") if rarest else t("balanced accuracy")
    bare = {"title": title} if place == 0 else {"title": None, "labels": False, "ticks": False}
    axis = alt.Axis(format="~%", tickCount=5, **bare)
    return lambda field: alt.Y(f"{field}:Q", axis=axis, scale=scale)


def _dash(found: Imbalance) -> Any:
    return altair().StrokeDash("dash:N", scale=_by_remedy(found, DASHES), legend=None)


def _by_remedy(found: Imbalance, looks: Sequence[Any]) -> Any:
    """A scale that gives each remedy its look."""
    names = [t(name) for name in found.remedies]
    return altair().Scale(domain=names, range=[looks[i % len(looks)] for i in range(len(names))])


def _shade(found: Imbalance) -> Any:
    """The models' colours, without a legend, so that the legend of remedies is grey."""
    alt = altair()
    return alt.Color("model:N", scale=alt.Scale(domain=list(found.labels), range=[BLUE, RED]), legend=None)


def _shape(found: Imbalance, legend: Any) -> Any:
    return altair().Shape("remedy:N", scale=_by_remedy(found, SHAPES), legend=legend)


def _ends(found: Sequence[Interval]) -> dict[str, list[Any]]:
    """Means with the ends of their intervals, cut to shares."""
    return {
        "mean": [one.mean for one in found],
        "low": [max(one.low, 0.0) if one.known else np.nan for one in found],
        "high": [min(one.high, 1.0) if one.known else np.nan for one in found],
        "within": [within(one, SHARE) for one in found],
    }


def _x(found: Imbalance, title: str) -> Any:
    alt = altair()
    ratios = list(found.ratios)
    words = json.dumps([f"{significant(ratio)}:1" for ratio in ratios])
    told = f"{words}[indexof({json.dumps(ratios)}, datum.value)]"
    bare = {} if title else {"labels": False, "ticks": False}
    axis = alt.Axis(title=title or None, values=ratios, labelExpr=told, grid=False, labelOverlap=False, **bare)
    ends = [ratios[0] / ratios[-1] ** 0.03, ratios[-1] ** 1.03]
    return alt.X("ratio:Q", axis=axis, scale=alt.Scale(type="log", domain=ends, nice=False))


def draw_imbalance_classes(study: StoredStudy) -> Figure:
    """Every class's recall at the largest ratio, with and without remedies, the most frequent class first."""
    found = imbalance(study)
    alt = altair()
    ratio = found.largest.case.ratio
    shown = [one for case, one in found.each.items() if case.ratio == ratio and not case.rare]
    even = {label: found.each.get(Case(label, 1.0)) for label in found.labels}
    chart = alt.hconcat(*(_by_class(found, shown, even[label], i) for i, label in enumerate(found.labels)), spacing=18)
    caption = t(
        "Recall of each class on the test images at 1:{ratio}, the most frequent class first, with the number of its "
        "training images; points and 95 % intervals are remedies ({seeds}), the tick is the same class where all are "
        "as frequent (1:1).",
        ratio=significant(ratio),
        seeds=seeds(found.n),
    )
    title = finished(chart, t("Recall class by class at 1:{ratio}", ratio=significant(ratio)), _subtitle(found))
    return Figure("imbalance-classes", title, caption + _left_out(found), told_classes(found, shown))


def shown_classes(found: Imbalance) -> list[int]:
    """All classes, the most frequent first; of very many those at both ends."""
    order = found.largest.order
    return order if len(order) <= MOST else [*order[: MOST // 2], *order[-MOST // 2 :]]


def _left_out(found: Imbalance) -> str:
    n = len(found.classes)
    if n <= MOST:
        return ""
    return " " + t("Of {count} classes, the {half} most frequent and the {half} rarest.", count=n, half=MOST // 2)


def told_classes(found: Imbalance, shown: Sequence[Treated]) -> str:
    """Which class is found least, and what a remedy makes of it, for both models."""
    parts = []
    for label in found.labels:
        mine = {one.case.remedy: one.found.recalls() for one in shown if one.case.model == label}
        plain = mine.pop(NONE, None)
        if plain is None:
            continue
        worst = int(np.argmin([one.mean for one in plain]))
        told = t(
            "{label} finds {class_name} least, {share} of its images",
            label=label,
            class_name=found.classes[worst],
            share=_percent(plain[worst]),
        )
        with_ = [
            t("{share} with {remedy}", share=_percent(each[worst]), remedy=t(remedy)) for remedy, each in mine.items()
        ]
        parts.append(", ".join([told, *with_]))
    return t(
        "Without a remedy at 1:{ratio}, {told}.",
        ratio=significant(found.largest.case.ratio),
        told="; ".join(parts),
    )


def _percent(found: Interval) -> str:
    return numeral(f"{100 * found.mean:.1f} %")


def _by_class(found: Imbalance, shown: Sequence[Treated], even: Treated | None, place: int) -> Any:
    """One model: a row for each class, a point for each remedy."""
    alt = altair()
    label, shade = found.labels[place], (BLUE, RED)[place]
    there = shown_classes(found)
    names = [_class_name(found, c) for c in there]
    mine = [one for one in shown if one.case.model == label]
    remedies = [t(name) for name in found.remedies if any(one.case.remedy == name for one in mine)]
    columns = {
        "class": [_class_name(found, c) for _ in mine for c in there],
        "remedy": [t(one.case.remedy) for one in mine for _ in there],
        "model": [label for _ in mine for _ in there],
        **_ends([recalls[c] for one in mine for recalls in [one.found.recalls()] for c in there]),
    }
    high = max(22, 8 * len(remedies) + 6)
    y = alt.Y("class:N", sort=None, scale=alt.Scale(domain=names), axis=_class_axis(place))
    aside = alt.YOffset("remedy:N", scale=alt.Scale(domain=remedies, paddingOuter=0.6))
    x = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="~%", title=t("recall"), tickCount=5)}
    base = alt.Chart(data(columns)).encode(y=y, yOffset=aside)
    tips = [alt.Tooltip("class:N", title=t("class")), alt.Tooltip("remedy:N", title=t("remedy"))]
    tips += [alt.Tooltip("mean:Q", title=t("mean"), format=".1%"), alt.Tooltip("within:N", title=t("95 % interval"))]
    layers = [
        base.transform_filter("isValid(datum.low)")
        .mark_rule(color=shade, strokeWidth=1.8, opacity=0.5)
        .encode(x=alt.X("low:Q", **x), x2="high:Q"),
        base.mark_point(filled=True, size=44, opacity=1).encode(
            x=alt.X("mean:Q", **x), shape=_shape(found, alt.Legend(**LOOK)), color=_shade(found), tooltip=tips
        ),
    ]
    if even is not None:
        ticks = {"class": names, "even": [even.found.recalls()[c].mean for c in there]}
        mark = alt.Chart(data(ticks)).mark_tick(color=STONE, thickness=1.6, size=high - 6)
        layers.insert(0, mark.encode(y=y, x=alt.X("even:Q", **x)))
    return alt.layer(*layers).properties(width=250, height=high * len(names), title=heading(label))


def _class_axis(place: int) -> Any:
    alt = altair()
    return (
        alt.Axis(title=None, grid=True, labelLimit=190, labelOverlap=False)
        if place == 0
        else alt.Axis(title=None, grid=True, labels=False, ticks=False)
    )


def _class_name(found: Imbalance, number: int) -> str:
    return f"{found.classes[number]} · " + numeral(f"{found.largest.images[number]:,}")
