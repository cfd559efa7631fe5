"""Names and sentences of a study of two models, ready for running text: escaped, and as one would write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from passo.analysis.words import joined
from passo.language import ENGLISH, language, t
from passo.notes.content import escaped

_SHORT = 4  # letters; a label of as many is an abbreviation
_ARTICLE = {ENGLISH: "the", "pt-BR": "a"}  # a network is feminine in Portuguese
_BEFORE = {
    ENGLISH: {"the": "the"},
    "pt-BR": {"de": "da", "em": "na", "por": "pela", "a": "à", "da": "da", "na": "na", "pela": "pela", "à": "à"},
}
"""What a word before a label becomes with the article: one that is there already stays, prepositions take it in."""


@dataclass(frozen=True)
class Speech:
    r"""How the labels of two models are written in sentences: abbreviations in capitals and with their article.

    >>> say = Speech(("mlp", "cnn"))
    >>> say("cnn needs 4 times fewer images than mlp [3, 5].")
    'The CNN needs 4\xa0times fewer images than the MLP \\[3, 5\\].'
    >>> say("The mlp's loss is above that of the cnn."), Speech(("lenet-5", "cnn")).name("lenet-5")
    ("The MLP's loss is above that of the CNN.", 'lenet-5')
    >>> from passo.language import speaking
    >>> with speaking("pt-BR"):
    ...     say("cnn perde menos em mlp que por mlp. A perda de mlp é maior.")
    'A CNN perde menos na MLP que pela MLP. A perda da MLP é maior.'
    """

    labels: tuple[str, str]

    def name(self, label: str) -> str:
        """A label as a name: `mlp` is the MLP."""
        return label.upper() if _is_short(label) else escaped(label)

    def the(self, label: str) -> str:
        """A label with its article, where it is an abbreviation."""
        return f"{_ARTICLE[language()]} {self.name(label)}" if _is_short(label) else self.name(label)

    def begin(self, label: str) -> str:
        """The same at the beginning of a sentence."""
        return _begun(self.the(label))

    def __call__(self, sentence: str) -> str:
        """A computed sentence: its signs escaped, its labels as names, its first letter large."""
        article, before = _ARTICLE[language()], _BEFORE[language()]
        units = "|".join(("%", t("points"), t("times")))
        text = re.sub(rf"(?<=\d) (?={units})", "\N{NO-BREAK SPACE}", escaped(sentence))
        for label in filter(_is_short, self.labels):

            def named(found: re.Match[str], of: str = label) -> str:
                word = found[1] or ""
                told = before.get(word.lower(), article)
                return f"{told.capitalize() if word[:1].isupper() else told} {of.upper()}"

            # A label inside of a longer name is none; one that begins a sentence may have been begun large.
            pattern = rf"(?<![\w-])(?:((?i:{'|'.join(before)})) )?(?:{label}|{label.capitalize()})(?![\w-])"
            text = re.sub(pattern, named, text)
        return _begun(text)


def _begun(text: str) -> str:
    """A large first letter for every sentence that begins with an article."""
    article = _ARTICLE[language()]
    return re.sub(rf"(^|[.?!] ){article} ", lambda found: f"{found[1]}{article.capitalize()} ", text)


def _is_short(label: str) -> bool:
    return len(label) <= _SHORT and label.isascii() and label.isalpha() and label.islower()


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, escaped.

    >>> listed(["a", "b_c"])
    'a and b\\\\_c'
    """
    return joined([escaped(name) for name in names])
