"""`passo doctor --score`: the detectors tried on broken runs and on healthy ones, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from passo.cli.show import err, interruptible, out, progress
from passo.language import t

if TYPE_CHECKING:
    from passo.diagnosis.scoring import Case

STUDIES = ("healthy", "healthy-models")  # study files in the gallery
DEFECTS: Sequence[str] | None = None  # all of them
FILE = "score.md"


def show_score(folder: Path, jobs: int) -> None:
    """Train what is not in the folder yet, diagnose all of it, and write the table; it is shown too."""
    from passo.diagnosis.scoring import judged, score_lines

    _trained(folder, jobs)
    cases = [*_broken(folder), *_healthy(folder)]
    with progress() as bar:
        line = bar.add_task(t("diagnosing"), total=len(cases))
        all_ = []
        for case in cases:
            all_.append(judged(case))
            bar.advance(line)
    text = "\n".join((*_head(), *score_lines(all_))) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")
    out.print(text, markup=False, soft_wrap=True)
    err.print(t("kept in {folder}", folder=folder / FILE), soft_wrap=True)


def _head() -> Iterator[str]:
    """What the table is of, and how it is made again."""
    from passo.gallery import HELD_OUT, HELD_OUT_SEEDS, MODELS, SEEDS

    yield f"# {t('The score of the detectors')}"
    yield ""
    yield t(
        "Made by `passo doctor --score`: every defect of the gallery on every model that can have it, the healthy "
        "twins, and healthy trainings of every optimizer, schedule and network of passo. A defect is recognised where "
        "its own detector is among the five findings that are told; whatever is told of a healthy run, found or only "
        "suspected, is a false alarm."
    )
    yield ""
    yield t(
        "Thresholds were chosen on the models {models} and the seeds {seeds}. The models {held} and the seeds "
        "{held_seeds} were held out.",
        models=", ".join(f"`{one}`" for one in MODELS),
        seeds=", ".join(map(str, SEEDS)),
        held=", ".join(f"`{one}`" for one in HELD_OUT),
        held_seeds=", ".join(map(str, HELD_OUT_SEEDS)),
    )
    yield ""


def _trained(folder: Path, jobs: int) -> None:
    """Make the gallery and the healthy studies; what is there is left as it is."""
    from passo import gallery
    from passo.cli.studies import perform
    from passo.experiments import Study

    with interruptible(folder), progress("last") as bar:
        line = bar.add_task(t("training the gallery"), total=None, last="")
        for models, seeds in _parts():
            gallery.make_all(
                folder / "gallery",
                DEFECTS,
                models=models,
                seeds=seeds,
                jobs=jobs,
                told=lambda name, done, all_: bar.update(line, completed=done, total=all_, last=name),
            )
    for name in STUDIES:
        with resources.as_file(resources.files("passo.gallery") / f"{name}.toml") as path:
            perform(Study(path), folder / name, force=False, jobs=jobs)


def _parts() -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Models and seeds: those that thresholds are chosen on, and those that are held out."""
    from passo.gallery import HELD_OUT, HELD_OUT_SEEDS, MODELS, SEEDS

    return [(MODELS, SEEDS), ((*MODELS, *HELD_OUT), HELD_OUT_SEEDS)]


def _broken(folder: Path) -> Iterator[Case]:
    """The gallery's runs: its defects, and the healthy twins."""
    from passo.diagnosis.scoring import Case
    from passo.gallery import DEFECTS, HELD_OUT, SEEDS
    from passo.store import open_study

    for run in open_study(folder / "gallery").runs:
        kind = run.config["gallery"]
        defect = DEFECTS.get(kind)
        held_out = run.seed not in SEEDS or run.config["model"] in HELD_OUT
        yield Case(run, kind, None if defect is None else defect.detector, held_out)


def _healthy(folder: Path) -> Iterator[Case]:
    """The trainings of passo's own models, optimizers and schedules."""
    from passo.diagnosis.scoring import Case
    from passo.gallery import SEEDS
    from passo.store import open_study

    for study in STUDIES:
        for run in open_study(folder / study).runs:
            yield Case(run, run.name.partition(",")[0], None, run.seed not in SEEDS)
