"""What the terminal shows: tables, progress, a small plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from passo.language import later, numeral, t
from passo.telling import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
STATES = (
    later("done"),
    later("running"),
    later("interrupted"),
    later("diverged"),
    later("failed"),
)  # of a run: `t(status)`


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """Print a table; columns named in `right` are aligned right."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    out.print(grid)


@contextmanager
def progress(*fields: str) -> Iterator[Progress]:
    """A progress bar on standard error, with extra text fields and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn()]
    columns += [TextColumn(f"{{task.fields[{field}]}}") for field in fields]
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
        yield bar


@contextmanager
def interruptible(folder: object) -> Iterator[None]:
    """What may be broken off with Ctrl-C and goes on when it is repeated: it is said so."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(
            t(
                "interrupted: what is finished or under way is kept in {folder}; the same command goes on from there",
                folder=folder,
            )
        )
        raise


def saved_as(path: object) -> str:
    """Where a picture, or a file, went."""
    return t("saved as {path}", path=path)


def warned(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one sentence on standard error, in place of Python's own way, which quotes a line of source."""
    words = told(" ".join(str(message).split()))
    err.print(f"{t('warning')}: {words}", markup=False, soft_wrap=True)


def reads(command: Callable[..., None]) -> Callable[..., None]:
    """A command that only reads its argument `run`: where that is damaged, it says so."""

    @wraps(command)
    def told(**given: Any) -> None:
        from passo.store import understood

        with understood(given["run"]):
            command(**given)

    return told


def plot(xs: Sequence[float], ys: Sequence[float], width: int = 64, height: int = 10) -> str:
    """A line as columns of blocks, for a first look in a terminal."""
    low, high = min(ys), max(ys)
    span = (high - low) or 1.0
    columns = [ys[min(len(ys) - 1, math.floor(i * len(ys) / width))] for i in range(width)]
    levels = [(value - low) / span * height for value in columns]
    lines = []
    for row in range(height - 1, -1, -1):
        cells = "".join(" ▁▂▃▄▅▆▇█"[max(0, min(8, round((level - row) * 8)))] for level in levels)
        label = f"{high:9.3g}" if row == height - 1 else f"{low:9.3g}" if row == 0 else " " * 9
        lines.append(f"{label} {cells}")
    lines.append(" " * 10 + f"{xs[0]:<{width // 2}.4g}{xs[-1]:>{width // 2}.4g}")
    return "\n".join(lines)


def percent(value: Any) -> str:
    return "–" if value is None else numeral(f"{100 * float(value):.2f} %")
