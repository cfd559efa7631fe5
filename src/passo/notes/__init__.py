"""From a study to a note that a person would read: a page, a PDF that keeps to pages, an article, notebooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from passo.errors import ConfigError
from passo.language import resolved, speaking

if TYPE_CHECKING:
    from passo.notes.content import Byline, LeftOut, Note
    from passo.store import StoredStudy

__all__ = ["FORMATS", "Written", "note", "write"]

Texts = Sequence[tuple[str, str]]
TEXTS = ("html", "markdown")
FORMATS = ("html", "pdf", "medium", "notebook")
"""What `write` makes; with the HTML comes the same text as Markdown."""


@dataclass(frozen=True)
class Written:
    """What `write` left: its files by their kind (html, markdown, pdf, medium, notebook), and the pictures beside them.

    `figures` are those of the page, `beside` all that lies in the folders of an article and of notebooks.

    `left_out` is what the text lacks, and why: no room on its pages, or nothing of it in the study.
    """

    files: Mapping[str, Path]
    figures: tuple[Path, ...]
    left_out: tuple[LeftOut, ...] = ()
    pages: int = 0
    beside: tuple[Path, ...] = ()

    @property
    def html(self) -> Path:
        return self.files["html"]

    @property
    def markdown(self) -> Path:
        return self.files["markdown"]

    @property
    def pdf(self) -> Path:
        return self.files["pdf"]


def check_formats(formats: Sequence[str], pages: int | None, base_url: str = "") -> None:
    """Raise `ConfigError` for a format that no note has, pages without a PDF, an address that is wrong or needless."""
    for wanted in formats:
        if wanted not in FORMATS:
            raise ConfigError(f"a note has no format {wanted!r}: give some of {', '.join(FORMATS)}")
    if pages is not None and pages < 1:
        raise ConfigError(f"--pages must be 1 or more, got {pages}")
    if pages is not None and "pdf" not in formats:
        raise ConfigError(f"--pages {pages} is for a PDF: give --format pdf, or html,pdf")
    if base_url:
        from passo.notes.medium import checked

        if "medium" not in formats:
            raise ConfigError("--base-url is for an article with pictures on the web: give --format medium")
        checked(base_url)


def composer(
    study: StoredStudy,
    *,
    lang: str = "en",
    short: bool = False,
    byline: Byline | None = None,
    own: Texts | None = None,
) -> Callable[..., Note]:
    """A function that composes the study's note, `without` the passages of these names; figures are drawn once.

    `own` is a text of one's own in the place of passo's (`notes.own`). Raises `StoreError` where the study lacks runs,
    or has not finished.
    """
    from passo.notes import byline as bylines
    from passo.notes import origins, text
    from passo.notes.subjects import own_text, subject
    from passo.notes.unfinished import check_finished

    check_finished(study)
    about, lang = own_text(study) if own else subject(study), resolved(lang)
    sources = own or [(path.name, path.read_text(encoding="utf-8")) for path in about.sources(short, lang)]
    drawn = about.drawing(study)
    with speaking(lang):
        words = origins.led(study, about.words(study))
    runs = origins.groups(study)

    def compose(without: Collection[str] = ()) -> Note:
        with speaking(lang):
            made = text.compose(
                list(sources),
                words.vocabulary,
                draw=drawn,
                tables=words.tables,
                language=lang,
                notice=words.notice,
                colophon=() if short else words.colophon,
                byline=bylines.byline(study, byline),
                cited=words.cited,
                keywords=words.keywords,
                without=without,
            )
        return replace(made, groups=runs, folder=study.folder.name)

    return compose


def make(study: StoredStudy, *, lang: str = "en", byline: Byline | None = None, own: Texts | None = None) -> Note:
    """The note of a study, as content. Nothing is written."""
    return composer(study, lang=lang, byline=byline, own=own)()


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
    own: Texts | None = None,
    base_url: str = "",
) -> Written:
    """Write the note into a folder; an older note there is replaced.

    "html" writes `note.html`, `note.md` and `figures/`; "pdf" writes `note.pdf`, the same text, or, with `pages`,
    `report.pdf`, which keeps to so many and leaves out what matters least; "medium" writes the folder `medium/` with an
    article whose pictures are at `base_url`, where that is given; "notebook" writes `notebooks/`.

    Everything is computed before the first file is touched, and each file is renamed into its place when whole.
    Raises `FolderInUse` where the folder holds other things, `StoreError` where it cannot be written, `ConfigError`
    where the pages cannot hold the least of the report.
    """
    from passo.notes import notebook_files, placing
    from passo.notes.content import Byline
    from passo.store import understood

    check_formats(formats, pages, base_url)
    if own and pages is not None:
        raise ConfigError("--pages is for passo's report on two models; a text of your own is as long as it is")
    out, by = Path(out), byline or Byline()
    placing.check(out, study.name)
    if "notebook" in formats:
        notebook_files.changed(study)  # refused before anything is computed
    files: dict[str, tuple[Path, bytes]] = {}
    with understood(study.folder):
        whole = pages is None or set(formats) - {"pdf"}
        long = make(study, lang=lang, byline=by, own=own) if whole else None
        left_out, sheets = long.left_out if long else (), 0
        drawn, beside = pictured(long) if long and {"html", "medium"} & set(formats) else {}, {}
        if "html" in formats and long:
            files |= _texts(out, long)
            beside |= {out / "figures" / name: content for name, content in drawn.items()}
        if "medium" in formats and long:
            article = _article(study, long, drawn, base_url)
            files["medium"] = out / "medium" / "article.html", article.pop("article.html")
            beside |= {out / "medium" / name: content for name, content in article.items()}
        if "notebook" in formats and long:
            beside |= _notebooks(out / "notebooks", long, study)
        if "pdf" in formats:
            content, left_out, sheets = _pdf(study, long, lang, pages, by)
            files["pdf"] = out / ("report.pdf" if pages else "note.pdf"), content
    placing.place(out, study.name, {**beside, **dict(files.values())}, out / "figures" if "html" in formats else out)
    paths = {kind: path for kind, (path, _) in files.items()}
    if "notebook" in formats:
        paths["notebook"] = out / "notebooks"
    figures = tuple(path for path in beside if path.parent == out / "figures")
    return Written(paths, figures, left_out, sheets, tuple(path for path in beside if path not in figures))


def pictured(note: Note) -> dict[str, bytes]:
    """The PNG and the SVG of every figure, by their files' names; drawn once for all formats."""
    with TemporaryDirectory(prefix="passo-") as folder:
        paths = [path for block in note.figures() for path in block.figure.save(folder)]
        return {path.name: path.read_bytes() for path in paths}


def _article(study: StoredStudy, long: Note, drawn: Mapping[str, bytes], base_url: str) -> dict[str, bytes]:
    from passo.notes.medium import article
    from passo.notes.medium_races import playing

    made = article(long, drawn, lambda name: playing(study, name), base_url)
    return {**{f"figures/{name}": content for name, content in drawn.items()}, **made}


def _notebooks(folder: Path, long: Note, study: StoredStudy) -> dict[Path, bytes]:
    from passo.notes.notebook_files import notebook_files

    return {folder / name: content for name, content in notebook_files(long, study).items()}


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
        note, made = long, pdf.paper(long, pdf.LONG)
    else:
        compose = composer(study, lang=lang, short=True, byline=byline)
        found = fitting.fit(lambda without: compose(without=without), pages or 1)
        note, made = found.note, found.paper
    return pdf.pdf(made, when=ended(study)), note.left_out, made.pages
