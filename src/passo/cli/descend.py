"""`passo descend`: optimizers race over a surface of two parameters; the page, the film and the table of it."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, saved_as
from passo.errors import ConfigError, StoreError
from passo.language import t

if TYPE_CHECKING:
    from passo.analysis.races import Race

KINDS = (".html", ".gif", ".png", ".svg")


def descend(
    surface: Annotated[
        str,
        typer.Argument(
            help="bowl, ravine, rosenbrock, beale, plateau, saddle, himmelblau, rastrigin or line, with options "
            "(“ravine kappa=100 angle=30”, “line batch_size=16”); or a study that holds a race, to draw it again.",
        ),
    ],
    optimizer: Annotated[
        list[str] | None,
        typer.Option(
            help="An optimizer with any arguments (“sgd lr=0.01 momentum=0.9”); once for each racer. "
            "momentum and nesterov stand for SGD with a momentum of 0.9. [default: a field of six]",
        ),
    ] = None,
    schedule: Annotated[
        list[str] | None,
        typer.Option(help="A schedule (“StepLR step_size=100”), once for all, or once for each optimizer (or none)."),
    ] = None,
    start: Annotated[
        list[str] | None, typer.Option(help="Where to begin: X,Y; again for more starts.", metavar="X,Y")
    ] = None,
    steps: Annotated[int, typer.Option(help="How many steps.")] = 300,
    noise: Annotated[float, typer.Option(help="Standard deviation of noise on the gradient.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of noise and mini-batches.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Distance from a minimum that counts as arrived.")] = 0.01,
    tune: Annotated[
        int, typer.Option(help="Try so many learning rates for each optimizer that is given none. [0: the table's]")
    ] = 0,
    out_: Annotated[
        list[Path] | None,
        typer.Option("--out", help="A file to make: .html (animated), .gif, .png, .svg; or a folder for all four."),
    ] = None,
    study: Annotated[Path | None, typer.Option(help="Keep the race in this study folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew; what is in the folder is moved aside.")] = False,
) -> None:
    """Race optimizers over a surface: passo descend ravine --optimizer adam --optimizer "sgd lr=0.03" --out a.html"""
    targets = _targets(out_ or [])
    starts = [_point(text) for text in start or []]
    plans = [None if text == "none" else text for text in schedule or []]
    options: dict[str, Any] = {"start": starts or None, "steps": steps, "schedules": plans or None, "noise": noise}
    options |= {"seed": seed, "tolerance": tolerance, "tune": tune}
    try:
        _told(surface, optimizer, options, targets, study, force)
    except KeyboardInterrupt:
        err.print(t("interrupted: a race is kept, and a picture saved, only when it is whole"))
        raise


def _told(
    surface: str,
    optimizer: Sequence[str] | None,
    options: dict[str, Any],
    targets: Sequence[Path],
    study: Path | None,
    force: bool,
) -> None:
    from passo.analysis.races import race, table, tell

    kept = _stored(surface)
    found: Race = race(kept) if kept is not None else _walked(surface, optimizer, options, study, force)
    out.print(str(table(found)), markup=False, soft_wrap=True)
    out.print(tell(found), markup=False)
    for path in targets:
        _draw(found, path)
        out.print(saved_as(path), markup=False)
    if study is not None and kept is None:
        out.print(t("kept in {folder}", folder=study), markup=False)


def _walked(
    surface: str, optimizer: Sequence[str] | None, options: dict[str, Any], study: Path | None, force: bool
) -> Race:
    from passo.analysis.races import race

    with _lightly():
        from passo.experiments.race import FIELD, descend, keep

        found = descend(surface, optimizer or FIELD, **options)
        if study is not None:
            keep(found, study, force=force)
        return race(found)


def _stored(name: str) -> Any:
    """The study of this name or path, where there is one."""
    from passo import store

    folders = (Path(name), store.root() / name)
    return store.find(name) if any((folder / store.DATABASE).is_file() for folder in folders) else None


def _point(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        x, y = (float(part) for part in parts)
    except ValueError:
        raise ConfigError(f"--start wants two numbers, as in --start -1.5,2; got {text!r}") from None
    return x, y


def _targets(paths: Sequence[Path]) -> list[Path]:
    """The files to make; a path without an ending is a folder for one of each kind."""
    targets = []
    for path in paths:
        if path.suffix and path.suffix.lower() not in KINDS:
            raise ConfigError(f"--out {path}: a race is drawn as {', '.join(KINDS)}, or into a folder as all of them")
        targets += [path] if path.suffix else [path / f"race{kind}" for kind in KINDS]
    return targets


def _draw(race: Race, path: Path) -> None:
    """Draw the race as the ending of the path says; raises `StoreError` where it cannot be written."""
    kind = path.suffix.lower()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == ".html":
            from passo.figures.player import race_page

            race_page(race).save(path)
        elif kind == ".gif":
            from passo.figures.animation import race_gif

            path.write_bytes(race_gif(race))
        else:
            from passo.figures.races import race_chart

            race_chart(race).chart.save(str(path), **({"scale_factor": 2} if kind == ".png" else {}))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def _lightly() -> Iterator[None]:
    """Import torch without its compiler, and keep the garbage collector out of it: together they take half the time.

    The first optimizer that is built, and the first that steps, import torch._dynamo for two calls: `disable` marks a
    function as not to be compiled, `graph_break` ends a compiled part. Outside of torch.compile both do nothing. So
    does what stands in their place meanwhile; whatever else is asked of it comes from the real module. Not for a
    process that compiles: this one ends with its command.
    """
    name = "torch._dynamo"
    if name in sys.modules or importlib.util.find_spec("torch") is None:
        yield
        return

    class Idle(ModuleType):
        @staticmethod
        def disable(fn: Any = None, *_: Any, **__: Any) -> Any:
            return fn if fn is not None else lambda function: function

        @staticmethod
        def graph_break(*_: Any, **__: Any) -> None:
            return None

        def __getattr__(self, attribute: str) -> Any:
            if attribute.startswith("__") and attribute != "__path__":
                raise AttributeError(attribute)
            sys.modules.pop(name, None)
            return getattr(importlib.import_module(name), attribute)

    collecting = gc.isenabled()
    gc.disable()
    import torch

    sys.modules[name] = Idle(name)
    try:
        yield
    finally:
        if collecting:
            gc.freeze()  # what was imported stays, and need not be looked through
            gc.enable()
        if isinstance(sys.modules.get(name), Idle):
            del sys.modules[name]
        if isinstance(vars(torch).get("_dynamo"), Idle):
            del torch._dynamo
