"""`passo doctor --gallery`: trainings broken on purpose, each beside a healthy twin, on one page."""

from __future__ import annotations

import shlex
from pathlib import Path

from passo.cli.show import interruptible, out, progress
from passo.language import t


def show_gallery(folder: Path | None, only: str | None, model: str, seed: int, jobs: int) -> None:
    """Train what is not there yet, write the page, and tell what the doctor said of each."""
    from passo import store
    from passo.looking.broken import gallery_of, save_gallery, train_gallery
    from passo.notes.exhibits import MISSED

    place = folder if folder is not None else store.root() / "gallery"
    keys = None if only is None else [name.strip() for name in only.split(",")]
    with interruptible(place), progress("run") as bar:
        task = bar.add_task(t("training"), total=None, run="")
        study = train_gallery(
            place,
            keys,
            model=model,
            seed=seed,
            jobs=jobs,
            told=lambda run, done, all_: bar.update(task, completed=done, total=all_, run=run),
        )
        bar.update(task, description=t("writing the page"), run="")
        found = gallery_of(study, keys, model=model, seed=seed, command=_command(place, only, model, seed))
        saved = save_gallery(found, place)
    for one in found.exhibits:
        if one.instead:
            out.print(f"{one.key}: {one.instead}", markup=False)
        if one.verdict == MISSED:
            out.print(f"{one.key}: {one.missed}", markup=False)
    out.print(" ".join(found.sentences()), markup=False)
    out.print(t("page: {path}", path=saved), markup=False, soft_wrap=True)


def _command(place: Path, only: str | None, model: str, seed: int) -> str:
    """The command that makes the page again."""
    words = ["passo", "doctor", "--gallery", "--out", place.as_posix(), "--model", model, "--seed", str(seed)]
    return shlex.join([*words, *(["--only", only] if only else [])])
