"""Which test images a perturbation flips: how many by which strength, and those that flip first, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.flips import Flips, of
from passo.analysis.perturbed import CLEAN, Along, alongs, axis_title, labels_of, scaled, spoken, told, ways
from passo.analysis.words import joined, seeds
from passo.errors import StoreError
from passo.figures.panels import heading
from passo.figures.pictures import Canvas, address
from passo.figures.robustness import ACROSS, CLEARLY, HIGH, WIDE, curves, grid
from passo.figures.style import BLUE, INK, RED, STONE, Figure, altair, data, finished
from passo.language import numeral, t
from passo.store import StoredStudy

SIDE, PAIR_GAP, WIDTH = 40, 3, 620
SHOWN = 3  # images of each model and perturbation
_BETWEEN = 20  # the two models


def draw_flips(study: StoredStudy) -> Figure:
    """The share of images that are flipped, up to each strength of each perturbation, for both models."""
    found = _clean(study)
    every = [of(way, [one for one in found if one.perturbation == way]) for way in ways(found)]
    models = labels_of(study)
    panels = [_panel(one, models, place % ACROSS == 0) for place, one in enumerate(every)]
    n = len(found[0].seeds)
    images = t("{n:,} test images", n=len(found[0].labels))
    caption = t(
        "Of the images that a model, trained on unchanged images, names rightly unchanged: how many it has named "
        "wrongly at that strength or a smaller one. Dotted: half. {seeds}; {images}. Since an image may be named "
        "rightly again at a greater strength, this only rises.",
        seeds=seeds(n).capitalize(),
        images=images,
    )
    chart = finished(grid(panels), t("How many images flip"), images)
    return Figure("flips", chart, caption, " ".join(one.sentence() for one in every))


def _clean(study: StoredStudy) -> list[Along]:
    """What was measured of models that were trained on unchanged images."""
    found = [one for one in alongs(study) if one.trained == CLEAN]
    if not found:
        raise StoreError(f"{study.folder} measured no model that was trained on unchanged images")
    return found


def _panel(found: Flips, models: Sequence[str], left: bool) -> Any:
    """One perturbation: a line and a band for each model, over the size of the strength."""
    alt = altair()
    way, two_sided = found.perturbation, len(found.models[0].along.sides) > 1
    zero = scaled(way, 0.0) if two_sided else 0.0  # of sizes both ways, how far from unchanged
    rows: dict[str, list[Any]] = {name: [] for name in ("x", "y", "low", "high", "model", "trained")}
    for one in found.models:
        for name, values in zip(("y", "low", "high"), one.band, strict=True):
            rows[name] += [0.0, *values.clip(0, 1).tolist()]
        rows["x"] += [0.0, *(scaled(way, float(size)) - zero for size in one.sizes)]
        rows["model"] += [one.model] * (len(one.sizes) + 1)
        rows["trained"] += [t(CLEARLY)] * (len(one.sizes) + 1)
    title = axis_title(way, either=two_sided)
    lines = curves(rows, models, (t(CLEARLY),), title, t("flipped"), left=left)
    half = alt.Chart(data({"y": [0.5]})).mark_rule(strokeDash=[1, 3], color=INK, opacity=0.7).encode(y="y:Q")
    return alt.layer(half, *lines).properties(width=WIDE, height=HIGH, title=heading(spoken(way)))


# ── The images that flip first ────────────────────────────────────────────────────────────────────────────


def draw_flipped_images(study: StoredStudy) -> Figure:
    """The images that the smallest strengths flip, before and after, with what they were taken for."""
    found, models = _clean(study), labels_of(study)
    rows = ways(found)
    canvas = Canvas(WIDTH, 26 + len(rows) * _row_height())
    for column, model in enumerate(models):
        canvas.word(
            _left(column, len(models)), 10, model, size=12.5, colour=(BLUE, RED)[column], align="left", weight=600
        )
    for row, way in enumerate(rows):
        top = 26 + row * _row_height()
        canvas.word(0, top + 8, spoken(way), size=11.5, align="left", weight=600)
        for column, model in enumerate(models):
            for one in found:
                if (one.perturbation, one.model) == (way, model):
                    _first(canvas, one, _left(column, len(models)), top + 18)
    caption = t(
        "Of each perturbation, the images that the smallest strength flips for more than half of the seeds, those that "
        "were surest before first: as they are (left) and as they were shown (right), with the strength, the class "
        "that they are, and the class that they were taken for. Models trained on unchanged images."
    )
    chart = finished(canvas.chart(), t("The images that flip first"))
    return Figure("flipped-images", chart, caption, _told(found))


def _row_height() -> int:
    return 18 + SIDE + 52


def _left(column: int, columns: int) -> float:
    return column * (WIDTH + _BETWEEN) / columns


def _first(canvas: Canvas, one: Along, x: float, y: float) -> None:
    """The first images of one model, side by side, each with its words below."""
    step = (WIDTH - _BETWEEN) / 2 / SHOWN
    if not len(one.pictured):
        canvas.word(x, y + SIDE / 2, t("no strength flips an image"), colour=STONE, align="left")
    for place, (row, pair) in enumerate(zip(one.pictured[:SHOWN], one.pictures[:SHOWN], strict=True)):
        left = x + place * step
        for at, picture in enumerate(pair):
            source = address(np.moveaxis(picture, 0, -1) if picture.ndim == 3 else picture, SIDE)
            canvas.picture(left + at * (SIDE + PAIR_GAP), y, SIDE, SIDE, source)
        _, k, true, taken = (int(value) for value in row)
        words = (
            (_short(one.classes[true]), INK, 400),
            (f"→ {_short(one.classes[taken])}", INK, 600),
            (_strength(one, k), STONE, 400),
        )
        for line, (text, shade, weight) in enumerate(words):
            canvas.word(left, y + SIDE + 9 + 12.5 * line, text, size=10, colour=shade, align="left", weight=weight)


def _strength(one: Along, k: int) -> str:
    """A strength in a few letters: its number and the unit of its axis."""
    number = numeral(f"{scaled(one.perturbation, float(one.strengths[k])):.3g}")
    if one.perturbation == "gaussian-noise":
        return t("sd {number}", number=number)
    return number + {"rotation": "°", "shift": " px"}.get(one.perturbation, " %")


def _short(name: str, most: int = 15) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _told(found: Sequence[Along]) -> str:
    """For each perturbation, the smallest strength that flips an image, and what is taken for what."""
    parts = []
    for way in ways(found):
        there = [one for one in found if one.perturbation == way and len(one.pictured)]
        for k in sorted({int(one.pictured[0, 1]) for one in there}):
            turns = joined([_turned(one) for one in there if int(one.pictured[0, 1]) == k])
            strength = told(way, float(there[0].strengths[k]))
            parts.append(t("{strength} makes {turns}", strength=strength, turns=turns))
    if not parts:
        return t("No strength flips an image for more than half of the seeds.")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _turned(one: Along) -> str:
    _, _, true, taken = (int(value) for value in one.pictured[0])
    given, of = one.classes[taken], one.classes[true]
    return t("{given} of {true} for the {label}", given=given, true=of, label=one.model)
