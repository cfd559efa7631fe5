"""Which classes a run tells apart: its confusion matrix, and precision, recall and F1 of every class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.classified import Classified, classified, percent
from passo.analysis.recorded import Recorded
from passo.analysis.words import joined
from passo.figures.style import BLUE, GREEN, INK, ORANGE, RED, STONE, Figure, altair, colour, data, finished
from passo.language import later, t

RIGHT, WRONG = ("#DCE9F3", BLUE), ("#FDF3EC", RED)
SCORES = {later("precision"): ORANGE, later("recall"): BLUE, "F1": INK}


def confusion(run: Recorded) -> Figure:
    """The confusion matrix: shares of each true class as shades, counts in the cells."""
    found = classified(answers(run))
    caption = t(
        "{count:,} test images of {run}: rows are true classes, columns the likeliest ones. Shades are shares of the "
        "row, blue where that is right and red where it is wrong (stronger sooner); {inside}.",
        count=found.count,
        run=run.id,
        inside=_inside(found),
    )
    pairs = " ".join(pair.sentence() for pair in found.pairs(3))
    sentence = f"{found.sentence()} {pairs or t('No image is taken for another class.')}"
    chart = finished(_matrix(found), t("What is taken for what"), t("run {run}", run=run.id))
    return Figure("confusion", chart, caption, sentence)


def _inside(found: Classified) -> str:
    n = len(found.classes)
    if n <= 12:
        return t("a cell holds the count and, below, its share of the row in percent; empty cells hold none")
    return t("a cell holds the count") if n <= 25 else t("a pointer on a cell shows its count")


def _matrix(found: Classified) -> Any:
    alt = altair()
    n, names = len(found.classes), list(found.classes)
    cell = max(6, min(46, 480 // n))
    true, given = np.nonzero(found.confusion)
    share = found.rows[true, given]
    columns = {
        "true": np.array(names)[true],
        "predicted": np.array(names)[given],
        "count": found.confusion[true, given],
        "share": share,
        "shade": np.where(true == given, share, np.sqrt(share)),  # few mistakes are to be seen, too
        "right": (true == given).astype(int),
    }
    axis = {"domain": False, "ticks": False, "labelFontSize": min(11, cell + 0.5), "labelOverlap": False}
    turned = {"labelAngle": -40 if n <= 25 else -90}
    scale = alt.Scale(domain=names, paddingInner=0.04 if n <= 25 else 0)
    base = alt.Chart(data(columns)).encode(
        x=alt.X("predicted:N", scale=scale, axis=alt.Axis(title=t("likeliest class"), **axis, **turned)),
        y=alt.Y("true:N", scale=scale, axis=alt.Axis(title=t("true class"), **axis)),
    )
    layers = [_cells(base, 1, RIGHT), _cells(base, 0, WRONG), *_words(base, n, cell)]
    return alt.layer(*layers).resolve_scale(color="independent").properties(width=cell * n, height=cell * n)


def _cells(base: Any, right: int, shades: tuple[str, str]) -> Any:
    alt = altair()
    tips = [
        alt.Tooltip("true:N", title=t("true")),
        alt.Tooltip("predicted:N", title=t("predicted")),
        alt.Tooltip("count:Q", title=t("count")),
        alt.Tooltip("share:Q", title=t("share of the class"), format=".1%"),
    ]
    shade = alt.Color("shade:Q", scale=alt.Scale(domain=[0, 1], range=list(shades)), legend=None)
    return base.transform_filter(f"datum.right == {right}").mark_rect().encode(color=shade, tooltip=tips)


def _words(base: Any, n: int, cell: int) -> list[Any]:
    """Counts, and below them the shares, as far as the cells have room."""
    alt = altair()
    ink = alt.condition("datum.shade > (datum.right ? 0.5 : 0.75)", alt.value("white"), alt.value(INK))
    if n > 25:
        return []
    if n > 12:
        return [base.mark_text(fontSize=min(10, cell * 0.42)).encode(text="count:Q", color=ink)]
    share = base.transform_calculate(percent="format(100 * datum.share, datum.share < 0.095 ? '.1~f' : '.0f') + ' %'")
    return [
        base.mark_text(fontSize=12, dy=-6).encode(text="count:Q", color=ink),
        share.mark_text(fontSize=9, dy=8, opacity=0.85).encode(text="percent:N", color=ink),
    ]


def classes(run: Recorded) -> Figure:
    """Precision, recall and F1 of each class, the best F1 first, beside how many images it has."""
    found = classified(answers(run))
    order = np.argsort(-np.nan_to_num(found.f1, nan=-1.0), kind="stable")
    names = [found.classes[c] for c in order]
    high = max(9, min(26, 620 // len(names)))
    chart = altair().hconcat(_scores(found, names, high), _images(found, names, high), spacing=16)
    caption = t(
        "{count:,} test images of {run}, classes by F1. Precision: of the images given a class, how many are of it; "
        "recall: of its images, how many are given it. Lines: accuracy, and balanced accuracy (mean recall) where it "
        "is another. 0/0: there is nothing to take a share of. Right: test images of each class.",
        count=found.count,
        run=run.id,
    )
    title = finished(chart, t("Precision, recall and F1 of every class"), t("run {run}", run=run.id))
    return Figure("classes", title, caption, found.sentence())


def _scores(found: Classified, names: list[str], high: int) -> Any:
    alt = altair()
    told = [t(name) for name in SCORES]
    scores = dict(zip(told, (found.precision, found.recall, found.f1), strict=True))
    columns = {
        "class": np.tile(found.classes, 3),
        "score": np.repeat(list(scores), len(names)),
        "value": np.concatenate(list(scores.values())),
    }
    look = alt.Axis(title=None, grid=True, labelFontSize=min(11, high), labelOverlap=False, labelLimit=170)
    axis = {"scale": _room(found), "axis": alt.Axis(format="~%", title=t("share"), tickCount=6)}
    base = alt.Chart(data(columns)).encode(y=alt.Y("class:N", sort=names, axis=look))
    span = base.mark_rule(color="#C9CED4", strokeWidth=2).encode(x=alt.X("min(value):Q", **axis), x2="max(value):Q")
    dots = base.mark_point(filled=True, opacity=1, size=min(70, 4 * high)).encode(
        x=alt.X("value:Q", **axis),
        color=colour("score", told, list(SCORES.values())),
        shape=alt.Shape("score:N", scale=alt.Scale(domain=told, range=["triangle-up", "circle", "diamond"])),
        tooltip=[
            alt.Tooltip("class:N", title=t("class")),
            alt.Tooltip("score:N", title=t("score")),
            alt.Tooltip("value:Q", title=t("value"), format=".1%"),
        ],
    )
    layers = [span, *_levels(found), dots, *_nothing(found, scores, names)]
    return alt.layer(*layers).properties(width=390, height=high * len(names))


def _nothing(found: Classified, scores: Mapping[str, np.ndarray], names: list[str]) -> list[Any]:
    """At the left of a row, which of its scores are 0/0."""
    alt = altair()
    gone = {c: [name for name, values in scores.items() if np.isnan(values[c])] for c in range(len(found.classes))}
    gone = {c: parts for c, parts in gone.items() if parts}
    if not gone:
        return []
    source = {"class": [found.classes[c] for c in gone], "word": [f"{joined(parts)} 0/0" for parts in gone.values()]}
    told = alt.Chart(data(source)).mark_text(align="left", dx=6, fontSize=10, color=STONE)
    return [told.encode(y=alt.Y("class:N", sort=names), x=alt.value(0), text="word:N")]


def _room(found: Classified) -> Any:
    """From a round number below the least score, from 0 where one is 0/0 (its word stands there), to 100 %."""
    scores = np.concatenate([found.precision, found.recall, found.f1])
    low = 0.0 if np.isnan(scores).any() else np.floor(10 * float(scores.min())) / 10
    return altair().Scale(domain=[min(low, 0.9), 1.0], nice=False)


def _levels(found: Classified) -> list[Any]:
    alt = altair()
    accuracy, balanced = percent(found.accuracy), percent(found.balanced_accuracy)
    levels = [(found.accuracy, f"{t('accuracy')} {accuracy}", -6, [4, 3])]
    if accuracy != balanced:
        levels.append((found.balanced_accuracy, f"{t('balanced accuracy')} {balanced}", -18, [1, 3]))
    layers = []
    for value, word, dy, dash in levels:
        source = alt.Chart(data({"value": [value], "word": [word]})).encode(x="value:Q")
        layers.append(source.mark_rule(strokeDash=dash, color=INK, opacity=0.7))
        layers.append(source.mark_text(fontSize=10.5, color=INK).encode(y=alt.value(dy), text="word:N"))
    return layers


def _images(found: Classified, names: list[str], high: int) -> Any:
    alt = altair()
    source = alt.Chart(data({"class": found.classes, "images": found.images}))
    return (
        source.mark_bar(color=GREEN, opacity=0.55, height={"band": 0.6})
        .encode(
            y=alt.Y("class:N", sort=names, axis=None),
            x=alt.X("images:Q", axis=alt.Axis(title=t("test images"), tickCount=2, format="~s", grid=False)),
            tooltip=[alt.Tooltip("class:N", title=t("class")), alt.Tooltip("images:Q", title=t("images"))],
        )
        .properties(width=90, height=high * len(names))
    )
