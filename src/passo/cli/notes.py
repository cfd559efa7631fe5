"""`passo note`: from a study to a note that a person would read, or to a report of so many pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli import studies
from passo.cli.show import err, out
from passo.language import t, tn
from passo.telling import told as told_error

if TYPE_CHECKING:
    from passo.notes import Written
    from passo.notes.content import Byline
    from passo.notes.own import Own
    from passo.store import StoredStudy


def note(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A study: name, file or folder; the folder of a text of your own; or new."
        ),
    ],
    begun: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="After new: the study that a text of your own is to be on.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Another data set than the study's own.")] = None,
    settings: studies.Settings = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder for the note (default: STUDY/note).")] = None,
    force: studies.Force = False,
    jobs: studies.Jobs = None,
    quick: studies.Quick = False,
    lang: Annotated[
        str, typer.Option(metavar="LANG", help="Its language: en, pt-BR, or both: en,pt-BR (default: the one spoken).")
    ] = "",
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMATS", help="html (with Markdown), pdf, medium, notebook, or several: html,pdf."
        ),
    ] = "html",
    base_url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where the folder of the medium format will be on the web: its pictures are there."
        ),
    ] = "",
    pages: Annotated[
        int | None,
        typer.Option(help="Make the PDF a report of at most so many pages; what matters least is left out, and told."),
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="Who wrote it; may be repeated.")] = None,
    course: Annotated[str, typer.Option(help="The course that it is for.")] = "",
    repository: Annotated[str, typer.Option(help="Where its code is: an address.")] = "",
    date: Annotated[
        str, typer.Option(help="The date that it carries (default: the day on which the study ended).")
    ] = "",
    allow_sample: Annotated[
        bool, typer.Option("--allow-sample", help="Take the embedded sample where the full set is missing.")
    ] = False,
) -> None:
    """Write the technical note of a study; run the study first where it is not there.

    passo note optimizers

    passo note new STUDY --out my-note      begins a text of your own; passo note my-note builds and checks it
    """
    from passo import store
    from passo.errors import UsageError
    from passo.language import language, resolved
    from passo.notes import check_formats, own
    from passo.notes.content import Byline

    formats = [word.strip() for word in format_.split(",") if word.strip()]
    languages = [resolved(word.strip()) for word in (lang or language()).split(",")]
    byline = Byline(tuple(author or ()), course, date, repository)
    if name == "new":
        _begin(begun, out_, languages[0], byline)
        return
    if begun is not None:
        raise UsageError(f"one study at a time: {name} or {begun}? (a text of your own: passo note new {name})")
    check_formats(formats, pages, base_url)
    folder = Path(name)
    if own.is_own(folder):
        _check_nothing_for_a_study(lang, dataset, settings, force, quick)
        with err.status(t("writing the note")):
            text, written = _own(folder, out_, formats, pages, byline, base_url)
        _tell(written, base_url)
        for line in own.warnings_told(text.typed()):
            err.print(line, markup=False, soft_wrap=True)
        return
    folder = _place(name)
    if not (folder / store.DATABASE).is_file():
        folder = _run_first(name, dataset, settings or [], force, jobs, quick, allow_sample)
    study = store.open_study(folder)
    target = out_ if out_ is not None else folder / "note"
    with err.status(t("writing the note")):
        for written in _each(study, target, languages, formats=formats, pages=pages, byline=byline, base_url=base_url):
            _tell(written, base_url)


def _check_nothing_for_a_study(
    lang: str | None, dataset: str | None, settings: list[str] | None, force: bool, quick: bool
) -> None:
    """A text of one's own has its language and its study: what asks for others is refused, not forgotten."""
    from passo.errors import UsageError

    given = {"--lang": lang, "--dataset": dataset, "--set": settings, "--force": force, "--quick": quick}
    if asked := [name for name, value in given.items() if value]:
        raise UsageError(f"a text of your own names its study and its language itself: leave {', '.join(asked)} out")


def _each(study: StoredStudy, target: Path, languages: list[str], **options: Any) -> list[Written]:
    """The note in each language; of several, each in a folder of its own below the target."""
    from passo.notes import several

    places = {lang: target / lang for lang in languages} if len(languages) > 1 else {languages[0]: target}
    return list(several.write_each(study, places, **options).values())


