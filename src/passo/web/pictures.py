"""A figure as an answer: a specification with its words for a script, or a picture for a browser without scripts."""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import Any

from starlette.responses import Response

from passo.errors import StoreError
from passo.figures.style import Figure
from passo.web.answering import Asked

PICTURE = ".svg"  # how the name of a figure ends where a picture of it is asked for


def answer(asked: Asked, figure: Figure, *, picture: bool = False) -> Response:
    """The figure as JSON, or as SVG."""
    if not picture:
        return asked.json(words_of(figure))
    return Response(figure.svg(), media_type="image/svg+xml", headers={"cache-control": "private, no-cache"})


def lacking(asked: Asked, why: StoreError, *, picture: bool = False) -> Response:
    """A sentence in the place of a figure: what was not recorded that it shows, and how to record it.

    What was recorded and cannot be read is an error, and raised.
    """
    end = why.__traceback__
    while end is not None and end.tb_next is not None:
        end = end.tb_next
    if end is None or end.tb_frame.f_globals["__name__"].startswith("passo.store"):  # who reads, not who draws
        raise why
    told = asked.told(why)
    if not picture:
        return asked.json({"spec": None, "sentence": told, "caption": "", "tables": []})
    lines = wrap(told, 80)
    text = "".join(f'<text x="0" y="{20 * place}">{escape(line)}</text>' for place, line in enumerate(lines, start=1))
    high = 20 * len(lines) + 10
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{high}" viewBox="0 0 640 {high}" '
        f'font-family="sans-serif" font-size="14" fill="#777"><title>{escape(told)}</title>{text}</svg>'
    )
    return Response(drawn, media_type="image/svg+xml", headers={"cache-control": "private, no-cache"})


def words_of(figure: Figure) -> dict[str, Any]:
    """Its specification, its sentence and its caption."""
    return {"spec": figure.spec(), "sentence": figure.sentence, "caption": figure.caption}
