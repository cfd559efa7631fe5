"""The widths of a model that bring its number of trainable parameters nearest to a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import torch

from passo.errors import ConfigError
from passo.models import own_file
from passo.models.catalogue import build, count_parameters, model_options

WIDTHS = ("filters", "hidden", "units", "width", "widths")  # options that say how wide layers are
_FAR, _TRIED = 2, 8  # of a refinement: steps of one width at most, and counts made of its guesses
_FEW = 6  # widths, up to which three are moved at once; of more, two

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Fitted:
    """A model's options, its number of trainable parameters, and its closest counts on both sides of a budget.

    `below` and `above` are (trainable parameters, the widths they come with); None where there is none on that side.
    They are true neighbours of the budget where the model has one width, and the closest ones tried where it has more.
    """

    options: Mapping[str, Any]
    parameters: int
    below: tuple[int, dict[str, Any]] | None
    above: tuple[int, dict[str, Any]] | None


def trainable(name: str, in_shape: Sequence[int], classes: int, options: Mapping[str, Any]) -> int:
    """How many trainable parameters a model has: built without memory for them, and without drawing any.

    >>> trainable("mlp", (1, 28, 28), 10, {"hidden": 128})
    101770
    """
    try:
        with torch.device("meta"):
            return count_parameters(build(name, in_shape, classes, seed=0, **options)).trainable
    except ConfigError:
        if not own_file.is_own(name):
            raise
    return count_parameters(build(name, in_shape, classes, seed=0, **options)).trainable  # it looks at its own numbers


def widths_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a model that are widths, with their values: what was given, else its own; empty where it has none.

    >>> widths_of("cnn", {"units": [128]}), widths_of("lenet", {})
    ({'filters': (16, 32), 'units': [128]}, {})
    """
    known = {**model_options(name), **options}
    return {option: known[option] for option in WIDTHS if option in known and _flat(known[option])}


def fitted(name: str, in_shape: Sequence[int], classes: int, options: Mapping[str, Any], budget: int) -> Fitted:
    """The model whose number of trainable parameters is nearest to `budget`, of all its widths.

    All widths are scaled by one factor until the count steps over the budget; from the nearer side, single widths are
    then moved by a few, as long as the count comes nearer. Every count is that of the built model.
    """
    if not (given := widths_of(name, options)):
        only = trainable(name, in_shape, classes, options)
        here = (only, {})
        return Fitted(dict(options), only, here if only <= budget else None, here if only >= budget else None)
    flat = tuple(width for value in given.values() for width in _flat(value))

    def named(widths: Widths) -> dict[str, Any]:
        left = iter(widths)
        return {key: next(left) if isinstance(one, int) else [next(left) for _ in one] for key, one in given.items()}

    def count(widths: Widths) -> int:
        try:
            return trainable(name, in_shape, classes, {**options, **named(widths)})
        except ConfigError as error:  # a user's own model may not take every width
            raise ConfigError(f"{error}: name {name} last, so that the others are fitted to it") from error

    trainable(name, in_shape, classes, options)  # what is wrong with it as it is, is said without more words
    step = options.get("groups", model_options(name)["groups"]) if options.get("norm") == "group" else 1
    search = _Search(flat, step, count, budget)
    best = search.best()
    below, above = search.neighbours()
    return Fitted(
        {**options, **named(best)},
        search.counted(best),
        below and (below[0], named(below[1])),
        above and (above[0], named(above[1])),
    )


class _Search:
    """Whole widths, each a multiple of `step`, whose count is nearest to the budget; no count is made twice."""

    def __init__(self, shape: Widths, step: int, count: Callable[[Widths], int], budget: int) -> None:
        self.shape, self.step, self.budget = shape, step, budget
        self._count = count
        self._seen: dict[Widths, int] = {}

    def counted(self, widths: Widths) -> int:
        if widths not in self._seen:
            self._seen[widths] = self._count(widths)
        return self._seen[widths]

    def best(self) -> Widths:
        """The nearest of the scaled shapes, refined where there is more than one width."""
        low = self._largest_below()
        sides = [self._scaled(number) for number in (low, low + 1) if number > 0]
        best = min(sides, key=self._off)
        while len(self.shape) > 1 and self._off(best) > 0:
            nearer = min(self._guesses(best), key=self._off, default=best)
            if self._off(nearer) >= self._off(best):
                break
            best = nearer
        return best

    def neighbours(self) -> tuple[tuple[int, Widths] | None, tuple[int, Widths] | None]:
        """(count, widths) of the closest counts seen, at most and at least the budget."""
        seen = [(count, widths) for widths, count in self._seen.items()]
        below = max((one for one in seen if one[0] <= self.budget), default=None, key=lambda one: one[0])
        above = min((one for one in seen if one[0] >= self.budget), default=None, key=lambda one: one[0])
        return below, above

    def _off(self, widths: Widths) -> int:
        return abs(self.counted(widths) - self.budget)

    def _scaled(self, largest: int) -> Widths:
        """The shape in its proportions, its largest width being `largest` steps: rounded, and never nothing."""
        most = max(self.shape)
        return tuple(self.step * max(1, (2 * largest * width + most) // (2 * most)) for width in self.shape)

    def _largest_below(self) -> int:
        """The largest width, in steps, at which the scaled shape does not exceed the budget; 0 where none does."""
        low, high = 0, 1
        while self.counted(self._scaled(high)) <= self.budget:
            low, high = high, 2 * high
            if low > self.budget:  # more units than parameters: the widths change nothing
                return low
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.counted(self._scaled(middle)) <= self.budget else (low, middle)
        return low

    def _guesses(self, widths: Widths) -> list[Widths]:
        """Widths a few steps away whose counts should be nearest, by the slope of the count in each width alone."""
        here, places = self.counted(widths), range(len(widths))
        slopes = [self.counted(_moved(widths, {place: self.step})) - here for place in places]
        guesses = []
        for many in range(1, 4 if len(widths) <= _FEW else 3):
            for chosen in combinations(places, many):
                for moves in product([n for n in range(-_FAR, _FAR + 1) if n], repeat=many):
                    moved = _moved(widths, {place: n * self.step for place, n in zip(chosen, moves, strict=True)})
                    if min(moved) >= self.step:
                        guess = here + sum(n * slopes[place] for place, n in zip(chosen, moves, strict=True))
                        guesses.append((abs(guess - self.budget), sum(map(abs, moves)), moved))
        return [moved for *_, moved in sorted(guesses)[:_TRIED]]


def _moved(widths: Widths, by: Mapping[int, int]) -> Widths:
    return tuple(width + by.get(place, 0) for place, width in enumerate(widths))


def _flat(value: Any) -> Widths:
    """The whole numbers of an option that is one width or several; empty for anything else."""
    several: tuple[Any, ...] = tuple(value) if isinstance(value, Sequence) else (value,)
    return several if all(isinstance(one, int) and not isinstance(one, bool) for one in several) else ()
