"""Both models' confusion matrices side by side, their difference, and the mistakes in which they differ most."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.confused import Cell, ConfusedPair, confused_pair
from passo.analysis.paired_shares import SHARE
from passo.analysis.words import amount, joined, within
from passo.figures.panels import heading
from passo.figures.style import BLUE, INK, RED, Figure, altair, data, finished
from passo.language import later, t
from passo.store import StoredStudy

PALE, MISTAKE = "#FFFFFF", "#4A4F57"  # mistakes are grey: colours are the models'
FULL, LARGE = 320, 400  # points that a matrix may be wide, and one of many classes
FEW = 20  # classes, up to which cells hold numbers
MOST = 8  # mistakes that are drawn with their intervals
EMPTY = 0.005  # a share below half a percent is an empty cell


def draw_confusion_pair(study: StoredStudy) -> Figure:
    """The matrices of both models, trained as the study's base; see `analysis.confused`."""
    return confusion_pair(confused_pair(study))


def confusion_pair(found: ConfusedPair) -> Figure:
    """Two matrices above; below, their difference, and the mistakes that differ most with their intervals."""
    alt = altair()
    above = alt.hconcat(
        _matrix(found, found.first.rates.mean(0), found.labels[0], BLUE),
        _matrix(found, found.second.rates.mean(0), found.labels[1], RED, names=False),
        spacing=26,
    ).resolve_scale(color="independent")
    below = alt.hconcat(_difference(found), _mistakes(found), spacing=26).resolve_scale(color="independent")
    chart = alt.vconcat(above, below, spacing=18).resolve_scale(color="independent", y="independent")
    title = finished(chart, t("What each model takes for what"), _subtitle(found))
    return Figure("confusion-pair", title, _caption(found), found.sentence())


def _caption(found: ConfusedPair) -> str:
    few, many = (
        later(
            "Rows are true classes, columns the answers; numbers are percent of the true class ({over}), empty below "
            "half a percent."
        ),
        later(
            "Rows are true classes, columns the answers; stronger is more of the true class ({over}), empty below half "
            "a percent."
        ),
    )
    framed, unframed = (
        later(
            "Below: {first} less {second} in points, blue where {first} does it more often and red where {second} "
            "does; framed: told apart after the correction for all cells compared; right: the mistakes that differ "
            "most, with 95 % intervals, strong where told apart."
        ),
        later(
            "Below: {first} less {second} in points, blue where {first} does it more often and red where {second} "
            "does; right: the mistakes that differ most, with 95 % intervals, strong where told apart."
        ),
    )
    names = {"first": found.labels[0], "second": found.labels[1]}
    parts = (
        t(few if len(found.classes) <= FEW else many, over=_over(found.n)),
        t("Above: {first} and {second}; on the diagonal what is right, in the model's colour.", **names),
        t(framed if found.n > 1 else unframed, **names),
    )
    return " ".join(parts)


def _subtitle(found: ConfusedPair) -> str:
    accuracies = [amount(float(one.accuracy.mean()), SHARE) for one in (found.first, found.second)]
    return t(
        "{images:,} test images; accuracy: {accuracies} ({over})",
        images=found.first.counts[0].sum(),
        accuracies=joined([f"{label} {share}" for label, share in zip(found.labels, accuracies, strict=True)]),
        over=_over(found.n),
    )


def _over(n: int) -> str:
    return t("means over {n} seeds", n=n) if n > 1 else t("one seed")


def _side(found: ConfusedPair) -> float:
    return max(5.0, min(56.0, (FULL if len(found.classes) <= FEW else LARGE) / len(found.classes)))


def _grid(found: ConfusedPair, columns: dict[str, Any], names: bool) -> tuple[Any, dict[str, Any]]:
    """The base of a matrix over `columns`, with its axes, and its size."""
    alt = altair()
    side, classes = _side(found), list(found.classes)
    look = {"domain": False, "ticks": False, "labelFontSize": max(7.0, min(10.5, side - 3)), "labelOverlap": side < 10}
    look |= {"labelLimit": 92, "grid": False, "labelPadding": 4}
    scale = alt.Scale(domain=classes, paddingInner=0.05, paddingOuter=0)
    rows = alt.Axis(title=None, **look) if names else None
    base = alt.Chart(data(columns)).encode(
        x=alt.X(
            "given:N", scale=scale, axis=alt.Axis(title=None, labelAngle=-45 if len(classes) <= 12 else -90, **look)
        ),
        y=alt.Y("true:N", scale=scale, axis=rows),
    )
    return base, {"width": side * len(classes), "height": side * len(classes)}


def _columns(found: ConfusedPair, values: np.ndarray) -> dict[str, Any]:
    """A matrix (C, C) cell by cell, but for empty ones."""
    true, given = np.nonzero(np.nan_to_num(np.abs(values)) >= EMPTY)
    names = np.array(found.classes)
    return {"true": names[true], "given": names[given], "value": values[true, given], "right": (true == given) * 1}


