"""A figure as an answer: a specification with its words for a script, or a picture for a browser without scripts."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from passo.figures.style import Figure
from passo.web.answering import Asked

PICTURE = ".svg"  # how the name of a figure ends where a picture of it is asked for


def answer(asked: Asked, figure: Figure, *, picture: bool = False) -> Response:
    """The figure as JSON, or as SVG."""
    if not picture:
        return asked.json(words_of(figure))
    return Response(figure.svg(), media_type="image/svg+xml", headers={"cache-control": "private, no-cache"})


def words_of(figure: Figure) -> dict[str, Any]:
    """Its specification, its sentence and its caption."""
    return {"spec": figure.spec(), "sentence": figure.sentence, "caption": figure.caption}