def _place(name: str) -> Path:
    """The folder of a study that was run, of a name that no study of the package has; else the name as a path."""
    from importlib.resources import files

    from passo import store

    path = Path(name)
    shipped = path.name == name and (files("passo") / "studies" / f"{name}.toml").is_file()
    return path if shipped or (path / store.DATABASE).is_file() else store.place(name) or path


def _begin(name: str | None, target: Path | None, lang: str, byline: Byline) -> None:
    """Begin a text of one's own about a study."""
    from passo import store
    from passo.errors import UsageError
    from passo.notes import own

    if name is None:
        raise UsageError("say which study the text is on: passo note new STUDY")
    study = store.find(name)
    folder = target if target is not None else Path(f"{study.folder.name}-text")
    with store.understood(study.folder), err.status(t("listing what the study has")):
        own.new(study, folder, lang=lang, byline=byline)
    out.print(t("a text to edit: {folder}", folder=folder), markup=False, soft_wrap=True)
    told = t("what it may write: {file}; to build and check it: {command}",
             file=folder / own.HELP, command=f"passo note {folder}")  # fmt: skip
    out.print(told, markup=False, soft_wrap=True)


def _own(
    folder: Path, target: Path | None, formats: list[str], pages: int | None, given: Byline, base_url: str
) -> tuple[Own, Written]:
    """Build the note of a text of one's own."""
    from passo.notes import own, write

    text = own.read(folder)
    own.list_values(text)
    place = target if target is not None else folder / "note"
    options = {
        "lang": text.language,
        "formats": formats,
        "pages": pages,
        "byline": text.by(given),
        "base_url": base_url,
    }
    return text, write(text.study, place, own=text.sections, **options)


def _tell(written: Written, base_url: str = "") -> None:
    """Where the files are, and what they leave out."""
    if "html" in written.files:
        out.print(t("note: {file}", file=written.html), markup=False, soft_wrap=True)
        told = t("      {file}, {n} figures beside it", file=written.markdown, n=len(written.figures))
        out.print(told, markup=False, soft_wrap=True)
    if "pdf" in written.files:
        told = tn("PDF:  {file}, {n} page", "PDF:  {file}, {n} pages", written.pages, file=written.pdf)
        out.print(told, markup=False, soft_wrap=True)
    if "medium" in written.files:
        told = t("article: {file}, with its pictures beside it", file=written.files["medium"])
        out.print(told, markup=False, soft_wrap=True)
        if not base_url:
            told = t("an import needs pictures on the web: give --base-url with the folder's public address")
            out.print(told, markup=False, soft_wrap=True)
    if "notebook" in written.files:
        told = t("notebooks: {folder}, not executed yet; to open them: {command}",
                 folder=written.files["notebook"], command=f"jupyter lab {written.files['notebook']}")  # fmt: skip
        out.print(told, markup=False, soft_wrap=True)
    for passage in written.left_out:
        why = told_error(passage.why) if passage.why else t("no room for it on these pages")
        out.print(t("left out: {runs}: {why}", runs=t(passage.name), why=why), markup=False, soft_wrap=True)


def _run_first(
    name: str,
    dataset: str | None,
    settings: list[str],
    force: bool,
    jobs: int | None,
    quick: bool,
    allow_sample: bool,
) -> Path:
    """The study's folder; the study is run unless it is there, finished, with this very configuration."""
    from passo import store
    from passo.experiments import shipped, study
    from passo.notes.own import SETTINGS
    from passo.registry import unknown

    if Path(name).name == name and not name.endswith(".toml") and name not in shipped():
        known = [*shipped(), *(one.folder.name for one in store.studies())]
        if texts := [path.parent.name for path in Path().glob(f"*/{SETTINGS}")]:  # a text of one's own may be meant
            raise unknown("study or text", name, [*known, *texts])
        raise unknown("study", name, known)
    words = [*([f"dataset={dataset}"] if dataset else []), *settings]
    if allow_sample:
        words.append("dataset.allow_sample=true")
    chosen = study(name, words, quick=quick)
    folder = store.root() / (f"{chosen.name}-{dataset}" if dataset else chosen.name)
    if not force and (folder / store.DATABASE).is_file():
        there = store.open_study(folder)
        if there.status == "done" and there.config == chosen.file.model_dump(mode="json", exclude_defaults=True):
            err.print(t("the study is there, finished: {folder}", folder=folder))
            return folder
    studies.told_left_out(chosen)
    studies.perform(chosen, folder, force, jobs)
    return folder
