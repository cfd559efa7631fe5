"""A note with a text of your own: a folder of Markdown files, and `note.toml`, which says whose study they are about.

Files are read in the order of their names (`00-title.md`, `10-results.md`, …); others, such as `VALUES.md`, are no part
of the note. The text is Jinja in a sandbox: it reaches the values of the study, and nothing that runs or writes.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passo.errors import ConfigError, FolderInUse, StoreError
from passo.language import LANGUAGES, resolved, speaking, t
from passo.notes.content import Byline
from passo.notes.text import anchor, files
from passo.registry import unknown
from passo.store import StoredStudy, open_study

SETTINGS = "note.toml"
HELP = "VALUES.md"
LENGTH = 500_000  # characters of a file
_SECTION = re.compile(r"\d+.*\.md")
_NOT_PROSE = re.compile(  # values, code, equations, links, the numbers of a list, titles
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|^```.*?^```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$"
    r"|\]\([^)\s]*\)|https?://\S+|^\s*\d+[.)] |^#+ .*?$",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"(?<![\w.,-])[-−+]?\d+(?:[.,]\d+)*\s?%?(?!\w)")
_YEAR = re.compile(r"(?:1[89]|20)\d\d")


@dataclass(frozen=True)
class Typed:
    """A number that was typed into a text: where, and which."""

    file: str
    line: int
    number: str


@dataclass(frozen=True)
class Own:
    """A text of one's own: its sections as (file name, text), its study, language and byline."""

    folder: Path
    sections: tuple[tuple[str, str], ...]
    study: StoredStudy
    language: str
    byline: Byline

    def by(self, given: Byline) -> Byline:
        """Who wrote it: what is given goes before `note.toml`."""
        mine = self.byline
        return Byline(
            given.authors or mine.authors,
            given.course or mine.course,
            given.date or mine.date,
            given.repository or mine.repository,
        )

    def typed(self) -> list[Typed]:
        """Numbers in the prose that come from no value: they stay as they are when the runs change."""
        return [found for name, words in self.sections for found in typed(name, words)]


def is_own(folder: Path) -> bool:
    """Whether a folder holds a text of one's own."""
    return (folder / SETTINGS).is_file()


def read(folder: str | Path) -> Own:
    """A text from its folder, and the study that it is about.

    Raises `ConfigError` for what is wrong in `note.toml` or in how the files begin, `StoreError` for a study that is
    not there.
    """
    folder = Path(folder)
    told = _settings(folder / SETTINGS)
    language = resolved(str(told.get("language", LANGUAGES[0])))
    place = Path(os.path.normpath(folder / str(told["study"])))
    try:
        study = open_study(place)
    except StoreError as error:
        raise StoreError(f"{folder / SETTINGS}: the study of this note is not at {place}: {error}") from error
    authors = told.get("authors") or ()
    names = (authors,) if isinstance(authors, str) else tuple(map(str, authors))
    by = Byline(names, *(str(told.get(key) or "") for key in ("course", "date", "repository")))
    return Own(folder, tuple(_sections(folder)), study, language, by)


def _settings(path: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    known = ("study", "language", "authors", "course", "date", "repository")
    for key in told:
        if key not in known:
            raise ConfigError(f"{path}: {unknown('key', key, known)}")
    if not isinstance(told.get("study"), str):
        raise ConfigError(f'{path}: it does not say which study the note is about: add study = "passo-runs/NAME"')
    return told


def _sections(folder: Path) -> Iterator[tuple[str, str]]:
    paths = sorted(path for path in folder.glob("*.md") if _SECTION.fullmatch(path.name))
    if not paths:
        raise ConfigError(f"{folder} holds no text: name its files 00-title.md, 10-results.md and so on")
    for path in paths:
        if other := next((one for one in paths if one != path and anchor(one.name) == anchor(path.name)), None):
            raise ConfigError(f"{path} and {other.name} would be one place of the note: rename one of them")
    for place, path in enumerate(paths):
        words = _text(path)
        head, _, rest = words.strip().partition("\n")
        if not head.startswith("# "):
            raise ConfigError(f"{path}, line 1: a file begins with the title of its section, '# …'")
        if place == 0 and not rest.strip():
            raise ConfigError(f"{path}: below the note's title stands its subtitle, a paragraph of its own")
        yield path.name, words


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LENGTH:
            raise ConfigError(f"{path}: a file of a note has at most {LENGTH:,} characters")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: expected text in UTF-8; save the file in it") from error


def typed(name: str, words: str) -> list[Typed]:
    """The numbers of a text's prose that were typed; years, code, equations, links and headings are let be.

    >>> [(one.line, one.number) for one in typed("10-a.md", "# A\\n\\nIt reaches 87.3 % in {{ epochs }} epochs.")]
    [(3, '87.3 %')]
    """
    prose = _NOT_PROSE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), words)
    found = []
    for line, content in enumerate(prose.splitlines(), start=1):
        for match in _NUMBER.finditer(content):
            if not _YEAR.fullmatch(match[0].strip()):
                found.append(Typed(name, line, match[0].strip()))
    return found


