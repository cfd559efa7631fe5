"""Models that have equally many trainable parameters; what each costs is `costs.cost`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from passo.errors import ConfigError
from passo.models.catalogue import check_model
from passo.models.costs import Cost, Layer, cost
from passo.models.widths import Fitted, fitted, trainable, widths_of

__all__ = ["Cost", "Layer", "cost", "matched"]


def matched(
    models: Sequence[tuple[str, Mapping[str, Any]]],
    in_shape: Sequence[int],
    classes: int,
    *,
    parameters: int | None = None,
    within: float = 0.02,
) -> tuple[Cost, ...]:
    """Models, (name, options) each, made as wide that all have the same number of trainable parameters, within 2 %.

        max − min ≤ within × budget,  over all the counts and the budget

    With `parameters`, that is the budget. Without, it is the count of a model that has no width to choose (lenet,
    tiny-cnn), else that of the last model, which stays as it is. Options that are widths (`widths.WIDTHS`) say in which
    proportions the layers are made wider or narrower.

    Raises `ConfigError` where they cannot be matched: the closest counts on both sides of the budget, and why.

    >>> first, second = matched([("mlp", {"hidden": 128}), ("cnn", {})], (1, 28, 28), 10)
    >>> first.options, first.parameters, second.parameters
    ({'hidden': 133}, 105745, 105866)
    """
    if not 0 < within < 1:
        raise ConfigError(f"within must be between 0 and 1, as in 0.02 for 2 %, got {within!r}")
    if parameters is not None and (isinstance(parameters, bool) or not isinstance(parameters, int) or parameters < 1):
        raise ConfigError(f"parameters must be a whole number ≥ 1, got {parameters!r}")
    if not models:
        raise ConfigError("name the models that are to be matched: one or more")
    for name, options in models:
        check_model(name, options)
    budget = parameters or _budget(models, in_shape, classes)
    found = [
        Fitted(dict(options), budget, None, None)  # the last stays as it is
        if parameters is None and trainable(name, in_shape, classes, options) == budget
        else fitted(name, in_shape, classes, options, budget)
        for name, options in models
    ]
    counts = [budget, *(one.parameters for one in found)]
    if max(counts) - min(counts) > within * budget:
        raise ConfigError(_apart(models, in_shape, classes, found, budget, within))
    return tuple(cost(name, in_shape, classes, **one.options) for (name, _), one in zip(models, found, strict=True))


def _budget(models: Sequence[tuple[str, Mapping[str, Any]]], in_shape: Sequence[int], classes: int) -> int:
    """The count of the last model without a width; where all have widths, that of the last."""
    fixed = [(name, options) for name, options in models if not widths_of(name, options)]
    name, options = (fixed or models)[-1]
    return trainable(name, in_shape, classes, options)


def _apart(
    models: Sequence[tuple[str, Mapping[str, Any]]],
    in_shape: Sequence[int],
    classes: int,
    found: Sequence[Fitted],
    budget: int,
    within: float,
) -> str:
    """Why models cannot be matched, what each could have, and at which count all of them could meet."""
    names = " and ".join(dict.fromkeys(name for name, _ in models))
    off = [abs(one.parameters - budget) > within * budget for one in found]
    told, sides = [], set()
    for (name, options), one, wrong in zip(models, found, off, strict=True):
        wide = bool(widths_of(name, options))
        if wrong or not any(off) or not wide:
            there = [side for side in (one.below, one.above) if side is not None]
            told.append(_can_have(name, one, there, wide))
            sides.update(count for count, _ in there)

    def meet(count: int) -> bool:
        counts = [fitted(name, in_shape, classes, options, count).parameters for name, options in models]
        return max(*counts, count) - min(*counts, count) <= within * count

    near = [count for count in sorted(sides - {budget}, key=lambda count: abs(count - budget)) if meet(count)]
    advice = f"with parameters={near[0]} they can be matched" if near else "take other widths, or another model"
    why = "; ".join([*told, advice])
    return f"{names} cannot have {budget:,} trainable parameters each, within {100 * within:g} %: {why}"


def _can_have(name: str, one: Fitted, sides: Sequence[tuple[int, Mapping[str, Any]]], wide: bool) -> str:
    said = [f"{count:,} ({', '.join(f'{key}={value}' for key, value in widths.items())})" for count, widths in sides]
    if not wide or not sides:
        return f"{name} has {one.parameters:,}" + ("" if wide else " and no width to choose")
    if one.below is None:
        return f"the least that {name} can have is {said[0]}, every width being 1 or more"
    return f"a width is a whole number, and the closest that {name} can have is {' or '.join(dict.fromkeys(said))}"
