"""The notebooks of the note on optimisers, executed, in both languages: `make notebooks` writes `notebooks/`.

Each lies there twice: as a notebook with its outputs, and as plain text (jupytext, py:percent), which is what one reads
in a change. The study is run once, on the embedded sample; the notebooks find it there.

    python scripts/notebooks.py [FOLDER] [--check]     with --check nothing is written: they only have to run
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient

import passo
from passo.language import LANGUAGES
from passo.notes import make
from passo.notes.notebook import notebooks

ROOT = Path(__file__).resolve().parents[1]


def main(words: list[str]) -> None:
    """Execute all of them; the first that fails ends this with its error."""
    check = "--check" in words
    folder = Path(next((word for word in words if not word.startswith("--")), ROOT / "notebooks"))
    with tempfile.TemporaryDirectory() as place:
        os.environ["PASSO_ROOT"] = str(Path(place) / "passo-runs")
        study = passo.study("optimizers").run()
        for language in LANGUAGES:
            for name, notebook in notebooks(make(study, lang=language), "optimizers").items():
                print(f"{language}/{name}", flush=True)
                executed(notebook, Path(place))
                if not check:
                    written(notebook, folder / language / name)


def executed(notebook: Any, place: Path) -> None:
    """Run every cell, in a folder of its own."""
    client = NotebookClient(notebook, timeout=600, record_timing=False, resources={"metadata": {"path": str(place)}})
    client.execute()


def written(notebook: Any, path: Path) -> None:
    """The notebook, and its text beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(notebook, path.with_suffix(".ipynb"))
    jupytext.write(notebook, path.with_suffix(".py"), fmt="py:percent")


if __name__ == "__main__":
    main(sys.argv[1:])
