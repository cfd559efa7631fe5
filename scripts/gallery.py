"""The gallery of figures: every figure of finished studies as a small picture with its sentence, docs/gallery.md.

python scripts/gallery.py STUDY …     studies on real data; each figure is drawn of the first that can give it
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import passo
from passo.errors import PassoError
from passo.figures import FIGURES, PAIR_FIGURES, RUN_FIGURES, Figure, draw, draw_run
from passo.store import StoredStudy

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "images" / "gallery"


def main(folders: list[str]) -> None:
    """Draw them all, and write the page."""
    studies = [passo.open(folder) for folder in folders]
    PICTURES.mkdir(parents=True, exist_ok=True)
    about = "Each is drawn from a study of real data, and says what it shows in a sentence of its own."
    parts = ["# The gallery of figures", about]
    for title, command, drawn in (
        ("One training", "passo inspect RUN --figure {name}", _of_runs(studies)),
        ("The note on optimisers", "passo study chart optimizers --figure {name}", _of_studies(studies, FIGURES)),
        ("Two models compared", "passo study chart nn-vs-cnn --figure {name}", _of_studies(studies, PAIR_FIGURES)),
    ):
        parts.append(f"## {title}")
        for name, figure in drawn:
            picture = base64.b64decode(figure._repr_mimebundle_()["image/png"])
            (PICTURES / f"{name}.png").write_bytes(picture)
            words = figure.sentence.replace("[", "(").replace("]", ")").replace("*", "\\*").replace("_", "\\_")
            parts += [f"### {name}", f"![{words}](images/gallery/{name}.png)", words, f"`{command.format(name=name)}`"]
    (DOCS / "gallery.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _of_studies(studies: list[StoredStudy], names: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    for name in names:
        for study in studies:
            try:
                yield name, draw(name, study)
                break
            except PassoError:
                continue


def _of_runs(studies: list[StoredStudy]) -> Iterator[tuple[str, Figure]]:
    for name in RUN_FIGURES:
        for run in (run for study in studies for run in study.select()[:1]):
            try:
                yield name, draw_run(name, run)
                break
            except PassoError:
                continue


if __name__ == "__main__":
    main(sys.argv[1:])
