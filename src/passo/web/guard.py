"""What stands before every page: who may ask, from where, and what a browser may do with the answer.

- Host must be one of the server's own: a name that an attacker points at this machine (DNS rebinding) is not.
- Origin, where a browser sends one, must be the server's own, and Sec-Fetch-Site must not be another site's.
- Without the session's cookie there is one page: the one that says how to get in.
- A change (any method but GET and HEAD) carries the form's key as well.
- Every answer forbids framing, sniffing, scripts in pages, and requests to anywhere else. Other sites get no referrer;
  with none at all, browsers would send `Origin: null` with this server's own forms.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from passo.web.laboratory import Laboratory

POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:"),
        *("connect-src 'self'", "font-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SAFE = ("GET", "HEAD")
KEY = "x-passo-form"  # what scripts send; plain forms carry it as a field, which the page reads


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, lab: Laboratory, entrance: Any) -> None:
        self.app, self.lab, self.entrance = app, lab, entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    given.setdefault(name, value)
                given.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refused(scope, headers)
        await (refused or self.app)(scope, receive, guarded)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["type"] != "http":
            return PlainTextResponse("only HTTP is spoken here\n", 400)
        if headers.get("host", "").lower() not in self.lab.hosts or len(headers.getlist("host")) != 1:
            return PlainTextResponse("this server is asked under another name than its own\n", 421)
        if not self._from_here(headers, scope["method"] not in SAFE):
            return PlainTextResponse("asked from another site\n", 403)
        if not self.lab.keys.opens(cookie(headers, self.lab.keys.cookie)):
            return self.entrance(scope)
        return None

    def _from_here(self, headers: Headers, changes: bool) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return not (changes and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"))
        return origin.lower() in {f"http://{host}" for host in self.lab.hosts}


def cookie(headers: Headers, name: str) -> str | None:
    """The cookie of this name in a request, or None."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value
