"""`passo runs`: what is kept, and what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import out, percent, reads, table
from passo.language import numeral, t
from passo.telling import told

if TYPE_CHECKING:
    from passo.store import Outline, StoredRun

ROWS = 40  # of a table that are printed

app = typer.Typer(help="Runs that are kept: list them, look into one.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The studies under ./passo-runs (or PASSO_ROOT), oldest first."""
    from passo import store

    found = store.studies()
    if not found:
        out.print(t("no studies under {root}: `passo train` makes one", root=store.root()))
        return
    rows = [
        (s.folder.name, t(s.status), len(s.runs), f"{datetime.fromtimestamp(s.facts['created']):%Y-%m-%d %H:%M}")
        for s in found
    ]
    table((t("study"), t("status"), t("runs"), t("begun")), rows, right=(t("runs"),))


@app.command()
@reads
def show(
    run: Annotated[str, typer.Argument(metavar="STUDY[/RUN]", help="A study, or one of its runs.")],
    all_: Annotated[bool, typer.Option("--all", help=f"Every run, of a study with more than {ROWS} too.")] = False,
) -> None:
    """A study's runs, or all that is known about one run; of very many runs, how they stand."""
    from passo import store
    from passo.cli.standing import tell_standing

    folder = store.place(run)
    study = None if folder is None else store.outline(folder)
    if study is None or len(study.runs) == 1:
        found = store.named(run)
        _show_run(found if isinstance(found, store.StoredRun) else found.runs[0])
    elif len(study.runs) <= ROWS or all_:
        _show_study(study)
    else:
        tell_standing(study)


@app.command()
def stop(study: Annotated[str, typer.Argument(metavar="STUDY", help="A study that another process writes.")]) -> None:
    """Stop a training or a study in another process, or on another machine, with its state kept."""
    from passo import store

    folder = store.find(study).folder
    store.ask_to_stop(folder)
    out.print(t("asked to stop: {folder} ends when its step is whole", folder=folder), soft_wrap=True)


def _show_study(study: Outline) -> None:
    """A row for each run; of very many as plain text, which takes no time to lay out."""
    out.print(t("[bold]{name}[/] ({status}) in {folder}", name=study.name, status=t(study.status), folder=study.folder))
    lasts = study.lasts("test/accuracy")
    rows = []
    for run in study.runs:
        accuracy = percent(lasts[run.id]) if run.id in lasts else ""
        rows.append((run.id, run.kind, t(run.status), accuracy, told(run.error or "")))
    columns = (t("run"), t("kind"), t("status"), t("test accuracy"), t("error"))
    if len(rows) <= ROWS:
        table(columns, rows, right=(columns[3],))
    else:
        from passo.analysis.tables import Table

        out.print(str(Table(columns, tuple(rows))), markup=False, soft_wrap=True)


def _show_run(run: StoredRun) -> None:
    out.print(
        t(
            "[bold]{name}[/] ({status}) in {folder}",
            name=run.id,
            status=f"{run.kind}, {t(run.status)}",
            folder=run.folder,
        )
    )
    if run.error:
        out.print(told(run.error), markup=False)
    table(
        (t("metric"), t("last"), t("at step")),
        [(n, numeral(f"{run.metric(n).last:.6g}"), run.metric(n).steps[-1]) for n in run.metrics()],
    )
    arrays = [name for name in run.arrays() if not name.startswith("weights/")]
    if arrays:
        table((t("array"), t("shape")), [(name, run.array(name).shape) for name in arrays])
    for kind, step, message, _ in run.events():
        if message != run.error:
            out.print(t("{kind} at step {step}: {message}", kind=kind, step=step, message=told(message)), markup=False)
    table((t("fact"), ""), [(name, value) for name, value in run.info.items() if name != "diverged"])
    out.print(t("configuration:"), run.config)
