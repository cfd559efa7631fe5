"""From a study to a note that a person would read: one HTML file, one Markdown file, and the figures as files."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from passo.errors import ConfigError, FolderInUse, StoreError

if TYPE_CHECKING:
    from passo.notes.content import Note
    from passo.store import StoredStudy

__all__ = ["Written", "check_language", "note", "write"]

FORMATS = ("html", "markdown")


@dataclass(frozen=True)
class Written:
    """What `write` left: the page, the Markdown, and the figures' PNG and SVG files."""

    html: Path
    markdown: Path
    figures: tuple[Path, ...]


def check_language(lang: str) -> None:
    """Raise `ConfigError` unless notes are written in this language."""
    from passo.notes.text import check_language

    check_language(lang)


def make(study: StoredStudy, *, lang: str = "en") -> Note:
    """The note of a study, as content. Nothing is written.

    Raises `UnknownName` where no note is written for such a study, `StoreError` where the study lacks runs.
    """
    from passo.figures import draw
    from passo.notes import colophon, text, vocabulary
    from passo.notes.tables import tables
    from passo.notes.values import Values

    sources = [(path.name, path.read_text(encoding="utf-8")) for path in text.files(study.name, lang)]
    values = Values(study)
    vocabulary.require(values)
    return text.compose(
        sources,
        vocabulary.vocabulary(values),
        draw=functools.partial(draw, study=study),
        tables=tables(values),
        language=lang,
        notice=colophon.notice(values),
        colophon=colophon.colophon(values),
    )


def note(study: StoredStudy, format: str = "html", *, lang: str = "en") -> str:
    """The note of a study as text: "html" (one offline page) or "markdown"."""
    if format not in FORMATS:
        raise ConfigError(f"a note has no format {format!r}: give one of {', '.join(FORMATS)}")
    from passo.notes.html import page
    from passo.notes.markdown import markdown

    made = make(study, lang=lang)
    return page(made) if format == "html" else markdown(made)


def write(study: StoredStudy, out: str | Path, *, lang: str = "en") -> Written:
    """Write `note.html`, `note.md` and `figures/` into a folder; an older note there is replaced.

    Everything is computed before the first file is touched, and each file is renamed into its place when whole.
    Raises `FolderInUse` where the folder holds other things, `StoreError` where it cannot be written.
    """
    from passo.notes.html import page
    from passo.notes.markdown import markdown
    from passo.store import understood

    out = Path(out)
    _check_folder(out)
    with understood(study.folder):
        made = make(study, lang=lang)
        html, text = page(made), markdown(made)
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        figures = tuple(path for block in made.figures() for path in block.figure.save(out / "figures"))
        written = Written(out / "note.html", out / "note.md", figures)
        for path, content in ((written.html, html), (written.markdown, text)):
            _replace(path, content)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
    return written


def _check_folder(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderInUse(f"{out} is a file: give a folder for the note")
    ours = {"note.html", "note.md", "figures"}
    others = sorted(path.name for path in out.iterdir() if path.name not in ours and not path.name.startswith("."))
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise FolderInUse(f"{out} holds other things ({', '.join(others[:3])}{more}): give a folder of its own")


def _replace(path: Path, content: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never a half."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(content, encoding="utf-8")
    beside.replace(path)
