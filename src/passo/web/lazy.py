"""Modules of pages that draw: they import every figure there is, which the first page need not wait for."""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType

from starlette.responses import Response

from passo.web.answering import Asked, Handler

_importing = threading.RLock()


class Lazy:
    """A module of pages: `Lazy("pages_run").run` is its handler, imported when it is first asked."""

    known: list[Lazy] = []  # noqa: RUF012  all of them, to be imported when there is time

    def __init__(self, name: str) -> None:
        self._name = f"passo.web.{name}"
        Lazy.known.append(self)

    def __getattr__(self, handler: str) -> Handler:
        def answered(asked: Asked) -> Response:
            return getattr(self.imported(), handler)(asked)

        return answered

    def imported(self) -> ModuleType:
        return imported(self._name)


def imported(name: str) -> ModuleType:
    """A module; one thread at a time, since two that import modules which need each other may meet half of one."""
    with _importing:
        return import_module(name)
