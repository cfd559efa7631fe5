"""Finding studies: by path, by name, by what they are; and telling what is damaged to whoever reads on."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from passo.errors import PassoError, StoreError
from passo.store.folder import locked, refusals_told, root
from passo.store.reading import StoredRun, StoredStudy, open_study
from passo.store.schema import DATABASE


def studies(folder: Path | None = None) -> list[StoredStudy]:
    """The study folders below a root (`root()` where none is given), newest last."""
    found = []
    for path in sorted((folder or root()).glob(f"*/{DATABASE}")):
        with suppress(StoreError):  # one that cannot be read does not hide the others
            found.append(open_study(path.parent))
    return sorted(found, key=lambda study: study.facts["created"])


def place(name: str | Path) -> Path | None:
    """The folder of a study, whole or damaged, by its path or by its name under `root()`; None where there is none."""
    for folder in (Path(name), root() / name):
        with refusals_told(folder, "open"):
            if (folder / DATABASE).is_file():
                return folder
    return None


def find(name: str | Path) -> StoredStudy:
    """A study by its path, or by its name under `root()`."""
    folder = place(name)
    if folder is None:
        raise StoreError(f"no study {str(name)!r}: neither a study folder, nor one under {root()}")
    return open_study(folder)


def named(name: str | Path) -> StoredStudy | StoredRun:
    """A study, or with STUDY/RUN a run of one; raises `StoreError` for neither, and for one that cannot be read."""
    try:
        return find(name)
    except StoreError:
        study, slash, run_id = str(name).rpartition("/")
        if not slash or place(name) is not None:  # it is there, and cannot be read
            raise
        return find(study).run(run_id)


@contextmanager
def understood(study: str | Path) -> Iterator[None]:
    """Turn what a study that passo did not write so does to its readers into one sentence, with the place in passo.

    For the doors, around what only reads: a metric or a fact of another name or shape is a damaged study's there.
    """
    try:
        yield
    except PassoError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}, line {at.lineno}"
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}; {where}"
        told = f"{study} cannot be understood: it is damaged, or passo did not write it so ({what})"
        raise StoreError(told) from error


def interrupted(name: str, config: Mapping[str, Any]) -> Path | None:
    """The newest folder under `root()` in which a study of this name and configuration stopped with a checkpoint.

    One that another process is writing does not count, nor one that failed.
    """
    wanted = json.loads(json.dumps(config))
    for path in sorted(root().glob(f"{name}-*/{DATABASE}"), reverse=True):
        with suppress(StoreError, OSError):
            there = open_study(path.parent)
            if there.status in ("running", "interrupted") and there.config == wanted and there.checkpoints():
                with refusals_told(path.parent, "open"):
                    locked(path.parent).close()
                return path.parent
    return None
