"""Scripts and styles, which the package holds, and the reader's choices: language, and light or dark."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from starlette.responses import RedirectResponse, Response

from passo.errors import UnknownName
from passo.language import resolved
from passo.web.answering import LANGUAGE, THEME, THEMES, Asked
from passo.web.lazy import imported

_STATIC = Path(__file__).with_name("static")
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_MADE = {"vega.js": ("bundle", "bundle"), "drawing.js": ("bundle", "drawing"), "race.js": ("player", "player")}
"""Scripts that `figures` makes: their module there, and their function."""
_YEAR = 365 * 24 * 3600


def static(asked: Asked) -> Response:
    """A file of the package, or Vega's bundle; a browser that has it asks whether it changed."""
    name = asked.place("name")
    content = _made(name) if name in _MADE else _file(name)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if asked.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_KINDS[Path(name).suffix], headers=headers)


def choose(asked: Asked) -> Response:
    """Remember a language or a theme for a year, and go back to where it was chosen."""
    back = asked.form.get("back", "/")
    answer = RedirectResponse(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/", 303)
    if "language" in asked.form:
        answer.set_cookie(LANGUAGE, resolved(asked.form["language"]), max_age=_YEAR, samesite="strict", httponly=True)
    if asked.form.get("theme") in THEMES:
        answer.set_cookie(THEME, asked.form["theme"], max_age=_YEAR, samesite="strict", httponly=True)
    return answer


def _file(name: str) -> bytes:
    if name not in _names():
        raise UnknownName(f"there is no file {name!r}")
    return (_STATIC / name).read_bytes()


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _STATIC.iterdir() if path.suffix in _KINDS)


@functools.cache
def _made(name: str) -> bytes:
    """A script that another room has: it is asked for when a page first needs it."""
    module, function = _MADE[name]
    return str(getattr(imported(f"passo.figures.{module}"), function)()).encode()
