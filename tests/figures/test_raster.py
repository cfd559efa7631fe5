"""What is rasterised is the picture that was drawn, with fewer layers."""

from __future__ import annotations

import io

import numpy as np
import pytest

from passo.figures.raster import flattened, png

pytest.importorskip("vl_convert")
pictures = pytest.importorskip("PIL.Image")

SIZE = 'width="60" height="40"'
HEAD = f'<svg xmlns="http://www.w3.org/2000/svg" {SIZE}><rect {SIZE} fill="#fff"/><g fill="none">'
CLIPS = "".join(f'<clipPath id="c{i}"><rect width="{20 + 20 * (i > 3)}" height="30"/></clipPath>' for i in range(6))
LINE = '<path d="M-5,{y}L70,{z}" stroke="{shade}" stroke-width="3" opacity="0.4"/>'
ROWS = [(0, 5, 9, "#0064A8"), (1, 9, 22, "#BC4300"), (2, 25, 3, "#008C66"), (4, 28, 16, "#882255")]
LINES = "".join(
    f'<g clip-path="url(#c{i})"><g transform="translate(2,1)">{LINE.format(y=y, z=z, shade=shade)}</g></g>'
    for i, y, z, shade in ROWS
)
MOVED = '<g transform="translate(15,5)" clip-path="url(#c3)"><path d="M0,0h40v12h-40Z" fill="red" opacity="0.5"/></g>'
DRAWN = f'{HEAD}<g transform="translate(4,4)">{LINES}{MOVED}</g></g><defs>{CLIPS}</defs></svg>'


def pixels(drawn: bytes) -> np.ndarray:
    return np.asarray(pictures.open(io.BytesIO(drawn)).convert("RGBA"), int)


def test_the_picture_is_the_same_with_fewer_clips_and_no_layer_for_opacity() -> None:
    import vl_convert

    plain, made = pixels(vl_convert.svg_to_png(DRAWN, scale=2)), pixels(png(DRAWN))
    assert plain.any() and plain.shape == made.shape and np.abs(plain - made).max() <= 2
    told = flattened(DRAWN)
    assert (DRAWN.count("clip-path="), told.count("clip-path=")) == (5, 3) and ' opacity="' not in told


def test_what_is_filled_and_stroked_keeps_its_layer() -> None:
    both = f'{HEAD}<path d="M9,9h30v20h-30Z" fill="red" stroke="blue" stroke-width="8" opacity="0.5"/></g></svg>'
    assert ' opacity="0.5"' in flattened(both)
