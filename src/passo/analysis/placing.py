"""Files for others: written beside their place and renamed, never over what is there unless that was said."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from passo.errors import FolderInUse, StoreError


@contextmanager
def placed(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A free name beside `path`, to write a file or a folder to; it takes the name `path` when all went well.

    With `force` a file that is there is replaced, and a folder moved aside (`NAME.1`, …). Raises `FolderInUse` where
    something is there, before anything is written, and `StoreError` where the disk refuses.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not (force or empty):
        raise FolderInUse(f"{path} is there already: choose another name, or --force (force=True) to replace it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if path.is_dir():
            path.rmdir() if empty else path.rename(_aside(path))
        beside.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)


def _aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return aside
