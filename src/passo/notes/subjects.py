"""Which texts, words and tables a study's note is made of: the study's name decides, or that it compares two models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from passo.errors import ConfigError
from passo.notes.content import Table
from passo.store import StoredStudy

if TYPE_CHECKING:
    from passo.figures import Figure

WITH_EQUATIONS = ("optimizers",)


@dataclass(frozen=True)
class Words:
    """What a text may use: values by name, tables by name, what it may cite; and what stands around it."""

    vocabulary: Mapping[str, Any]
    tables: Mapping[str, Callable[[], Table]]
    notice: str = ""
    colophon: tuple[tuple[str, str], ...] = ()
    cited: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A kind of study that a note is written for: the folders of its texts, where its words come from, own figures."""

    text: str
    words: Callable[[StoredStudy], Words]
    report: str = ""
    own: Mapping[str, Callable[[StoredStudy], Figure]] = field(default_factory=dict)

    def folder(self, short: bool) -> str:
        """The folder of the long text, or of the short report's."""
        return self.report if short else self.text


def check_paper(name: str) -> None:
    """Raise `ConfigError` for a study whose note no PDF can hold yet."""
    if name in WITH_EQUATIONS:
        raise ConfigError(
            f"the note on {name} holds equations in LaTeX, which a PDF cannot set yet: give --format html"
        )


def subject(study: StoredStudy) -> Subject:
    """What the note of this study is made of; an unknown name is answered when its text is looked for."""
    if study.facts.get("pair"):
        return Subject("nn-vs-cnn", _two_models, "nn-vs-cnn-report", {"gradcam-strip": _strip})
    return Subject(study.name, _optimizers)


def _optimizers(study: StoredStudy) -> Words:
    from passo.notes import colophon, vocabulary
    from passo.notes.tables import tables
    from passo.notes.values import Values

    values = Values(study)
    vocabulary.require(values)
    return Words(vocabulary.vocabulary(values), tables(values), colophon.notice(values), colophon.colophon(values))


def _two_models(study: StoredStudy) -> Words:
    from passo.notes import pair_colophon, pair_tables, pair_vocabulary
    from passo.notes.references import REFERENCES

    return Words(
        pair_vocabulary.vocabulary(study),
        pair_tables.tables(study),
        pair_colophon.notice(study),
        pair_colophon.colophon(study),
        REFERENCES,
        pair_vocabulary.keywords(study),
    )


def _strip(study: StoredStudy) -> Figure:
    from passo.notes.strip import gradcam_strip

    return gradcam_strip(study)
