"""A race as a GIF: the same picture as the page's, frame by frame."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from passo.analysis.races import race
from passo.errors import require
from passo.figures import racing
from passo.figures.races import Scene
from passo.figures.style import INK

FRAMES, MILLISECONDS, REST = 72, 80, 2500


def race_gif(source: Any, *, frames: int = FRAMES, scale: float = 0.9) -> bytes:
    """The race as an animated GIF of so many frames and a last one that rests; `scale` 1 is 1,000 pixels wide.

    What stands still is drawn once; what moves is drawn on glass over it. All frames share one palette, so that nothing
    flickers. Raises `MissingExtra` without vl-convert and Pillow.
    """
    scene = Scene(race(source))
    image = require("PIL.Image", "figures")
    ground = _drawn(racing.still(scene), scale).convert("RGB")
    steps = np.unique(np.linspace(0, scene.race.steps, frames).round().astype(int)).tolist()
    palette = image.new("P", (1, 1))
    palette.putpalette(_palette(scene))
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


def _palette(scene: Scene) -> list[int]:
    """At most 256 colours: the racers' and the ground's, and what smooth edges make of them.

    A palette counted from a frame would give thin paths the colours of the wide ground around them.
    """
    shades = [_rgb(shade) for shade in dict.fromkeys(shade for shade, _ in scene.bands)]
    white, ink = np.full(3, 255.0), _rgb(INK)
    found = [white, *(_mixed(white, ink, share) for share in np.linspace(0.1, 1, 12))]
    found += [*shades, *(_mixed(shade, white, 0.5) for shade in shades[: len(shades) // 2])]
    for colour in dict.fromkeys(scene.colours.values()):
        own = _rgb(colour)
        grounds = (white, shades[0], shades[len(shades) // 2])
        found += [own, *(_mixed(below, own, share) for below in grounds for share in (0.3, 0.6, 0.85))]
    return [round(float(part)) for rgb in found[:256] for part in rgb]


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float64)


def _mixed(below: np.ndarray, above: np.ndarray, share: float) -> np.ndarray:
    return below + share * (above - below)


def _drawn(svg: str, scale: float) -> Any:
    convert, image = require("vl_convert", "figures"), require("PIL.Image", "figures")
    return image.open(io.BytesIO(convert.svg_to_png(svg, scale=scale))).convert("RGBA")


def _over(ground: Any, svg: str, scale: float) -> Any:
    glass = _drawn(svg, scale)
    frame = ground.copy()
    frame.paste(glass, (0, 0), glass)
    return frame
