"""Which texts, words and tables a study's note is made of: one for any study, and more for those of the package."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.errors import ConfigError
from passo.language import ENGLISH
from passo.notes import text
from passo.notes.content import Table
from passo.registry import unknown
from passo.store import StoredStudy

if TYPE_CHECKING:
    from passo.figures import Figure

    Drawn = Callable[[StoredStudy], Figure]

ANY = "any"  # the folder of the text for any study


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
    """A kind of study that a note is written for: the folders of its texts, where its words come from, own figures.

    Files of `text` lie over those of the same name `under` it; `own` are figures beside those of `passo.figures`, or,
    where `alone`, all that there are.
    """

    text: str
    words: Callable[[StoredStudy], Words]
    report: str = ""
    own: Callable[[StoredStudy], Mapping[str, Drawn]] = lambda study: {}
    under: str = ""
    alone: bool = False

    def sources(self, short: bool, language: str) -> list[Path]:
        """The files of the long text, or of the short report, in reading order."""
        if short and not self.report:
            told = "a report of so many pages is written on studies of two models: leave --pages out"
            raise ConfigError(f"{told}, and the PDF is the whole note")
        below = {path.name: path for path in text.files(self.under, language)} if self.under else {}
        above = {path.name: path for path in text.files(self.report if short else self.text, language)}
        return [path for _, path in sorted((below | above).items())]

    def drawing(self, study: StoredStudy) -> Callable[[str], Figure]:
        """A function that draws a figure by its name, each once."""
        own = self.own(study)

        @functools.cache
        def drawn(name: str) -> Figure:
            from passo.figures import draw

            if name in own:
                return own[name](study)
            if self.alone:
                raise unknown("figure", name, own)
            return draw(name, study)

        return drawn


def subject(study: StoredStudy) -> Subject:
    """What the note of this study is made of."""
    if study.facts.get("pair"):
        return Subject("nn-vs-cnn", _two_models, "nn-vs-cnn-report", lambda study: {"gradcam-strip": _strip})
    if study.name == "optimizers" and _is_shipped(study):
        return Subject(study.name, _optimizers)
    own = study.name if _is_shipped(study) and (text.TEXTS / ENGLISH / study.name).is_dir() else ANY
    return Subject(own, any_words, own=any_figures, under=ANY, alone=True)


def _is_shipped(study: StoredStudy) -> bool:
    """Whether it is a study of the package: one of your own may bear the same name."""
    try:
        text = (files("passo") / "studies" / f"{study.name}.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    config = study.config
    return "title" not in config or config["title"] == tomllib.loads(text).get("title")


def any_words(study: StoredStudy) -> Words:
    """What a text on any study may use."""
    from passo.notes import general, general_colophon
    from passo.notes.general_tables import tables
    from passo.notes.literature import LITERATURE
    from passo.notes.references import REFERENCES

    found = general.results(study)
    data = general_colophon.data_of(study)
    words = general.vocabulary(found, data)
    notice, made = general_colophon.notice(study), general_colophon.colophon(study)
    cited = REFERENCES | LITERATURE
    return Words(words, tables(found), notice, made, cited, (*words["models"], *words["optimizers"]))


def own_text(study: StoredStudy) -> Subject:
    """What a text of one's own is made of, whatever the study."""
    return Subject(ANY, any_words, own=any_figures, alone=True)


def any_figures(study: StoredStudy) -> Mapping[str, Drawn]:
    """The figures that a text on any study may place."""
    from passo.notes.general import results
    from passo.notes.general_figures import figures

    return figures(results(study))


def _optimizers(study: StoredStudy) -> Words:
    from passo.notes import colophon, vocabulary
    from passo.notes.references import REFERENCES
    from passo.notes.tables import tables
    from passo.notes.values import Values

    values = Values(study)
    vocabulary.require(values)
    notice, made = colophon.notice(values), colophon.colophon(values)
    return Words(vocabulary.vocabulary(values), tables(values), notice, made, REFERENCES)


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
