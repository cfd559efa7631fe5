"""Where two models look, in two rows for a report: few images, each with its maps for two classes."""

from __future__ import annotations

import numpy as np

from passo.analysis.attributed import Attributed, attributed_pair
from passo.analysis.words import joined
from passo.figures.attributed import heated
from passo.figures.pictures import Canvas, address
from passo.figures.style import GREEN, INK, RED, STONE, Figure, finished
from passo.language import t
from passo.store import StoredStudy

SHOWN = 2  # predictions of each kind: right ones, then wrong ones
TILE, GAP, SPACE = 56.0, 4.0, 12.0  # pixels: a picture, between pictures of one image, between images
HEAD, WORDS, ROW = 17.0, 15.0, 14.0  # pixels: above a row, below pictures, between rows
LETTERS = 10


def gradcam_strip(study: StoredStudy) -> Figure:
    """A row for each model: images predicted rightly, then wrongly, each beside its maps for two classes."""
    both = attributed_pair(study)
    high = max(TILE * found.pixels.shape[1] / found.pixels.shape[2] for found in both)
    width = 2 * SHOWN * (3 * TILE + 2 * GAP + SPACE) - SPACE
    canvas = Canvas(width, 2 * (HEAD + high + WORDS) + ROW)
    for place, found in enumerate(both):
        _row(canvas, found, place * (HEAD + high + WORDS + ROW), high)
    told = joined([f"{found.name}: {found.way}" for found in both])
    chart = finished(canvas.chart(), t("Where two models look"), told)
    caption = t(
        "Each image, then what speaks for the class that was predicted (green where right, red where wrong) and for "
        "another: the second likeliest or the true one. {ways}.",
        ways=f"{told[0].upper()}{told[1:]}",
    )
    return Figure("gradcam-strip", chart, caption, " ".join(found.sentence() for found in both))


def chosen(found: Attributed) -> list[int]:
    """Which images are shown: the first right predictions, then the first wrong ones, of other classes where it can be.

    What was kept begins with the surest of each kind.
    """
    rows: list[int] = []
    for part in (found.correct, ~found.correct):
        there = [int(row) for row in np.flatnonzero(part)]
        first = [row for n, row in enumerate(there) if found.labels[row] not in found.labels[there[:n]]]
        rows += [*first, *(row for row in there if row not in first)][:SHOWN]
    return rows


def _row(canvas: Canvas, found: Attributed, y: float, high: float) -> None:
    """One model's images from the left to the right, its name and the layer above."""
    canvas.word(0, y + 7, f"{found.name}, {found.layers[-1]}", size=LETTERS + 1, align="left", weight=600)
    for place, row in enumerate(chosen(found)):
        x = place * (3 * TILE + 2 * GAP + SPACE)
        pixels, shade = found.pixels[row], GREEN if found.correct[row] else RED
        kinds = [(pixels, found.labels[row], INK)]
        for which, label in enumerate((found.predicted[row], found.other[row])):
            kinds.append((heated(pixels, found.maps[-1, row, which]), label, (shade, STONE)[which]))
        for number, (picture, label, colour) in enumerate(kinds):
            left = x + number * (TILE + GAP)
            canvas.picture(left, y + HEAD, TILE, high, address(picture, int(TILE)))
            name = _shortened(found.classes[int(label)])
            canvas.word(left + TILE / 2, y + HEAD + high + 8, name, size=LETTERS, colour=colour)


def _shortened(name: str, most: int = 11) -> str:
    """A class's name as far as a picture is wide."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
