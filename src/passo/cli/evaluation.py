"""`passo inspect --evaluation`: how good a trained run is, in words and tables; and the images of its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from passo.cli.show import out, table
from passo.language import t
from passo.telling import told

if TYPE_CHECKING:
    from passo.analysis import Table
    from passo.store import StoredRun

PREDICTIONS, LOSSES = "test/probabilities", "validation/loss"
VALUES, IMAGES_BACK, SAMPLES = "test/outputs", "test/errors", "train/d_real"
_OTHERS = {  # figures, and what a run must have kept for them
    "overfitting": LOSSES,
    "residuals": VALUES,
    "reconstructions": IMAGES_BACK,
    "errors": IMAGES_BACK,
    "discriminator": SAMPLES,
    "samples": SAMPLES,
}
FIGURES = ("confusion", "classes", "calibration", "hardest", "cross-entropy", *_OTHERS)
PAIRS, IMAGES = 5, 10


def needed(figure: str | None) -> str | tuple[str, ...]:
    """What a run must have kept for a figure of this family, or (None) for the tables."""
    if figure is None:
        return PREDICTIONS, LOSSES, VALUES, IMAGES_BACK, SAMPLES
    return _OTHERS.get(figure, PREDICTIONS)


def tell(run: StoredRun) -> None:
    """Everything that predictions and losses say of a run; what was not kept is said, and how to keep it."""
    from passo.analysis.overfitting import overfitting
    from passo.errors import StoreError

    task = run.info.get("task")
    try:
        if task == "generate":
            return _told_adversaries(run)
        if task == "reconstruct":
            _told_reconstructed(run)
        elif task == "regress":
            _told_regressed(run)
        else:
            _told_answers(run)
    except StoreError as why:
        out.print(t("no evaluation on the test: {why}", why=told(str(why))) + "\n", markup=False)
    try:
        found = overfitting(run)
    except StoreError as why:
        out.print(t("nothing on over-fitting: {why}", why=told(str(why))), markup=False)
    else:
        _part(t("Over-fitting"), found.sentence(), found.table())


def _told_regressed(run: StoredRun) -> None:
    from passo.analysis.regressed import regressed

    found = regressed(run)
    _part(t("Values"), found.sentence(), found.table())


def _told_reconstructed(run: StoredRun) -> None:
    from passo.analysis.reconstructed import reconstructed

    found = reconstructed(run)
    _part(t("Reconstructions"), found.sentence(), found.table())


def _told_adversaries(run: StoredRun) -> None:
    from passo.analysis.adversaries import adversaries

    found = adversaries(run)
    _part(t("Generator and discriminator"), found.sentence(), found.table())


def _told_answers(run: StoredRun) -> None:
    from passo.analysis.answers import answers
    from passo.analysis.calibration import calibration
    from passo.analysis.classified import classified
    from passo.analysis.distances import distances
    from passo.analysis.hardest import hardest

    seen = answers(run)
    by_class = classified(seen)
    _part(t("Classes"), by_class.sentence(), by_class.table())
    if pairs := by_class.pairs(PAIRS):
        _part(t("Most confused"), "\n".join(pair.sentence() for pair in pairs))
    for head, found in (
        (t("Cross-entropy"), distances(seen)),
        (t("Calibration"), calibration(seen)),
        (t("Hardest images"), hardest(seen, IMAGES)),
    ):
        _part(head, found.sentence(), found.table())


def _part(head: str, sentence: str, shown: Table | None = None) -> None:
    out.print(f"[bold]{head}[/]")
    out.print(sentence, markup=False)
    if shown is not None:
        names = {t("class"), t("true"), t("likeliest"), "p", t("bin")}
        table(shown.columns, shown.rows, right=[column for column in shown.columns if column not in names])
        out.print(shown.note, markup=False)
    out.print()


def images_of(run: StoredRun) -> Any:
    """The images that a run was tested on, (N, …) uint8, loaded as its configuration says.

    Raises `DataNotFound` where they are not on this machine, `StoreError` where what is found is not what was tested.
    """
    import numpy as np

    from passo.errors import StoreError

    again = "give them to passo.draw_run('hardest', run, images=…)"
    if "sha256" not in run.info.get("data", {}):
        raise StoreError(f"run {run.id} was tested on somebody's own batches, which no name finds again: {again}")
    from passo.experiments.assembling import load_data
    from passo.training.config import train_config

    data = load_data(train_config(run.config))
    if not np.array_equal(data.test.targets, run.array("test/labels")):
        raise StoreError(f"{data!r} is not what run {run.id} was tested on, its labels are others: {again}")
    return data.test.raw
