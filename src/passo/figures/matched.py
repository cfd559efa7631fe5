"""Two models of one size: where their parameters, their multiply-adds and their memory are, layer by layer."""

from __future__ import annotations

from typing import Any

from passo.analysis.matched import Costed, Layer, Matched, in_bytes, matched_models
from passo.figures.panels import heading
from passo.figures.style import BLUE, RED, STONE, WIDTH, Figure, altair, data, finished
from passo.language import later, numeral, t, tn
from passo.store import StoredStudy

MEASURES = {
    "parameters": later("trainable parameters"),
    "macs": later("multiply-adds"),
    "memory": later("memory"),
}
MOST = 12  # layers of one model that are drawn by themselves
ROOM = 1.55  # of the longest bar: its number stands behind it
HEIGHT = 17  # of one layer


def matched(study: StoredStudy) -> Figure:
    """Both models below each other, a row for each layer, a column for each cost, on common scales."""
    found = matched_models(study)
    chart = altair().vconcat(*(_model(found, place) for place in (0, 1)), spacing=14)
    caption = t(
        "What each layer costs for one image in float32: trainable parameters, multiply-adds (products of matrices and "
        "convolutions), and memory of its weights and its output. Scales are common to both models. Layers that cost "
        "nothing are left out; those without weights are drawn together, and so are the smallest of more than {most}.",
        most=MOST,
    )
    title = finished(chart, t("Two models of one size"), _subtitle(found))
    return Figure("matched", title, caption, found.sentence())


def _subtitle(found: Matched) -> list[str]:
    return [f"{one.label}: {one.told}" for one in (found.first, found.second)]


def _model(found: Matched, place: int) -> Any:
    """The three panels of one model."""
    model, shade = ((found.first, BLUE), (found.second, RED))[place]
    rows = _rows(model)
    panels = [_panel(found, rows, measure, shade, last=place == 1) for measure in MEASURES]
    chosen = ", ".join(f"{key} = {value}" for key, value in model.options.items())
    words = f"{model.label}: {chosen}" if chosen else model.label
    return altair().hconcat(*panels, spacing=10).properties(title=heading(words))


def _rows(model: Costed) -> list[Layer]:
    """The layers that have weights or multiply, the dearest where there are many, and the others as one."""
    working = [one for one in model.layers if one.parameters or one.macs]
    kept = sorted(working, key=lambda one: (one.parameters, one.macs), reverse=True)[:MOST]
    shown = [one for one in working if one in kept]
    rest = [one for one in model.layers if one not in shown and not one.free]
    if not rest:
        return shown
    sums = [sum(getattr(one, measure) for one in rest) for measure in MEASURES]
    return [*shown, Layer(tn("{n} other", "{n} others", len(rest)), "", (), *sums)]


def _panel(found: Matched, rows: list[Layer], measure: str, shade: str, *, last: bool) -> Any:
    alt = altair()
    values = [getattr(one, measure) for one in rows]
    both = [getattr(one, measure) for model in (found.first, found.second) for one in _rows(model)]
    scale = alt.Scale(domain=[0, ROOM * max(1, *both)], nice=False)
    words = [in_bytes(value) if measure == "memory" else numeral(f"{value:,}") for value in values]
    names = [one.layer for one in rows]
    source = data({"layer": names, "value": values, "word": words, "kind": [one.kind for one in rows]})
    bare = {"domain": False, "ticks": False, "grid": False}
    rows_axis = alt.Axis(title=None, labels=measure == "parameters", labelLimit=130, labelPadding=6, **bare)
    title = t(MEASURES[measure]) if last else None
    base = alt.Chart(source).encode(
        y=alt.Y("layer:N", sort=names, axis=rows_axis),
        x=alt.X("value:Q", scale=scale, axis=alt.Axis(title=title, labels=False, **bare)),
    )
    tips = [alt.Tooltip("layer:N", title=t("layer")), alt.Tooltip("kind:N", title=t("kind"))]
    tips.append(alt.Tooltip("word:N", title=t("word")))
    bars = base.mark_bar(color=shade, height={"band": 0.62}).encode(tooltip=tips)
    told = base.mark_text(align="left", dx=4, fontSize=10, color=STONE).encode(text="word:N")
    return alt.layer(bars, told).properties(width=WIDTH / 3 - 10, height=HEIGHT * len(rows))
