"""Numbers that know which runs they came from, through everything that a text does with them.

`Sourced` stands around a value and behaves like it. In a text that is rendered by `following`, its attributes, items,
calls and sums are `Sourced` again, with the runs of all that took part. Where it is written, `Marks` puts signs around
the words, and `settled` takes them out of the note: Markdown is left, and `Origin`s that say what came from where.

>>> loss = sourced(0.5, {"adam-s0"}) + sourced(0.25, {"sgd-s1"})
>>> marks = Marks()
>>> words, origins = marks.cleared(pointed(f"It is {marks.marked(loss)}."))
>>> words, [(words[one.start : one.end], sorted(one.runs)) for one in origins]
('It is 0.75.', [('0.75', ['adam-s0', 'sgd-s1'])])
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from passo.language import numeral
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Origin, Prose
from passo.notes.markdown import apart

_FIRST, _LAST = 0xF0000, 0xFFFFC  # Unicode's private plane 15: no word of a text is written with it
_END = "\U000ffffd"
SIGNS = f"[{chr(_FIRST)}-{_END}]"
_SIGN = re.compile(SIGNS)
NO_RUNS: frozenset[str] = frozenset()


class Sourced:
    """A value and the runs it came from. How it compares, and whether it is true, is as for the value alone."""

    __slots__ = ("_of", "_runs")
    __array_ufunc__ = None  # so that a numpy number on the left leaves the sum to this class

    def __init__(self, of: Any, runs: frozenset[str]) -> None:
        self._of, self._runs = of, runs

    def __iter__(self) -> Iterator[Any]:
        return (sourced(item, self._runs) for item in self._of)

    def __contains__(self, item: Any) -> bool:
        return opened(item)[0] in self._of

    def __hash__(self) -> int:
        return hash(self._of)


def _joins(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose result has the runs of all that it was made of."""

    def method(*args: Any) -> Any:
        values, runs = opened(args)
        return sourced(function(*values), runs)

    return method


