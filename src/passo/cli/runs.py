"""`passo runs`: what is kept, and what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import out, reads, table

if TYPE_CHECKING:
    from passo.store import StoredRun, StoredStudy

app = typer.Typer(help="Runs that are kept: list them, look into one.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The studies under ./passo-runs (or PASSO_ROOT), oldest first."""
    from passo import store

    found = store.studies()
    if not found:
        out.print(f"no studies under {store.root()}: `passo train` makes one")
        return
    rows = [
        (s.folder.name, s.status, len(s.runs), f"{datetime.fromtimestamp(s.facts['created']):%Y-%m-%d %H:%M}")
        for s in found
    ]
    table(("study", "status", "runs", "begun"), rows, right=("runs",))


@app.command()
@reads
def show(run: Annotated[str, typer.Argument(metavar="STUDY[/RUN]", help="A study, or one of its runs.")]) -> None:
    """A study's runs, or all that is known about one run."""
    from passo import store

    found = store.named(run)
    if isinstance(found, store.StoredRun):
        _show_run(found)
    elif len(found.runs) == 1:
        _show_run(found.runs[0])
    else:
        _show_study(found)


def _show_study(study: StoredStudy) -> None:
    out.print(f"[bold]{study.name}[/] ({study.status}) in {study.folder}")
    rows = []
    for run in study.runs:
        accuracy = run.metric("test/accuracy").last if "test/accuracy" in run.metrics() else None
        rows.append(
            (run.id, run.kind, run.status, "" if accuracy is None else f"{100 * accuracy:.2f} %", run.error or "")
        )
    table(("run", "kind", "status", "test accuracy", "error"), rows, right=("test accuracy",))


def _show_run(run: StoredRun) -> None:
    out.print(f"[bold]{run.id}[/] ({run.kind}, {run.status}) in {run.folder}")
    if run.error:
        out.print(run.error, markup=False)
    table(
        ("metric", "last", "at step"),
        [(n, f"{run.metric(n).last:.6g}", run.metric(n).steps[-1]) for n in run.metrics()],
    )
    arrays = [name for name in run.arrays() if not name.startswith("weights/")]
    if arrays:
        table(("array", "shape"), [(name, run.array(name).shape) for name in arrays])
    for kind, step, message, _ in run.events():
        if message != run.error:
            out.print(f"{kind} at step {step}: {message}", markup=False)
    table(("fact", ""), [(name, value) for name, value in run.info.items() if name != "diverged"])
    out.print("configuration:", run.config)
