"""The keys of one server: a token that opens a session once, the session's cookie, and what its forms carry.

The token stands in the address that `passo ui` prints. Who opens it gets a cookie, and the token opens nothing more:
a link that is found later in a history, a log or a chat is worth nothing. All comparisons take the same time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

COOKIE = "passo"


class Keys:
    """The token and the session of one server; browsers give cookies to every port, so that each has its own name."""

    def __init__(self, token: str, cookie: str = COOKIE) -> None:
        self.token, self.cookie = token, cookie
        self._session = secrets.token_urlsafe(32)
        self._spent = False
        self._exchanging = threading.Lock()

    def exchanged(self, token: str) -> str | None:
        """The session's cookie for the token, the first time; None for another token, or one that was used."""
        with self._exchanging:
            if self._spent or not _same(token, self.token):
                return None
            self._spent = True
            return self._session

    def opens(self, cookie: str | None) -> bool:
        """Whether a request carries this session's cookie."""
        return cookie is not None and _same(cookie, self._session)

    @property
    def form(self) -> str:
        """What each form of this session carries, and no other site can know."""
        return hmac.new(self._session.encode(), b"form", hashlib.sha256).hexdigest()

    def permits(self, form: str | None) -> bool:
        """Whether a change was asked for by one of this session's own pages."""
        return form is not None and _same(form, self.form)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