def _tells(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose result is plain: a truth, a length, words."""
    return lambda *args: function(*opened(args)[0])


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _sum = getattr(operator, _name)
    setattr(Sourced, f"__{_name}__", _joins(_sum))
    setattr(Sourced, f"__r{_name}__", _joins(lambda right, left, of=_sum: of(left, right)))
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "index"):
    setattr(Sourced, f"__{_name}__", _tells(getattr(operator, _name)))
for _function in (bool, int, float, len, str, repr, format):
    setattr(Sourced, f"__{_function.__name__}__", _tells(_function))
for _name in ("neg", "getitem"):
    setattr(Sourced, f"__{_name}__", _joins(getattr(operator, _name)))


def sourced(value: Any, runs: Iterable[str]) -> Any:
    """The value with these runs, and those that it has; plain where it has none, or is no value (None, true, false)."""
    plain, own = (value._of, value._runs) if isinstance(value, Sourced) else (value, NO_RUNS)
    runs = own.union(runs)
    return Sourced(plain, runs) if runs and plain is not None and not isinstance(plain, bool) else plain


def opened(value: Any) -> tuple[Any, frozenset[str]]:
    """The plain value, and the runs of it and of what is in it.

    >>> opened([sourced(1, {"a"}), 2])
    ([1, 2], frozenset({'a'}))
    """
    if isinstance(value, Sourced):
        return value._of, value._runs
    if type(value) in (list, tuple):
        pairs = [opened(item) for item in value]
        return type(value)(plain for plain, _ in pairs), NO_RUNS.union(*(runs for _, runs in pairs))
    if type(value) is dict:
        values, runs = opened(list(value.values()))
        return dict(zip(value, values, strict=True)), runs
    return value, NO_RUNS


POINT = "\ue02e"  # stands for a decimal point until it is known whether it is in code: Unicode leaves it to programs


def written(value: Any) -> Any:
    """What a text shows of a value: a number, its point still to be written by `pointed`; a dash for what is not there.

    >>> pointed(f"{written(0.5)} {written(3)} {written(None)}")
    '0.5 3 –'
    """
    if value is None:
        return "–"
    return str(value).replace(".", POINT) if isinstance(value, float) else value


def pointed(text: str) -> str:
    """The text with its decimal points: those of the language, but in code and mathematics those that can be typed.

    >>> from passo.language import speaking
    >>> with speaking("pt-BR"):
    ...     pointed(f"a taxa {written(0.5)}: `lr={written(0.5)}`, $x = {written(0.5)}$")
    'a taxa 0,5: `lr=0.5`, $x = 0.5$'
    """
    return apart(text, lambda words: words.replace(POINT, numeral("."))).replace(POINT, ".")


def tracked(function: Callable[..., Any], own: Callable[..., Iterable[str]] = lambda *_, **__: ()) -> Any:
    """The function for plain values, given `Sourced` ones: the result has their runs, and those that `own` tells."""

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        (plain, named), runs = opened((args, options))
        return sourced(function(*plain, **named), runs.union(own(*plain, **named)))

    return called


def places(function: Callable[..., Any]) -> Any:
    """The function for plain values, given `Sourced` ones; what it puts into the text comes from no run."""

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        (plain, named), _ = opened((args, options))
        return function(*plain, **named)

    called.places = True  # type: ignore[attr-defined]
    return called


def following(environment: Any, marks: Marks) -> Any:
    """The sandboxed Jinja environment, in which values now keep their runs, and are written between signs.

    What a text may reach is asked of the plain value; filters and tests are given plain values.
    """

    class Following(type(environment)):  # type: ignore[misc]
        def getattr(self, obj: Any, attribute: str) -> Any:
            plain, runs = _parted(obj)
            return sourced(super().getattr(plain, attribute), runs)

        def getitem(self, obj: Any, argument: Any) -> Any:
            (plain, runs), (key, more) = _parted(obj), opened(argument)
            return sourced(super().getitem(plain, key), runs | more)

        def call(self, context: Any, obj: Any, *args: Any, **options: Any) -> Any:
            plain, runs = _parted(obj)
            if hasattr(plain, "places") or str(getattr(plain, "__module__", "")).startswith("jinja2"):
                return super().call(context, plain, *args, **options)
            inner = {name: options.pop(name) for name in ("_loop_vars", "_block_vars") if name in options}
            (given, named), more = opened((args, options))
            return sourced(super().call(context, plain, *given, **named, **inner), runs | more)

    environment.__class__ = Following
    environment.finalize = marks.marked
    environment.filters = {name: tracked(one) for name, one in environment.filters.items()}
    environment.tests = {name: tracked(one) for name, one in environment.tests.items()}
    return environment


def _parted(value: Any) -> tuple[Any, frozenset[str]]:
    """The plain value and its own runs, not those of what is in it."""
    return opened(value) if isinstance(value, Sourced) else (value, NO_RUNS)


@dataclass
class Marks:
    """Signs in a text for where words came from; one for each set of runs."""

    known: dict[frozenset[str], int] = field(default_factory=dict)

    def marked(self, value: Any) -> Any:
        """What is written for a value; a `Sourced` one between signs."""
        plain, runs = (value._of, value._runs) if isinstance(value, Sourced) else (value, NO_RUNS)
        plain = written(plain)
        if not isinstance(value, Sourced):
            return plain
        code = _FIRST + self.known.setdefault(runs, len(self.known))
        return f"{chr(code)}{plain}{_END}" if code <= _LAST else plain

    def cleared(self, text: str) -> tuple[str, tuple[Origin, ...]]:
        """The text without signs, and whose its parts are; where one part is in another, the inner one counts."""
        sets, parts, origins, begun = list(self.known), [], [], []
        place = last = 0
        for sign in _SIGN.finditer(text):
            parts.append(text[last : sign.start()])
            place, last = place + sign.start() - last, sign.end()
            if sign[0] != _END:
                begun.append((place, ord(sign[0]) - _FIRST, len(origins)))
            elif begun:
                start, number, inner = begun.pop()
                if number < len(sets) and start < place and inner == len(origins):
                    origins.append(Origin(start, place, sets[number]))
        return "".join([*parts, text[last:]]), tuple(origins)

    def again(self, text: str, origins: Sequence[Origin]) -> str:
        """What was cleared, with its signs: for a writer that shows where values came from. Addresses stay plain."""
        for one in reversed(origins):
            if not text[: one.start].endswith("]("):
                told = self.marked(Sourced(text[one.start : one.end], one.runs))
                text = text[: one.start] + told + text[one.end :]
        return text

    def begins(self, sign: str) -> frozenset[str] | None:
        """The runs of what begins with this sign; None where one ends."""
        return None if sign == _END else list(self.known)[ord(sign) - _FIRST]


def around(text: str, made: Callable[[str], str]) -> str:
    """What is made of a text without its signs, such as an equation of its LaTeX, between the first of them."""
    begun = _SIGN.search(text)
    return f"{begun[0]}{made(_SIGN.sub('', text))}{_END}" if begun else made(text)


def settled(note: Note, marks: Marks) -> Note:
    """The note without signs; its prose tells which values in it came from where."""

    def plain(text: str) -> str:
        return marks.cleared(text)[0]

    def block(one: Block) -> Block:
        if isinstance(one, Prose):
            return Prose(*marks.cleared(one.markdown))
        if isinstance(one, Equation):
            return replace(one, latex=plain(one.latex))
        if isinstance(one, FigureBlock):
            return replace(one, words=plain(one.words))
        return replace(one, text=plain(one.text)) if isinstance(one, Code) else one

    def blocks(several: Iterable[Block]) -> tuple[Block, ...]:
        return tuple(one for one in map(block, several) if one != Prose(""))

    sections = (replace(one, title=plain(one.title), blocks=blocks(one.blocks)) for one in note.sections)
    lead, title, subtitle = blocks(note.lead), plain(note.title), plain(note.subtitle)
    return replace(note, title=title, subtitle=subtitle, lead=lead, sections=tuple(sections))