def _matrix(found: ConfusedPair, rates: np.ndarray, label: str, shade: str, *, names: bool = True) -> Any:
    """One model's mean shares: what is right in its colour, mistakes in grey, stronger sooner."""
    alt = altair()
    columns = _columns(found, rates)
    columns["shade"] = np.where(columns["right"], columns["value"], np.sqrt(columns["value"]))
    base, size = _grid(found, columns, names)
    tips = [*_tips(), alt.Tooltip("value:Q", title=t("share"), format=".1%")]
    layers = [
        base.transform_filter(f"datum.right == {right}")
        .mark_rect()
        .encode(
            color=alt.Color("shade:Q", scale=alt.Scale(domain=[0, 1], range=[PALE, dark]), legend=None), tooltip=tips
        )
        for right, dark in ((1, shade), (0, MISTAKE))
    ]
    ink = alt.condition("datum.shade > 0.55", alt.value("white"), alt.value(INK))
    words = base.mark_text(fontSize=_size(found)).encode(text=alt.Text("percent:N"), color=ink)
    words = words.transform_calculate(percent="format(100 * datum.value, '.0f')")
    layers += [words] if len(found.classes) <= FEW else []
    return alt.layer(*layers).resolve_scale(color="independent").properties(title=heading(label), **size)


def _tips() -> list[Any]:
    """Which cell it is, for a pointer."""
    alt = altair()
    return [alt.Tooltip("true:N", title=t("true")), alt.Tooltip("given:N", title=t("given"))]


def _size(found: ConfusedPair) -> float:
    return min(11.0, _side(found) * 0.42)


def _difference(found: ConfusedPair) -> Any:
    """First less second, in points; cells that are told apart have a frame."""
    alt = altair()
    columns = _columns(found, found.difference)
    most = float(np.abs(columns["value"]).max(initial=0.02))
    base, size = _grid(found, columns, True)
    shade = alt.Color(
        "value:Q", scale=alt.Scale(domain=[-most, 0, most], range=[RED, PALE, BLUE], interpolate="rgb"), legend=None
    )
    tips = [*_tips(), alt.Tooltip("value:Q", title=t("difference"), format="+.1%")]
    ink = alt.condition(f"abs(datum.value) > {0.6 * most:g}", alt.value("white"), alt.value(INK))
    words = base.transform_calculate(
        points="(datum.value > 0 ? '+' : '−') + format(abs(100 * datum.value), '.0f')"
    ).mark_text(fontSize=_size(found) - 0.5)
    layers = [base.mark_rect().encode(color=shade, tooltip=tips)]
    layers += [words.encode(text="points:N", color=ink)] if len(found.classes) <= FEW else []
    if found.apart:
        classes = found.classes
        framed = {"true": [classes[c.true] for c in found.apart], "given": [classes[c.given] for c in found.apart]}
        frames, _ = _grid(found, framed, True)
        layers.append(frames.mark_rect(fill=None, filled=False, stroke=INK, strokeWidth=1.6))
    title = t("{first} − {second} (points)", first=found.labels[0], second=found.labels[1])
    return alt.layer(*layers).resolve_scale(color="independent").properties(title=heading(title), **size)


def _mistakes(found: ConfusedPair) -> Any:
    """The mistakes that differ most: both models' shares with their intervals."""
    alt = altair()
    shown = found.mistakes[:MOST]
    columns = _mistake_columns(found, shown)
    order = [_called(found, cell) for cell in shown]
    scale = alt.Scale(domain=list(found.labels), range=[BLUE, RED])
    legend = alt.Legend(orient="bottom", title=None) if shown else None
    base = alt.Chart(data(columns)).encode(
        y=alt.Y("mistake:N", sort=None, scale=alt.Scale(domain=order), axis=None),
        yOffset=alt.YOffset("model:N", scale=alt.Scale(domain=list(found.labels), range=[18, 26])),
        color=alt.Color("model:N", scale=scale, legend=legend),
        opacity=alt.condition("datum.apart == 1", alt.value(1.0), alt.value(0.45)),
    )
    low = alt.X("low:Q", title=t("share of the true class"), axis=alt.Axis(format="~%", tickCount=5))
    tips = [alt.Tooltip("mistake:N", title=t("mistake")), alt.Tooltip("model:N", title=t("model"))]
    tips += [alt.Tooltip("mean:Q", title=t("mean"), format=".1%"), alt.Tooltip("within:N", title=t("95 % interval"))]
    names = alt.Chart(data({"mistake": order})).mark_text(align="left", fontSize=10.5, color=INK, baseline="middle")
    layers = [
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.4).encode(x=low, x2="high:Q"),
        base.mark_point(filled=True, size=44).encode(x=alt.X("mean:Q", scale=alt.Scale(zero=True)), tooltip=tips),
        names.encode(
            y=alt.Y("mistake:N", sort=None, scale=alt.Scale(domain=order), axis=None),
            yOffset=alt.value(7),
            x=alt.value(2),
            text="mistake:N",
        ),
    ]
    title = heading(t("mistakes that differ most") if shown else t("no mistake is frequent enough to be compared"))
    side = _side(found) * len(found.classes)
    return alt.layer(*layers).properties(width=max(side, 240.0), height=max(side, 30 * len(shown)), title=title)


def _mistake_columns(found: ConfusedPair, shown: tuple[Cell, ...]) -> dict[str, list[Any]]:
    rows = [
        (
            _called(found, cell),
            label,
            one.mean,
            max(one.low, 0.0) if one.known else np.nan,
            one.high,
            within(one, SHARE),
            apart,
        )
        for cell in shown
        for apart in [int(cell.apart)]
        for label, one in zip(found.labels, (cell.first, cell.second), strict=True)
    ]
    names = ("mistake", "model", "mean", "low", "high", "within", "apart")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _called(found: ConfusedPair, cell: Cell) -> str:
    return f"{found.classes[cell.true]} → {found.classes[cell.given]}"
