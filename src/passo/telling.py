"""Errors and warnings, told in the language that is spoken.

Everything raises in English: logs hold it, and it can be searched for. Where a person reads it, `told` finds the
template that a message was made of, and says it in another language. The catalogue `locale/<tag>/errors.toml` holds
`"{0} is a file: give a folder for the note" = "{0} é um arquivo: dê uma pasta para a nota"`; fields are numbered.
What a doctor finds is kept in English too, and is told by the catalogue of its messages, whose fields have names.

>>> from passo.language import speaking
>>> with speaking("pt-BR"):
...     told("notes.md is a file: give a folder for the note")
'notes.md é um arquivo: dê uma pasta para a nota'
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from dataclasses import dataclass

from passo.language import CATALOGUES, ENGLISH, language, numeral

CATALOGUE = "errors.toml"
NAMED = "doctor.toml"  # messages of `t` that are also kept in English
_LEAST = 6  # letters that a template must have, and a field, to be looked up
_MARKS = (".", "?", "!", ";", ":")
_FIELD = re.compile(r"\{(\w+)[^}]*\}")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
_TOGETHER = 6  # sentences that one template may have, unless it is the whole message
_SENTENCES = re.compile(r"(?<=[.?!;:]) ")


@dataclass(frozen=True)
class Template:
    """An English message with numbered fields, and how it is said. `pieces` are its words between the fields."""

    english: str
    said: str

    @functools.cached_property
    def pieces(self) -> tuple[str, ...]:
        return tuple(words for words, *_ in string.Formatter().parse(self.english) if words)

    @functools.cached_property
    def letters(self) -> int:
        return sum(map(len, self.pieces))

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = []
        for words, field, *_ in string.Formatter().parse(self.english):
            parts += [re.escape(words), "(.*?)" if field is not None else ""]
        return re.compile("".join(parts), re.DOTALL)

    def fits(self, text: str) -> bool:
        """A quick look, before a pattern is made: all pieces are there, in this order."""
        place = 0
        for piece in self.pieces:
            place = text.find(piece, place)
            if place < 0:
                return False
            place += len(piece)
        return True


def told(message: str) -> str:
    """A message in the language that is spoken: whole, or sentence by sentence; as it stands where none is known."""
    if language() == ENGLISH:
        return message
    parts = _SENTENCES.split(message)
    said: list[str] = []
    while parts:
        longest = len(parts) if not said else min(_TOGETHER, len(parts))
        for end in (longest, *range(min(_TOGETHER, longest - 1), 0, -1)):  # the longest beginning that is known
            begun = " ".join(parts[:end])
            first = _whole(begun, language()) or _marked(begun)
            if first is not None:
                break
        else:
            end, first = 1, parts[0]
            if _THOUSANDS.fullmatch(first):
                first = numeral(first)  # a decimal point stays: settings are typed with it
        said.append(first)
        parts = parts[end:]
    return " ".join(said)


def _marked(text: str) -> str | None:
    """A part of a message that ends in a mark: told without it."""
    inner = _whole(text[:-1], language()) if text[-1:] in _MARKS else None
    return None if inner is None else inner + text[-1]


@functools.lru_cache(1024)
def _whole(text: str, tag: str) -> str | None:
    for template in _templates(tag):
        if not template.fits(text) or not (match := template.pattern.fullmatch(text)):
            continue
        if template.english.startswith("{0}") and _cut(text, match.end(1), template.letters, tag):
            continue
        return template.said.format(*(_field(value) for value in match.groups()))
    return None


def _numbered(english: str, said: str) -> tuple[str, str]:
    """A message of `t`, with numbers in place of its fields' names.

    >>> _numbered("{n:,} of {all}", "de {all}, {n:,}")
    ('{0} of {1}', 'de {1}, {0}')
    """
    places = {name: place for place, name in enumerate(_FIELD.findall(english))}
    first, second = (_FIELD.sub(lambda found: f"{{{places[found[1]]}}}", text) for text in (english, said))
    return first, second


def _cut(text: str, end: int, letters: int, tag: str) -> bool:
    """Whether a first field that reaches to `end` cuts a message in two that fits a template of more letters.

    `study a: it has no quick form: leave …` fits `{0} has no {1}: {2}`, and what stands behind `study a:` fits its own.
    """
    rests = [text[found.end() :] for found in _SENTENCES.finditer(text, 0, end)]
    telling = [one for one in _templates(tag) if one.letters > letters] if rests else []
    return any(one.fits(rest) and one.pattern.fullmatch(rest) for rest in rests for one in telling)


def _field(value: str) -> str:
    return told(value) if len(value) >= _LEAST or _THOUSANDS.fullmatch(value) else value


@functools.cache
def _templates(tag: str) -> tuple[Template, ...]:
    """Those of a language, the most telling first; fields alone, which fit everything, are not among them."""
    raised, named = (
        tomllib.loads((CATALOGUES / tag / name).read_text(encoding="utf-8")) for name in (CATALOGUE, NAMED)
    )
    pairs = [*raised.items(), *(_numbered(*pair) for pair in named.items() if isinstance(pair[1], str))]
    found = [Template(*pair) for pair in pairs]
    return tuple(sorted((one for one in found if one.letters >= _LEAST), key=lambda one: -one.letters))
