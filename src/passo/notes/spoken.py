"""Names and sentences of a study of two models, ready for running text: escaped, and as one would write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MARKS = re.compile(r"([\\`*_{}\[\]<>#$|~])")
_SHORT = 4  # letters; a label of as many is an abbreviation


def escaped(text: str) -> str:
    r"""Words as Markdown that prints them as they stand.

    >>> print(escaped("a_b [1]"))
    a\_b \[1\]
    """
    return _MARKS.sub(r"\\\1", text)


@dataclass(frozen=True)
class Speech:
    """How the labels of two models are written in sentences: abbreviations in capitals and with their article.

    >>> say = Speech(("mlp", "cnn"))
    >>> say("cnn needs 4 times fewer images than mlp [3, 5].")
    'The CNN needs 4\\xa0times fewer images than the MLP \\\\[3, 5\\\\].'
    >>> say("The mlp's loss is above that of the cnn."), Speech(("lenet-5", "cnn")).name("lenet-5")
    ("The MLP's loss is above that of the CNN.", 'lenet-5')
    """

    labels: tuple[str, str]

    def name(self, label: str) -> str:
        """A label as a name: `mlp` is the MLP."""
        return label.upper() if _is_short(label) else escaped(label)

    def the(self, label: str) -> str:
        """A label with its article, where it is an abbreviation."""
        return f"the {self.name(label)}" if _is_short(label) else self.name(label)

    def begin(self, label: str) -> str:
        """The same at the beginning of a sentence."""
        return _begun(self.the(label))

    def __call__(self, sentence: str) -> str:
        """A computed sentence: its signs escaped, its labels as names, its first letter large."""
        text = re.sub(r"(?<=\d) (?=%|points|times)", "\N{NO-BREAK SPACE}", escaped(sentence))
        for label in filter(_is_short, self.labels):
            # An article that is there already stays; a label inside of a longer name is none.
            pattern = rf"(?<![\w-])([Tt]he )?{re.escape(label)}(?![\w-])"
            text = re.sub(pattern, lambda found, of=label: f"{found[1] or 'the '}{of.upper()}", text)
        return _begun(text)


def _begun(text: str) -> str:
    """A large first letter for every sentence that begins with an article."""
    return re.sub(r"(^|[.?!] )the ", lambda found: f"{found[1]}The ", text)


def _is_short(label: str) -> bool:
    return len(label) <= _SHORT and label.isascii() and label.isalpha() and label.islower()


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, escaped.

    >>> listed(["a", "b_c"])
    'a and b\\\\_c'
    """
    *first, last = map(escaped, names)
    return f"{', '.join(first)} and {last}" if first else last
