"""A race as a GIF: the same picture as the page's, frame by frame."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from passo.analysis.races import race
from passo.errors import require
from passo.figures import racing
from passo.figures.races import Scene

FRAMES, MILLISECONDS, REST = 72, 80, 2500
COLOURS = 192


def race_gif(source: Any, *, frames: int = FRAMES, scale: float = 0.9) -> bytes:
    """The race as an animated GIF of so many frames and a last one that rests; `scale` 1 is 1,000 pixels wide.

    What stands still is drawn once; what moves is drawn on glass over it. All frames share the colours of the last,
    which has every one of them, so that nothing flickers. Raises `MissingExtra` without vl-convert and Pillow.
    """
    scene = Scene(race(source))
    image = require("PIL.Image", "figures")
    ground = _drawn(racing.still(scene), scale).convert("RGB")
    steps = np.unique(np.linspace(0, scene.race.steps, frames).round().astype(int)).tolist()
    last = _over(ground, racing.glass(scene, steps[-1]), scale)
    palette = last.quantize(COLOURS, method=image.Quantize.MEDIANCUT, dither=image.Dither.NONE)
    pictures = []
    for step in steps:
        frame = _over(ground, racing.glass(scene, step), scale)
        pictures.append(frame.quantize(palette=palette, dither=image.Dither.NONE))
    buffer = io.BytesIO()
    durations = [*[MILLISECONDS] * (len(pictures) - 1), REST]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()


def _drawn(svg: str, scale: float) -> Any:
    convert, image = require("vl_convert", "figures"), require("PIL.Image", "figures")
    return image.open(io.BytesIO(convert.svg_to_png(svg, scale=scale))).convert("RGBA")


def _over(ground: Any, svg: str, scale: float) -> Any:
    glass = _drawn(svg, scale)
    frame = ground.copy()
    frame.paste(glass, (0, 0), glass)
    return frame
