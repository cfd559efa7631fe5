"""Runs of the gallery, made and kept in a study folder: `zero-grad-mlp-s0` beside `healthy-mlp-s0`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from passo.errors import FolderInUse, UsageError
from passo.experiments.executors import here, processes
from passo.experiments.sink import Draft
from passo.gallery import building, handling, stepping
from passo.gallery.defect import Defect
from passo.gallery.examples import SAMPLE
from passo.gallery.loop import Training, train
from passo.gallery.networks import ADAM, HELD_OUT, MODELS
from passo.gallery.settings import HEALTHY, TWINS, healthy
from passo.language import later
from passo.registry import unknown
from passo.store import DATABASE, Store, StoredRun, StoredStudy, open_study

CHAPTERS: dict[str, tuple[Defect, ...]] = {
    later("The step"): stepping.DEFECTS,
    later("Data and modes"): handling.DEFECTS,
    later("The network"): building.DEFECTS,
}
DEFECTS: dict[str, Defect] = {one.key: one for chapter in CHAPTERS.values() for one in chapter}
ENDED = ("done", "diverged")
SEEDS = (0, 1, 2, 3, 4)
HELD_OUT_SEEDS = (5, 6, 7)
RECIPES = 1  # one more whenever a training of the gallery is changed: runs of others are not taken for today's
CONFIG = {"gallery": SAMPLE, "recipes": RECIPES}


@dataclass(frozen=True)
class Piece:
    """One run of the gallery: a defect's key, or the name of a healthy training; a model; a seed."""

    what: str
    model: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.what}-{self.model}"

    @property
    def id(self) -> str:
        return f"{self.name}-s{self.seed}"

    @property
    def training(self) -> Training:
        return DEFECTS[self.what].training() if self.what in DEFECTS else healthy(self.what)

    @property
    def optimizer(self) -> str:
        return "adam" if self.model in ADAM else "sgd"


def pieces(
    defects: Collection[str] | None = None, models: Sequence[str] = MODELS, seeds: Sequence[int] = SEEDS
) -> list[Piece]:
    """The broken runs and their twins, each once, on the models that can have them; all defects where none is named."""
    found: dict[Piece, None] = {}
    for key, model in product(DEFECTS if defects is None else defects, models):
        _known(key, model)
        for seed in seeds:
            if model in DEFECTS[key].models:
                found[Piece(DEFECTS[key].twin, model, seed)] = None
                found[Piece(key, model, seed)] = None
    return list(found)


def make(
    defect: str | None = None, model: str = MODELS[0], seed: int = 0, store: str | Path | None = None
) -> StoredRun:
    """One run of the gallery: read from the study folder where it is there, else trained.

    Without a defect (or with a name of `TWINS`) it is a healthy one; without a folder a new one is made under the
    system's place for temporary files.
    """
    folder = Path(tempfile.mkdtemp(prefix="passo-gallery-")) / "gallery" if store is None else Path(store)
    piece = Piece(defect or HEALTHY, model, seed)
    _check(piece.what, model)
    _perform(folder, [piece], jobs=1, told=None)
    return open_study(folder).run(piece.id)


def make_all(
    out: str | Path,
    defects: Collection[str] | None = None,
    models: Sequence[str] = MODELS,
    seeds: Sequence[int] = SEEDS,
    *,
    jobs: int = 2,
    told: Callable[[str, int, int], None] | None = None,
) -> StoredStudy:
    """Make the broken runs and their twins, `jobs` at a time; what is there is left as it is.

    `told(id, done, all)` is called after each run.
    """
    _perform(Path(out), pieces(defects, models, seeds), jobs, told)
    return open_study(out)


def _perform(folder: Path, wanted: Sequence[Piece], jobs: int, told: Callable[[str, int, int], None] | None) -> None:
    """Train what is not there yet; this process is the study's one writer."""
    there = _made(folder) if (folder / DATABASE).is_file() else ()
    missing = [piece for piece in wanted if piece.id not in there]
    if not missing:
        return
    with Store.create(folder, name="gallery", config=CONFIG, contradiction=lambda there: None) as study:
        jobs = min(jobs, len(missing))
        results = here(_draft, missing) if jobs == 1 else processes(_draft, missing, jobs)
        for done, (piece, draft) in enumerate(results, len(wanted) - len(missing) + 1):
            config = {"gallery": piece.what, "model": piece.model, "optimizer": {"name": piece.optimizer}}
            draft.replay(study.add_run(piece.name, config=config, seed=piece.seed, kind="watch"))
            if told is not None:
                told(piece.id, done, len(wanted))


def _draft(piece: Piece) -> Draft:
    draft = Draft()
    train(piece.training, piece.model, piece.seed, draft)
    return draft


def _made(folder: Path) -> set[str]:
    """The runs of a gallery that are there, and at their end; raises `FolderInUse` for another study."""
    study = open_study(folder)
    if "gallery" in study.config and study.config != CONFIG:
        raise FolderInUse(f"{folder} holds the gallery of another version of passo: give another folder")
    if study.config != CONFIG:
        raise FolderInUse(f"{folder} holds a study that is not of the gallery: give another folder")
    return {run.id for run in study.runs if run.status in ENDED}


def _known(what: str, model: str) -> None:
    if what not in DEFECTS and what not in TWINS:
        raise unknown("defect", what, [*DEFECTS, *TWINS])
    if model not in MODELS + HELD_OUT:
        raise unknown("model of the gallery", model, MODELS + HELD_OUT)


def _check(what: str, model: str) -> None:
    """Raises `UnknownName`, and `UsageError` where the model cannot have the defect."""
    _known(what, model)
    if what in DEFECTS and model not in DEFECTS[what].models:
        raise UsageError(f"{model} cannot have the defect {what}: {DEFECTS[what].without}")