# ── A new one ─────────────────────────────────────────────────────────────────────────────────────────────


def new(study: StoredStudy, folder: str | Path, *, lang: str = "en", byline: Byline | None = None) -> tuple[Path, ...]:
    """Write the folder of a new text about a study: sections to edit, its settings, and the list of values and figures.

    Raises `FolderInUse` where something is in the folder already.
    """
    from passo.notes.unfinished import check_finished
    from passo.notes.values_listed import listing

    check_finished(study)
    folder, lang = Path(folder), resolved(lang)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} is in use: give a folder of its own, or remove what is in it")
    with speaking(lang):
        made = {path.name: path.read_text(encoding="utf-8") for path in template(lang)}
        made |= {SETTINGS: settings(study, folder, lang, byline or Byline()), HELP: listing(study)}
    return write_all(folder, made)


def list_values(text: Own) -> None:
    """Write the list of values and figures beside a text that has none, being older than its study."""
    from passo.notes.unfinished import check_finished
    from passo.notes.values_listed import listing

    check_finished(text.study)
    if not (text.folder / HELP).exists():
        with speaking(text.language):
            write_all(text.folder, {HELP: listing(text.study)})


def template(lang: str) -> list[Path]:
    """The files that a new text begins with."""
    return files("own", lang)


def settings(study: StoredStudy, folder: Path, lang: str, by: Byline) -> str:
    """The text of `note.toml`."""
    try:
        place = os.path.relpath(study.folder.resolve(), folder.resolve())
    except ValueError:  # on another drive
        place = str(study.folder.resolve())
    return settings_of(Path(place).as_posix(), lang, by)


def settings_of(place: str, lang: str, by: Byline) -> str:
    """The text of `note.toml`, for a study at a place."""
    told = {"study": place, "language": lang, "authors": list(by.authors)}
    told |= {"course": by.course, "date": by.date, "repository": by.repository}
    head = t("# Which study this note is about, its language, and who wrote it. To build the note: passo note FOLDER")
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in told.items()]
    return "\n".join([head, *lines, ""])


def write_all(folder: Path, made: dict[str, str]) -> tuple[Path, ...]:
    """Write new files of text into a folder, all or none; raises `StoreError` where that is not possible."""
    done: list[Path] = []
    try:
        for name, words in made.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            done.append(path)
            path.write_text(words, encoding="utf-8")
        return tuple(done)
    except BaseException as error:  # a folder that is interrupted holds nothing, and the same command works again
        _remove(folder, done)
        if isinstance(error, OSError):
            raise StoreError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
        raise


def _remove(folder: Path, paths: Sequence[Path]) -> None:
    """Remove files that were made, and the folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
    for place in dict.fromkeys([*(path.parent for path in reversed(paths)), folder]):
        with suppress(OSError):
            place.rmdir()


def warnings_told(found: Sequence[Typed], most: int = 10) -> list[str]:
    """What is said of typed numbers, a line each."""
    told = [
        t("{file}, line {line}: the number {number} is typed, and stays when the runs change: take a value, {values}",
          file=one.file, line=str(one.line), number=one.number, values=HELP)
        for one in found[:most]
    ]  # fmt: skip
    more = len(found) - most
    return [*told, t("… and {n} more", n=more)] if more > 0 else told
