"""The folder of a note: it holds one study's note and nothing else, and each of its files is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from passo.errors import FolderInUse, StoreError

OURS = frozenset({"note.html", "note.md", "note.pdf", "report.pdf", "figures", "medium", "notebooks"})
MARK = ".passo-note"  # a file with the name of the study whose note this is
_NAMED = 3


def check(out: Path, study: str) -> None:
    """Raise `FolderInUse` where the folder holds other things than a note, or another study's note."""
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderInUse(f"{out} is a file: give a folder for the note")
    others = sorted(path.name for path in out.iterdir() if path.name not in OURS and not path.name.startswith("."))
    if others:
        named, more = ", ".join(others[:_NAMED]), len(others) - _NAMED
        if more > 0:
            raise FolderInUse(f"{out} holds other things ({named} and {more} more): give a folder of its own")
        raise FolderInUse(f"{out} holds other things ({named}): give a folder of its own")
    mark = out / MARK
    there = mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else study
    if there != study:
        raise FolderInUse(f"{out} holds the note on {there}: give a folder of its own to the note on {study}")


def place(out: Path, study: str, files: Mapping[Path, bytes], least: Path) -> None:
    """Write the files, and make their folders; `least` is there in any case."""
    whole = {out / MARK: f"{study}\n".encode(), **files}
    folders = [folder for path in (least, *(path.parent for path in whole)) for folder in (path, *path.parents)]
    new = [folder for folder in dict.fromkeys(folders) if not folder.exists()]
    try:
        least.mkdir(parents=True, exist_ok=True)
        for path, content in whole.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _beside(path).write_bytes(content)
        for path in whole:  # all are whole by now: a reader sees the old file or the new one, never a half
            _beside(path).replace(path)
    except BaseException as error:
        _clear(whole, new)
        if isinstance(error, OSError):
            raise StoreError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error
        raise


def _beside(path: Path) -> Path:
    """Where a file is written, before it takes its place."""
    return path.with_name(f".{path.name.removeprefix('.')}.part")


def _clear(files: Iterable[Path], new: Iterable[Path]) -> None:
    """After an error or Ctrl-C, remove what did not get into its place, and new folders that nothing is in."""
    for path in files:
        with suppress(OSError):
            _beside(path).unlink()
    for folder in sorted(new, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()
