"""The notebooks of a study's note as files: they run the same study of the package, with the settings that it had."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files

from passo.errors import ConfigError, require
from passo.figures import FIGURES, PAIR_FIGURES
from passo.notes.content import Note
from passo.notes.notebook import notebooks
from passo.store import StoredStudy


def notebook_files(note: Note, study: StoredStudy) -> dict[str, bytes]:
    """Each notebook by its file's name, not executed.

    Raises `ConfigError` for a study that is none of the package, and for figures that `passo.draw` cannot draw alone.
    """
    words = changed(study)
    missing = [b.figure.name for b in note.figures() if b.figure.name not in {*FIGURES, *PAIR_FIGURES}]
    if missing:
        raise ConfigError(
            f"the figures {', '.join(missing)} are drawn for the whole note, and not by one cell of a notebook: "
            "give --format html, pdf or medium"
        )
    write = require("nbformat", "notebooks").writes
    made = notebooks(note, study.name, words)
    return {f"{name}.ipynb": f"{write(notebook)}\n".encode() for name, notebook in made.items()}


def changed(study: StoredStudy) -> list[str]:
    """The settings of a study that differ from the package's, as one gives them to `passo.study`."""
    try:
        text = (files("passo") / "studies" / f"{study.name}.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise ConfigError(
            f"notebooks run a study of the package anew, and {study.name} is none: leave notebook out of --format"
        ) from None
    shipped, config = tomllib.loads(text), study.config
    base = shipped.get("base", {})
    words = [f"{key}={json.dumps(value)}" for key, value in config.get("base", {}).items() if value != base.get(key)]
    seeds = config.get("seeds", shipped.get("seeds"))
    given = shipped.get("seeds")
    same = seeds == given or seeds == list(range(given if isinstance(given, int) else 0))
    return words if same else [*words, f"seeds={json.dumps(seeds)}"]
