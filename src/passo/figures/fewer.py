"""Accuracy with fewer classes, the first ones and the most confused ones, against chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.fewer import CONFUSED, FIRST, Fewer, fewer
from passo.analysis.paired_shares import SHARE
from passo.analysis.varied import listed
from passo.analysis.words import seeds, within
from passo.figures.style import BLUE, RED, STONE, WIDTH, Figure, altair, colour, data, finished, shape
from passo.language import t
from passo.store import StoredStudy

KINDS = (FIRST, CONFUSED)
ASIDE = 0.03  # of a place, each model to its side


def draw_classes(study: StoredStudy) -> Figure:
    """Test accuracy against the number of classes, for both models."""
    found = fewer(study)
    named = [f"{count}: {listed(names)}" for count in found.counts[:-1] if (names := found.classes(count, CONFUSED))]
    caption = t(
        "Test accuracy of networks trained and tested on some of the classes alone; points and lines are means, rules "
        "intervals ({seeds}); dashed grey is what guessing gives, 1 in k.",
        seeds=seeds(found.n),
    )
    caption += f" {t('The most confused: {names}.', names='; '.join(named))}" if named else ""
    chart = finished(_chart(found), t("Fewer classes"), t("{n} classes in all", n=max(found.counts)))
    return Figure("classes", chart, caption, found.sentence())


def _chart(found: Fewer) -> Any:
    alt = altair()
    kinds = [kind for kind in KINDS if any(taken.kind == kind for taken in found.each)]
    y = alt.Y(
        "mean:Q", title=t("test accuracy"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="~%", tickCount=6)
    )
    x = _x(found)
    base = alt.Chart(data(_columns(found))).encode(x=x, color=colour("label", list(found.labels), [BLUE, RED]))
    told = [t(kind) for kind in kinds]
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=told, range=[[1, 0], [5, 4]][: len(kinds)]), legend=None)
    tips = [alt.Tooltip("label:N", title=t("label")), alt.Tooltip("classes:N", title=t("classes"))]
    tips += [alt.Tooltip("mean:Q", title=t("mean"), format=".1%"), alt.Tooltip("within:N", title=t("95 % interval"))]
    layers = [
        _chance(found, x),
        base.mark_line(strokeWidth=1.4, opacity=0.6).encode(y=y, strokeDash=dash),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=shape("label", found.labels), tooltip=tips),
        _words(found, kinds, x),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=270)


def _x(found: Fewer) -> Any:
    """Numbers of classes, evenly spaced, with room for words at the left."""
    alt = altair()
    places = list(range(len(found.counts)))
    axis = alt.Axis(title=t("classes"), values=places, labelExpr=f"{list(found.counts)}[datum.value]", grid=False)
    return alt.X("x:Q", axis=axis, scale=alt.Scale(domain=[-0.3 * len(places), places[-1] + 0.3], nice=False))


def _chance(found: Fewer, x: Any) -> Any:
    chance = data({"x": list(range(len(found.counts))), "mean": [1 / number for number in found.counts]})
    return altair().Chart(chance).mark_line(color=STONE, strokeDash=[2, 3], strokeWidth=1.4).encode(x=x, y="mean:Q")


def _words(found: Fewer, kinds: list[str], x: Any) -> Any:
    """What a line is, left of its first points: which classes, where there are two kinds; chance."""
    rows = [(0.0, 1 / found.counts[0], t("chance"))]
    for kind in kinds if len(kinds) > 1 else ():
        first = min(taken.number for taken in found.each if taken.kind == kind)
        there = [one.mean for taken, one in found.accuracy.items() if (taken.number, taken.kind) == (first, kind)]
        rows.append((float(found.counts.index(first)), float(np.mean(there)), t(kind)))
    words = altair().Chart(data({name: [row[i] for row in rows] for i, name in enumerate(("x", "mean", "word"))}))
    return words.mark_text(align="right", dx=-12, fontSize=11, color=STONE).encode(x=x, y="mean:Q", text="word:N")


def _columns(found: Fewer) -> dict[str, list[Any]]:
    """Every point, the models beside each other; all classes stand for the end of both lines."""
    rows = []
    for taken, one in found.accuracy.items():
        last = taken.number == max(found.counts)
        confused = any(other.kind == CONFUSED and other.model == taken.model for other in found.each)
        low, high = (max(one.low, 0.0), min(one.high, 1.0)) if one.known else (np.nan, np.nan)
        x = found.counts.index(taken.number) + ASIDE * (2 * found.labels.index(taken.model) - 1)
        told = (one.mean, low, high, within(one, SHARE), listed(found.each[taken].classes))
        rows += [(x, taken.model, t(kind), *told) for kind in (KINDS if last and confused else (taken.kind,))]
    names = ("x", "label", "kind", "mean", "low", "high", "within", "classes")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
