"""The language that passo speaks: English stands in the code, other languages in catalogues, `locale/<tag>/*.toml`.

A catalogue holds `"English" = "Português"`, and for words with a number `"{n} seed" = ["{n} semente", "{n} sementes"]`.
Fields are those of `str.format`. What a catalogue lacks is said in English (a test finds it).

>>> with speaking("pt-BR"):
...     t("Sources"), tn("{n} seed", "{n} seeds", 3), numeral("1,234.5")
('Fontes', '3 sementes', '1.234,5')
"""

from __future__ import annotations

import functools
import numbers
import os
import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from passo.errors import ConfigError

ENGLISH = "en"
LANGUAGES = (ENGLISH, "pt-BR")
CATALOGUES = Path(__file__).with_name("locale")
_APART = re.compile(r"\b([Dd]e|[Ee]m) (?=est[ea]\b)")  # `de este`: a message cannot know what its fields begin with
_CONTRACTED = {"de": "d", "em": "n", "De": "D", "Em": "N"}
_SWAPPED = str.maketrans(",.", ".,")
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """The language that is spoken now: one of `LANGUAGES`."""
    return _current.get()


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Speak another language inside of the block. Threads that are started inside of it speak English again."""
    token = _current.set(resolved(tag))
    try:
        yield
    finally:
        _current.reset(token)


def resolved(tag: str) -> str:
    """A language as people name it, as one of `LANGUAGES`; raises `ConfigError` for one that passo does not speak.

    >>> resolved("pt_BR.UTF-8"), resolved("pt"), resolved("EN")
    ('pt-BR', 'pt-BR', 'en')
    """
    found = _known(tag)
    if found is None:
        raise ConfigError(f"passo does not speak {tag!r}: give one of {', '.join(LANGUAGES)}")
    return found


def of_machine(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the machine's user: PASSO_LANG, else the locale; English where passo does not speak it.

    >>> of_machine({"LANG": "pt_BR.UTF-8"}), of_machine({"LANG": "fr_FR.UTF-8"}), of_machine({})
    ('pt-BR', 'en', 'en')
    """
    if asked := environment.get("PASSO_LANG"):
        return resolved(asked)
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return _known(named) or ENGLISH


def t(message: str, /, **values: Any) -> str:
    """A message in the language that is spoken, its {fields} filled; numbers in fields are written with its marks.

    Say whole sentences: parts of sentences do not fit together in another language.

    >>> with speaking("pt-BR"):
    ...     t("run {run}, {n:,} test values", run="adam-s0", n=1000), t("rms of {name}", name=t("this run"))
    ('execução adam-s0, 1.000 valores de teste', 'rms desta execução')
    """
    return _filled(_catalogue(language()).get(message, message), values)


def tn(one: str, many: str, n: int, /, **values: Any) -> str:
    """Like `t`, in the singular for n = 1 and in the plural else; {n} is the number."""
    forms = _catalogue(language()).get(one, [one, many])
    return _filled(forms[n != 1], {"n": n, **values})


def later(message: str) -> str:
    """A message that is said later, by `t(name)`: it marks a constant, so that the catalogues are asked for it."""
    return message


def numeral(written: str) -> str:
    """A number that was written in the English manner, with the marks of the language that is spoken."""
    return written if language() == ENGLISH else written.translate(_SWAPPED)


def number_marks() -> dict[str, Any]:
    """How charts write numbers in the language that is spoken: a Vega locale; empty for English."""
    if language() == ENGLISH:
        return {}
    return {"number": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["R$", ""]}}


def _known(tag: str) -> str | None:
    plain = tag.split(".")[0].replace("_", "-").lower()
    return next((one for one in LANGUAGES if plain in (one.lower(), one[:2])), None)


class _Filling(string.Formatter):
    """`str.format`, with numbers in the marks of the language."""

    def format_field(self, value: Any, format_spec: str) -> str:
        written = format(value, format_spec)
        return numeral(written) if isinstance(value, numbers.Real) and not isinstance(value, bool) else written


_filling = _Filling()


def _filled(message: Any, values: Mapping[str, Any]) -> str:
    if not values:
        return message
    filled = _filling.vformat(message, (), values)
    return filled if language() == ENGLISH else _APART.sub(lambda found: _CONTRACTED[found[1]], filled)


@functools.cache
def _catalogue(tag: str) -> dict[str, Any]:
    if tag == ENGLISH:
        return {}
    parts = sorted((CATALOGUES / tag).glob("*.toml"))
    return {key: said for path in parts for key, said in tomllib.loads(path.read_text(encoding="utf-8")).items()}
