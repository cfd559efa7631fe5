"""Whether a study is whole: what is missing of one that is not, and the command that finishes it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from shlex import quote
from typing import Any

from passo.analysis.standing import standing
from passo.errors import StoreError
from passo.store import StoredStudy


def check_finished(study: StoredStudy) -> None:
    """Raise `StoreError` for a study that has not ended: what is missing, and the command that finishes it."""
    planned = study.facts.get("planned")
    found = standing(study, planned if isinstance(planned, int) else None)
    tried = study.status == "failed" and found.planned is not None and sum(found.counts.values()) >= found.planned
    if study.status == "done" or tried:  # a run that failed is told in the note
        return
    progress = found.progress()
    if study.status == "running":
        told = f"Wait for it, or read how it stands: passo study show {quote(str(study.folder))}"
        raise StoreError(f"{study.folder} is still running: {progress} {told}")
    raise StoreError(f"{study.folder} has not finished: {progress} This goes on with it: {finishing(study)}")


def finishing(study: StoredStudy) -> str:
    """The command that goes on with a study in its folder."""
    if "planned" not in study.facts and "epochs" in study.config:
        return f"passo train --resume {quote(str(study.folder))}"
    return f"{command(study)} --out {quote(str(study.folder))}"


def command(study: StoredStudy, seeds: int | None = None) -> str:
    """The command that runs a study as it was run: a shipped one with what was changed of it, else its own file.

    `seeds` are others than its own.
    """
    more = "" if seeds is None else f" --set seeds={seeds}"
    its_file = shipped(study.name)
    if its_file is None:
        if "planned" not in study.facts:
            return "passo train …"
        return f"passo study run {quote(f'{study.name}.toml')}{more}"
    quick = " --quick" if study.config.get("form") == "quick" else ""
    if quick:  # its settings lie over the file, and are no changes
        return f"passo study run {study.name}{quick}{more}"
    changed = _changes(study.config, its_file)
    if seeds is not None:
        changed["seeds"] = str(seeds)
    return " ".join([f"passo study run {study.name}", *(f"--set {quote(f'{k}={v}')}" for k, v in changed.items())])


def shipped(name: str) -> dict[str, Any] | None:
    """The study of this name in the package, or None."""
    try:
        return tomllib.loads((files("passo") / "studies" / f"{name}.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _changes(config: Mapping[str, Any], its_file: Mapping[str, Any]) -> dict[str, str]:
    """What of a study's configuration is not its file's, as `--set` takes it."""
    found: dict[str, str] = {}
    if "seeds" in config and config["seeds"] != _seeds(its_file.get("seeds", [0])):
        found["seeds"] = json.dumps(config["seeds"], separators=(",", ":"))
    base, default = config.get("base") or {}, its_file.get("base") or {}
    for key, value in base.items():
        of, by = _section(value), _section(default.get(key))
        if isinstance(of, dict) and isinstance(by, dict) and of.get("name") == by.get("name"):
            found |= {f"{key}.{k}": json.dumps(v) for k, v in of.items() if v != by.get(k)}
        elif of != by:
            found[key] = value if isinstance(value, str) else json.dumps(value)
    return found


def _section(value: Any) -> Any:
    """A section of the base: "adam" and {name = "adam"} are one."""
    return {"name": value} if isinstance(value, str) else value


def _seeds(value: Any) -> list[int]:
    return list(range(value)) if isinstance(value, int) else list(value)
