"""From a study to a note that a person would read: HTML with Markdown and figures, and a PDF that keeps to pages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from passo.errors import ConfigError, FolderInUse, StoreError

if TYPE_CHECKING:
    from passo.notes.content import Byline, FigureBlock, LeftOut, Note
    from passo.store import StoredStudy

__all__ = ["FORMATS", "Written", "check_language", "note", "write"]

TEXTS = ("html", "markdown")
FORMATS = ("html", "pdf")
"""What `write` makes; with the HTML comes the same text as Markdown."""


@dataclass(frozen=True)
class Written:
    """What `write` left: its files by their kind (html, markdown, pdf), and the figures' PNG and SVG files.

    `left_out` is what the text lacks, and why: no room on its pages, or nothing of it in the study.
    """

    files: Mapping[str, Path]
    figures: tuple[Path, ...]
    left_out: tuple[LeftOut, ...] = ()
    pages: int = 0

    @property
    def html(self) -> Path:
        return self.files["html"]

    @property
    def markdown(self) -> Path:
        return self.files["markdown"]

    @property
    def pdf(self) -> Path:
        return self.files["pdf"]


def check_language(lang: str) -> None:
    """Raise `ConfigError` unless notes are written in this language."""
    from passo.notes.text import check_language

    check_language(lang)


def check_formats(formats: Sequence[str], pages: int | None, name: str = "") -> None:
    """Raise `ConfigError` for a format that no note has, or this study's, and for a number of pages without a PDF."""
    from passo.notes.subjects import check_paper

    for wanted in formats:
        if wanted not in FORMATS:
            raise ConfigError(f"a note has no format {wanted!r}: give some of {', '.join(FORMATS)}")
    if pages is not None and pages < 1:
        raise ConfigError(f"--pages must be 1 or more, got {pages}")
    if pages is not None and "pdf" not in formats:
        raise ConfigError(f"--pages {pages} is for a PDF: give --format pdf, or html,pdf")
    if "pdf" in formats:
        check_paper(name)


def composer(
    study: StoredStudy, *, lang: str = "en", short: bool = False, byline: Byline | None = None
) -> Callable[..., Note]:
    """A function that composes the study's note, `without` the passages of these names; figures are drawn once.

    Raises `UnknownName` where no note is written for such a study, `StoreError` where the study lacks runs.
    """
    from passo.figures import draw
    from passo.notes import byline as bylines
    from passo.notes import text
    from passo.notes.subjects import subject

    about = subject(study)
    sources = [(path.name, path.read_text(encoding="utf-8")) for path in text.files(about.folder(short), lang)]
    words = about.words(study)
    return functools.partial(
        text.compose,
        sources,
        words.vocabulary,
        draw=functools.cache(lambda name: about.own[name](study) if name in about.own else draw(name, study)),
        tables=words.tables,
        language=lang,
        notice=words.notice,
        colophon=() if short else words.colophon,
        byline=bylines.byline(study, byline),
        cited=words.cited,
        keywords=words.keywords,
    )


def make(study: StoredStudy, *, lang: str = "en", byline: Byline | None = None) -> Note:
    """The note of a study, as content. Nothing is written."""
    return composer(study, lang=lang, byline=byline)()


def note(study: StoredStudy, format: str = "html", *, lang: str = "en") -> str:
    """The note of a study as text: "html" (one offline page) or "markdown"."""
    if format not in TEXTS:
        raise ConfigError(f"a note has no format {format!r}: give one of {', '.join(TEXTS)}")
    from passo.notes.html import page
    from passo.notes.markdown import markdown

    made = make(study, lang=lang)
    return page(made) if format == "html" else markdown(made)


def write(
    study: StoredStudy,
    out: str | Path,
    *,
    lang: str = "en",
    formats: Sequence[str] = ("html",),
    pages: int | None = None,
    byline: Byline | None = None,
) -> Written:
    """Write the note into a folder; an older note there is replaced.

    "html" writes `note.html`, `note.md` and `figures/`; "pdf" writes `note.pdf`, the same text, or, with `pages`,
    `report.pdf`, which keeps to so many and leaves out what matters least.

    Everything is computed before the first file is touched, and each file is renamed into its place when whole.
    Raises `FolderInUse` where the folder holds other things, `StoreError` where it cannot be written, `ConfigError`
    where the pages cannot hold the least of the report.
    """
    from passo.notes.content import Byline
    from passo.store import understood

    check_formats(formats, pages, study.name)
    out, by = Path(out), byline or Byline()
    _check_folder(out)
    files: dict[str, tuple[Path, bytes]] = {}
    with understood(study.folder):
        long = make(study, lang=lang, byline=by) if "html" in formats or pages is None else None
        left_out, sheets = long.left_out if long else (), 0
        if "html" in formats and long:
            files |= _texts(out, long)
        if "pdf" in formats:
            content, left_out, sheets = _pdf(study, long, lang, pages, by)
            files["pdf"] = out / ("report.pdf" if pages else "note.pdf"), content
    drawn = long.figures() if "html" in formats and long else []
    return Written(*_placed(out, files, drawn), left_out, sheets)


def _texts(out: Path, long: Note) -> dict[str, tuple[Path, bytes]]:
    from passo.notes.html import page
    from passo.notes.markdown import markdown

    return {
        "html": (out / "note.html", page(long).encode()),
        "markdown": (out / "note.md", markdown(long).encode()),
    }


def _pdf(
    study: StoredStudy, long: Note | None, lang: str, pages: int | None, byline: Byline
) -> tuple[bytes, tuple[LeftOut, ...], int]:
    """The long note on as many pages as it takes, or the report on so many; what it leaves out, and its pages."""
    from passo.notes import fitting, pdf
    from passo.notes.byline import ended

    if long is not None and pages is None:
        note, made = long, pdf.paper(long, pdf.Layout(columns=1))
    else:
        compose = composer(study, lang=lang, short=True, byline=byline)
        found = fitting.fit(lambda without: compose(without=without), pages or 1)
        note, made = found.note, found.paper
    return pdf.pdf(made, when=ended(study)), note.left_out, made.pages


def _placed(
    out: Path, files: Mapping[str, tuple[Path, bytes]], drawn: Sequence[FigureBlock]
) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """Write figures and files; their paths."""
    try:
        (out / "figures" if "html" in files else out).mkdir(parents=True, exist_ok=True)
        figures = tuple(path for block in drawn for path in block.figure.save(out / "figures"))
        for path, content in files.values():
            _replace(path, content)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
    return {kind: path for kind, (path, _) in files.items()}, figures


def _check_folder(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderInUse(f"{out} is a file: give a folder for the note")
    ours = {"note.html", "note.md", "note.pdf", "report.pdf", "figures"}
    others = sorted(path.name for path in out.iterdir() if path.name not in ours and not path.name.startswith("."))
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise FolderInUse(f"{out} holds other things ({', '.join(others[:3])}{more}): give a folder of its own")


def _replace(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never a half."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)
