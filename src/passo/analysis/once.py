"""An analysis that many figures, tables and sentences of one note ask for is made once for each study that was read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from passo.language import language
from passo.store import StoredStudy

P = ParamSpec("P")
R = TypeVar("R")


def once(analyse: Callable[Concatenate[StoredStudy, P], R]) -> Callable[Concatenate[StoredStudy, P], R]:
    """The analysis, its answer kept with the study object, for each language that is spoken.

    A `StoredStudy` is what was there when it was opened: who wants to see what came since opens it again.
    """
    name = f"{analyse.__module__}.{analyse.__qualname__}"

    @functools.wraps(analyse)
    def kept(study: StoredStudy, *args: P.args, **kwargs: P.kwargs) -> R:
        made: dict[Any, R] = study.__dict__.setdefault("_analyses", {})
        key = (name, args, tuple(kwargs.items()), language())
        if key not in made:
            made[key] = analyse(study, *args, **kwargs)
        return made[key]

    return kept
