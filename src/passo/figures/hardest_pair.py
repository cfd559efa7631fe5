"""The test images that are hard for one model and not for the other, and those that are hard for both."""

from __future__ import annotations

from typing import Any

from passo.analysis.hardest_pair import HardestPair, hardest_pair
from passo.figures.pictures import Canvas, address
from passo.figures.style import BLUE, INK, RED, STONE, Figure, finished
from passo.language import t
from passo.store import StoredStudy

ACROSS, SIDE, WIDE, HIGH = 8, 62, 88, 124  # images in a row; points of an image, of its place, of a row
HEAD = 22  # points of a row's heading


def draw_hardest_pair(study: StoredStudy) -> Figure:
    """Three rows of images: harder for the first model, harder for the second, hard for both."""
    found = hardest_pair(study)
    first, second = (one.label for one in found.felt)
    caption = t(
        "Test images, of the {n:,} whose pixels the study keeps, with the largest difference of the probabilities that "
        "both models give their true class (means over seeds), and those of which the larger of the two is smallest. "
        "Below each: what it is, then for {first} (blue) and {second} (red) the likeliest class and its probability, "
        "bold where that is wrong; its place in the test part.",
        n=len(found.places),
        first=first,
        second=second,
    )
    title = finished(_rows(found), t("The hardest images"), t("{n:,} test images", n=len(found.labels)))
    return Figure("hardest-pair", title, caption, found.sentence())


def _rows(found: HardestPair) -> Any:
    first, second = (one.label for one in found.felt)
    rows = (
        (t("harder for {first} than for {second}", first=first, second=second), found.harder(0, ACROSS)),
        (t("harder for {first} than for {second}", first=second, second=first), found.harder(1, ACROSS)),
        (t("hard for both"), found.hard_for_both(ACROSS)),
    )
    canvas = Canvas(ACROSS * WIDE, len(rows) * (HIGH + HEAD))
    for row, (heading, places) in enumerate(rows):
        top = row * (HIGH + HEAD)
        canvas.word(0, top + HEAD / 2, heading, size=11.5, align="left", weight=600)
        for column, place in enumerate(map(int, places)):
            _image(canvas, found, place, column * WIDE, top + HEAD)
    return canvas.chart()


def _image(canvas: Canvas, found: HardestPair, place: int, x: float, y: float) -> None:
    """One image with its words; its upper left corner at (x, y)."""
    canvas.picture(x, y, SIDE, SIDE, address(found.picture(place), SIDE))
    canvas.word(x, y + SIDE + 10, _short(found.classes[found.labels[place]]), size=10, colour=INK, align="left")
    for i, (one, shade) in enumerate(zip(found.felt, (BLUE, RED), strict=True)):
        text = f"{_short(found.classes[one.predicted[place]], 10)} {_percent(float(one.confidence[place]))}"
        right = one.predicted[place] == found.labels[place]
        canvas.word(x, y + SIDE + 23 + 12 * i, text, size=9.5, colour=shade, align="left", weight=400 if right else 600)
    canvas.word(x, y + SIDE + 47, t("no. {place}", place=place), size=8.5, colour=STONE, align="left")


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
