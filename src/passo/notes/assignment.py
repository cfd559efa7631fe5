"""The folder of an assignment: a study of its own, the note's text, how to run it, and what such an assignment wants.

The study is one of the package, under a name of its own, so that it may be edited; its comments stay.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from passo.errors import ConfigError, FolderInUse
from passo.language import resolved, speaking
from passo.notes.content import Byline
from passo.notes.own import SETTINGS, write_all
from passo.notes.rendering import render
from passo.notes.text import files as texts
from passo.registry import unknown

NAME = "assignment"  # of the study: its folder is passo-runs/assignment
_DATASET = re.compile(r'^(dataset\s*=\s*(?:\{\s*name\s*=\s*)?)"[^"\n]*"', re.MULTILINE)


def new(folder: str | Path, study: str, dataset: str, by: Byline, *, lang: str = "en") -> tuple[Path, ...]:
    """Write the folder of an assignment, and give its files.

    Raises `FolderInUse` where something is in the folder already, `UnknownName` for a study that the package lacks.
    """
    folder, lang = Path(folder), resolved(lang)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} is in use: give a folder of its own, or remove what is in it")
    words = study_file(study, dataset, by)
    pair = "pair" in tomllib.loads(words)
    values = {"by": by, "dataset": dataset, "study": study, "name": NAME, "pair": pair, "extra": extra(study)}
    with speaking(lang):
        made = {"study.toml": words}
        for path in texts("assignment", lang):
            made[path.name] = render(path.name, path.read_text(encoding="utf-8"), values) + "\n"
        for path in texts("assignment-pair" if pair else "own", lang):
            made[f"text/{path.name}"] = path.read_text(encoding="utf-8")
        made[f"text/{SETTINGS}"] = _settings(lang, by)
    return write_all(folder, made)


def study_file(study: str, dataset: str, by: Byline) -> str:
    """A study of the package as the text of a file of one's own: its name, data, byline, and a quick form."""
    words = _shipped(study)
    words = re.sub(r'^name\s*=\s*"[^"\n]*"', f"name = {json.dumps(NAME)}", words, count=1, flags=re.MULTILINE)
    if dataset:
        given = json.dumps(dataset, ensure_ascii=False)
        words, found = _DATASET.subn(lambda match: f"{match[1]}{given}", words, count=1)
        if not found:
            raise ConfigError(f"the study {study} does not name its data: give its file a dataset yourself")
    told = tomllib.loads(words)
    if not told.get("quick"):
        words += f"\n[quick]  # --quick: fewer seeds and epochs, wider intervals\n{_quick(told)}"
    if "note" not in told:
        fields = {"authors": list(by.authors), "course": by.course, "repository": by.repository}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
        words += "\n".join(["\n[note]", *lines, ""])
    return words


def _quick(told: Mapping[str, Any]) -> str:
    epochs = (told.get("base") or {}).get("epochs")
    return "seeds = 2\n" + (f"epochs = {max(1, epochs // 2)}\n" if isinstance(epochs, int) and epochs > 1 else "")


def extra(study: str) -> str:
    """The extra of passo that a study of the package needs, its note included."""
    return "explain" if "seeing" in tomllib.loads(_shipped(study)) else "notes"


def lacking(extra: str) -> list[str]:
    """The packages of one of passo's extras that are not installed."""
    needed = [line for line in requires("passo") or () if re.search(f"extra == ['\"]{extra}['\"]", line)]
    return [name for line in needed if not _installed(name := re.split(r"[^\w.-]", line, maxsplit=1)[0])]


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _shipped(study: str) -> str:
    folder = files("passo") / "studies"
    known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if study not in known:
        raise unknown("study", study, known)
    return (folder / f"{study}.toml").read_text(encoding="utf-8")


def _settings(lang: str, by: Byline) -> str:
    fields = {"study": f"../passo-runs/{NAME}", "language": lang, "authors": list(by.authors)}
    fields |= {"course": by.course, "repository": by.repository}
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items())
