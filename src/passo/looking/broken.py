"""The gallery of broken runs, shown: words from `gallery`, its runs as `diagnosis` and `figures` read them, on a page.

>>> [(part.model, part.keys) for part in parts("mlp", ["sorted", "batch-of-one"])]
[('mlp', ('sorted',)), ('cnn', ('batch-of-one',))]
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from passo import __version__
from passo.errors import StoreError
from passo.figures.beside import Beside
from passo.gallery import CHAPTERS, DEFECTS, Defect, Piece, make_all, pieces
from passo.language import language, later, speaking, t
from passo.notes.exhibits import Exhibit
from passo.notes.gallery import Gallery, page
from passo.store import StoredStudy, open_study

PAGE = "index.html"


class Part(NamedTuple):
    """Defects that one model shows."""

    model: str
    keys: tuple[str, ...]


def parts(model: str, only: Collection[str] | None = None) -> list[Part]:
    """Which model shows which defects: the one that is asked for, and of those that it cannot have the first that can.

    Raises `UnknownName` for a defect or a model that is not there.
    """
    pieces(only, [model], [0])  # for its errors
    found: dict[str, list[str]] = {}
    for key in DEFECTS if only is None else only:
        found.setdefault(_model(DEFECTS[key], model), []).append(key)
    return [Part(name, tuple(dict.fromkeys(keys))) for name, keys in found.items()]


def train_gallery(
    out: str | Path,
    only: Collection[str] | None = None,
    *,
    model: str = "mlp",
    seed: int = 0,
    jobs: int = 2,
    told: Callable[[str, int, int], None] | None = None,
) -> StoredStudy:
    """Train the defects and their healthy twins into the folder `out`; what is there is left as it is.

    `told(run, done, all)` is called after each run.
    """
    wanted = parts(model, only)
    sizes = [len(pieces(part.keys, [part.model], [seed])) for part in wanted]
    for place, part in enumerate(wanted):
        before = sum(sizes[:place])
        each = None if told is None else lambda run, done, _, before=before: told(run, before + done, sum(sizes))
        make_all(out, part.keys, [part.model], [seed], jobs=jobs, told=each)
    return open_study(out)


def gallery_of(
    study: StoredStudy, only: Collection[str] | None = None, *, model: str = "mlp", seed: int = 0, command: str = ""
) -> Gallery:
    """The exhibits of a study: those that are named, or all of the model and the seed that it holds.

    Raises `StoreError` where it lacks a run.
    """
    chosen = {key: part.model for part in parts(model, only) for key in part.keys}
    there = {run.id for run in study.runs}
    chapters: dict[str, list[Exhibit]] = {}
    for chapter, defects in CHAPTERS.items():
        for defect in (one for one in defects if one.key in chosen):
            ids = [Piece(what, chosen[defect.key], seed).id for what in (defect.key, defect.twin)]
            if there.issuperset(ids):
                exhibit = _exhibit(defect, Beside(*map(study.run, ids)), study.folder, model)
                chapters.setdefault(chapter, []).append(exhibit)
            elif only is not None:
                raise StoreError(f"{study.folder} lacks {' or '.join(ids)}: train it with passo doctor --gallery")
    if not chapters:
        raise StoreError(
            f"{study.folder} holds no broken run of {model}, seed {seed}: train them with passo doctor --gallery"
        )
    return Gallery(chapters, model, seed, str(study.config["gallery"]), f"passo {__version__}", command)


def save_gallery(gallery: Gallery, folder: str | Path, lang: str | None = None) -> Path:
    """Write the page into the folder, as a whole or not at all, in the language `lang` (default: that is spoken)."""
    path = Path(folder) / PAGE
    beside = path.with_name(f".{PAGE}.part")
    with speaking(lang or language()):
        text = page(gallery)
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    return path


def _model(defect: Defect, asked: str) -> str:
    return asked if asked in defect.models else defect.models[0]


def _exhibit(defect: Defect, runs: Beside, folder: Path, asked: str) -> Exhibit:
    other, instead = _model(defect, asked), ""
    if other != asked:
        told = later("Shown on the model {other}, since {model} cannot have it. {why}")
        instead = t(told, other=other, model=asked, why=t(defect.without))
    words = ("key", "title", "wrong", "broken", "cured", "symptom", "cure", "detector")
    return Exhibit(**{name: getattr(defect, name) for name in words}, runs=runs, folder=folder, instead=instead)
