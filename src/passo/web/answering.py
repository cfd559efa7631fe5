"""How a request becomes a page: in the reader's language, in a thread of its own, with errors told in one sentence."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from passo.errors import FolderInUse, MissingExtra, PassoError, UnknownName, UsageError, require
from passo.language import ENGLISH, LANGUAGES, language, number_marks, numeral, resolved, speaking, t, tn
from passo.store import patient
from passo.telling import told
from passo.web.guard import KEY, SAFE
from passo.web.laboratory import Laboratory
from passo.web.worker import Waits, prompt

LANGUAGE, THEME = "passo-language", "passo-theme"
THEMES = ("auto", "light", "dark")
LARGEST = 1_000_000  # bytes of a form
PATIENCE = 0.5  # seconds that a page waits for a study that another process keeps locked
_HERE = Path(__file__).parent
_log = logging.getLogger("passo.web")


@dataclass(frozen=True)
class Asked:
    """A request, read: where it goes, what it asks for, and the state of the laboratory."""

    lab: Laboratory
    request: Request
    form: Mapping[str, str]
    body: bytes = b""

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def queries(self, name: str) -> list[str]:
        return self.request.query_params.getlist(name)

    def place(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A template with what every page shows."""
        words = {
            "asked": self,
            "lang": language(),
            "languages": LANGUAGES,
            "theme": theme(self.request),
            "form_key": self.lab.keys.form,
            "here": self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else ""),
            "root": self.lab.root.name,
        }
        return HTMLResponse(_templates().get_template(template).render(**words, **values), status)

    def part(self, template: str, **values: Any) -> str:
        """A part of a page, as HTML."""
        return str(fragment(template, asked=self, **values))

    def kept(self, mark: object, make: Callable[[], Response]) -> Response:
        """The page as it was made before, while `mark` is the same: it hangs on that and the request alone."""
        url = self.request.url
        key = (url.path, url.query, language(), theme(self.request))
        return HTMLResponse(self.lab.pages.made(key, mark, lambda: bytes(make().body)))

    def told(self, error: Exception | str) -> str:
        """What was wrong, in the reader's language, with places as they lie under the root."""
        root = self.lab.root
        return told(str(error)).replace(f"{root}/", "").replace(str(root), root.name)

    def written(self, note: str) -> Any:
        """What somebody wrote in Markdown as HTML: tags in it are text, and links lead to pages alone."""
        return require("markupsafe", "web").Markup(_markdown().render(note))

    def json(self, value: Any, status: int = 200) -> Response:
        return JSONResponse(value, status)


Handler = Callable[[Asked], Response]


def endpoint(lab: Laboratory, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A handler as Starlette calls it: languages, forms and errors are dealt with here, for all alike."""

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        with speaking(spoken(request)):
            form: dict[str, str] = {}
            body: bytes | None = b""
            if request.method not in SAFE:
                body = await _body(request)
                if body is None:
                    return _wrong(Asked(lab, request, {}), UsageError("what was sent is too large"), 413)
                form = _fields(body, request.headers)
                if not lab.keys.permits(request.headers.get(KEY) or form.get("key")):
                    return Response("not asked by a page of this session\n", 403, media_type="text/plain")
            asked = Asked(lab, request, form, body)
            with suppress(Waits):
                return await anyio.to_thread.run_sync(_prompt, handler, asked, limiter=lab.turns)
            return await anyio.to_thread.run_sync(_handled, handler, asked, limiter=lab.waits)

    return answered


def _prompt(handler: Handler, asked: Asked) -> Response:
    """The answer, unless it takes the process that computes: then `Waits`, and the page is begun anew where pages wait.

    A handler therefore asks that process before it changes anything.
    """
    with prompt():
        return _handled(handler, asked)


def _handled(handler: Handler, asked: Asked) -> Response:
    try:
        with patient(PATIENCE):
            return handler(asked)
    except UnknownName as error:
        return _wrong(asked, error, 404)
    except UsageError as error:
        return _wrong(asked, error, 400)
    except FolderInUse as error:
        return _wrong(asked, error, 409)
    except (PassoError, MissingExtra) as error:
        return _wrong(asked, error, 500)
    except Exception as error:
        _log.exception("a page failed: %s", asked.request.url.path)
        return _wrong(
            asked, PassoError(f"this page failed ({type(error).__name__}): the terminal has the details"), 500
        )


def _wrong(asked: Asked, error: Exception, status: int) -> Response:
    message = asked.told(error)
    if "text/html" in asked.request.headers.get("accept", ""):
        return asked.page("wrong.html.j2", status, message=message)
    return JSONResponse({"error": message}, status)


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is larger than any form."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)


def _fields(body: bytes, headers: Headers) -> dict[str, str]:
    """A form's fields, or a JSON object's: texts, the last of each name."""
    kind = headers.get("content-type", "").partition(";")[0].strip()
    try:
        if kind == "application/json":
            found = json.loads(body)
            return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in dict(found).items()}
        if kind == "application/x-www-form-urlencoded":
            asked = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=500)
            return {name: values[-1] for name, values in asked.items()}
    except (ValueError, TypeError, RecursionError):
        return {}
    return {}


def spoken(request: Request) -> str:
    """The language that was chosen, else the browser's first that passo speaks."""
    for wanted in (request.cookies.get(LANGUAGE, ""), *_accepted(request.headers.get("accept-language", ""))):
        try:
            return resolved(wanted)
        except UsageError:
            continue
    return ENGLISH


def _accepted(header: str) -> list[str]:
    return [part.partition(";")[0].strip() for part in header[:200].split(",") if part.strip()]


def theme(request: Request) -> str:
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else THEMES[0]


def fragment(template: str, **values: Any) -> Any:
    """A part of a page that hangs on nothing but these values, as HTML."""
    return require("markupsafe", "web").Markup(_templates().get_template(template).render(**values))


@functools.cache
def _markdown() -> Any:
    return require("markdown_it", "web").MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@functools.cache
def _templates() -> Any:
    jinja2 = require("jinja2", "web")
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(t=t, tn=tn, told=told, numeral=numeral, number_marks=number_marks)
    made.filters["part"] = lambda text: quote(str(text), safe="")  # a part of a path
    return made
