"""How a study stands, as `passo study show FOLDER` and `passo runs show STUDY` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from passo.cli.show import out
from passo.errors import PassoError
from passo.language import t

if TYPE_CHECKING:
    from passo.store import Outline


def tell_standing(study: Outline) -> None:
    """Progress, the best and the worst configurations, what went wrong, and where there is more to see."""
    from passo.analysis.standing import standing

    found = standing(study, planned(study))
    out.print(
        t("{name} ({status}) in {folder}", name=study.name, status=t(study.status), folder=study.folder),
        markup=False,
        soft_wrap=True,
    )
    out.print(found.sentence(), markup=False, soft_wrap=True)
    if found.places:
        out.print(f"\n{found.table()}", markup=False, soft_wrap=True)
    if found.lost:
        out.print(f"\n{found.troubles()}", markup=False, soft_wrap=True)
    told = t(
        "every run: passo runs show {folder} --all; which are better, and how surely: passo compare {folder}",
        folder=study.folder,
    )
    out.print(f"\n{told}", markup=False, soft_wrap=True)


def planned(study: Outline) -> int | None:
    """How many runs a study makes when it is whole (a search: at most); None where its folder does not say."""
    if study.status == "done":
        return None
    told = study.facts.get("planned")
    if isinstance(told, int):
        return told
    from pydantic import ValidationError

    from passo.experiments.studyform import StudyFile  # takes a second, for torch

    try:
        return StudyFile.model_validate(study.config).count
    except (ValidationError, PassoError):  # it is no study of a file, such as a single training
        return None
