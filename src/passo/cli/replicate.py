"""`passo replicate`: the published Fashion-MNIST note again, digit for digit, and the table of differences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import err, out, progress
from passo.language import t, tn
from passo.telling import told

if TYPE_CHECKING:
    from passo.store import StoredStudy

SHOWN = 40  # rows of the table of differences at most; a page has them all


def replicate(
    exact: Annotated[
        bool,
        typer.Option(
            "--exact/--own-kernels",
            help="Compute as the note's machine did (AVX2 kernels), or as this one does by itself.",
        ),
    ] = True,
    runs: Annotated[list[str] | None, typer.Option(help="Only this run of the note; again for more.")] = None,
    epochs_only: Annotated[
        int | None, typer.Option(min=1, help="Only so many epochs of each run; the rest can follow later.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads; the last digits depend on them. The note's: 1.")] = 1,
    out_: Annotated[Path | None, typer.Option("--out", help="The study folder.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the tables into this Markdown page.")] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another replication to tell of on that page; again for more.")
    ] = None,
    seeds: Annotated[
        Path | None, typer.Option(help="A study `published-note`: judge the note's claims by it, here and on the page.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew; what is in the folder is moved aside.")] = False,
) -> None:
    """Replicate the published note, digit for digit: passo replicate --epochs-only 2 --runs optimisers-adam

    What is in the folder is not trained again: the command goes on where it was stopped, and shows what is whole.
    """
    from passo import store
    from passo.errors import ConfigError
    from passo.studies.published import EXACT, published_note

    published_note().chosen(runs or [])
    if beside and write is None:
        raise ConfigError("--beside tells of another replication on a page: give --write PAGE.md too")
    folder = out_ if out_ is not None else store.root() / EXACT
    if force or not _whole(folder):
        _train(folder, exact, runs or [], epochs_only, threads, force)
    study = store.open_study(folder)
    _tell(study)
    over = None if seeds is None else store.find(seeds)
    if over is not None:
        _judge(over)
    if write is not None:
        _page(study, [store.open_study(other) for other in beside or []], over, write)


def _whole(folder: Path) -> bool:
    """Whether a replication is there of which nothing is left to train."""
    from passo import store
    from passo.studies.published import EXACT

    if not (folder / store.DATABASE).is_file():
        return False
    there = store.open_study(folder)
    return there.name == EXACT and there.status == "done"


def _train(folder: Path, exact: bool, runs: list[str], epochs: int | None, threads: int, force: bool) -> None:
    if exact:  # before torch is imported
        from passo.cli.kernels import as_published

        if (why := as_published()) is not None:
            err.print(told(why), markup=False, soft_wrap=True)
    from passo.experiments.replication import replicate as replicating
    from passo.studies.published import published_note

    total = sum(min(run.epochs, epochs or run.epochs) for run in published_note().chosen(runs))
    with progress("at") as bar:
        line = bar.add_task(t("replicating"), total=total, at="")
        try:
            for done in replicating(folder, runs=runs, epochs=epochs, threads=threads, force=force):
                bar.update(line, advance=1, at=t("{run}, epoch {epoch}", run=done.run, epoch=done.epoch))
        except KeyboardInterrupt:
            words = t(
                "interrupted: every epoch that is done is kept in {folder}; the same command goes on", folder=folder
            )
            err.print(words)
            raise


def _tell(study: StoredStudy) -> None:
    from dataclasses import replace

    from passo.analysis.replicated import replicated

    found = replicated(study)
    out.print(str(found.by_run()), markup=False, soft_wrap=True)
    table = found.table()
    if found.departures:
        more = len(table.rows) - SHOWN
        note = t("… and {n:,} more (--write PAGE.md has them all)", n=more) if more > 0 else ""
        out.print(str(replace(table, rows=table.rows[:SHOWN], note=note)), markup=False, soft_wrap=True)
    out.print(found.sentence(), markup=False, soft_wrap=True)
    numbers = {"trained": found.trained, "seconds": found.seconds, "folder": study.folder}
    out.print(
        tn(
            "{trained} of {n} epoch were trained, in {seconds:.0f} s; kept in {folder}",
            "{trained} of {n} epochs were trained, in {seconds:.0f} s; kept in {folder}",
            found.epochs,
            **numbers,
        )
    )


def _judge(study: StoredStudy) -> None:
    from passo.analysis.claims import judge

    found = judge(study)
    out.print(str(found.table()), markup=False, soft_wrap=True)
    out.print(found.sentence(), markup=False, soft_wrap=True)


def _page(study: StoredStudy, others: list[StoredStudy], seeds: StoredStudy | None, path: Path) -> None:
    from passo.analysis.replicated import replicated
    from passo.analysis.replication_page import markdown
    from passo.errors import StoreError

    try:
        text = markdown(replicated(study), [replicated(other) for other in others], seeds)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    out.print(t("written to {path}", path=path))
