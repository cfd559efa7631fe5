"""Which steps a GradScaler skips: seen in its own `step`, so that none is missed and nothing waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def tell_skips(scaler: Any, mine: Callable[[Any], bool], count: Callable[[], int], skipped: Callable[[], None]) -> Any:
    """Call `skipped()` after each `scaler.step(optimizer)` that did not step; the answer takes this off again.

    A scaler does not call an unfused optimiser whose gradients are not finite, so that its hooks stay silent; and its
    scale tells too little: it falls by half right after it has doubled, and for every optimiser that shares it. `mine`
    says whether an optimiser is the one that is meant, `count` how many steps its hooks have seen so far.

    >>> class Scaler:
    ...     def step(self, optimizer): return "skipped"
    >>> scaler, told = Scaler(), []
    >>> take_off = tell_skips(scaler, lambda optimizer: optimizer == "adam", lambda: 0, lambda: told.append(1))
    >>> scaler.step("adam"), scaler.step("sgd"), told
    ('skipped', 'skipped', [1])
    >>> take_off(); vars(scaler)
    {}
    """
    own = vars(scaler).get("step")  # another lens's, where several optimisers share a scaler
    inner = scaler.step
    watching = True

    def step(optimizer: Any, *arguments: Any, **options: Any) -> Any:
        before = count()
        answer = inner(optimizer, *arguments, **options)
        if watching and mine(optimizer) and count() == before:
            skipped()
        return answer

    def take_off() -> None:
        nonlocal watching
        watching = False  # where another lens has come since, it still calls this one: it only hands on
        if vars(scaler).get("step") is step:
            if own is None:
                del scaler.step
            else:
                scaler.step = own

    scaler.step = step
    return take_off
