"""`passo data`: which data sets there are, what they are, where they are, how they get here, and as what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import out, progress, table
from passo.errors import ConfigError

if TYPE_CHECKING:
    from passo.data import DatasetInfo

app = typer.Typer(
    help="Data sets: list them, look at one, fetch one, export one, see where they are looked for.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="A data set, as in `passo data list`.")]


@app.command("list")
def list_() -> None:
    """The data sets that passo knows."""
    from passo.data import catalogue

    rows = [
        (e.name, *(f"{e.counts[part]:,}" if e.counts else "–" for part in ("train", "test")), e.title)
        for e in catalogue()
    ]
    table(("name", "training", "test", "what it is"), rows, right=("training", "test"))


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A data set, as in `passo data list`, or the path of your own.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="How your own is read: size=64 colour=false target=price …")
    ] = None,
) -> None:
    """What a data set is: counts, classes, licence, digests, and where it was found."""
    from passo.data import where as places

    entry = _entry(name, settings or [])
    rows = [
        ("name", entry.name),
        ("title", entry.title),
        *(
            [("images", f"{entry.counts['train']:,} training, {entry.counts['test']:,} test, shape {entry.shape}")]
            if entry.counts
            else []
        ),
        *([("classes", ", ".join(entry.classes))] if entry.classes else []),
        ("licence", entry.licence),
        *([("homepage", entry.homepage)] if entry.homepage else []),
        *((f"SHA-256 of {file}", digest) for file, digest in entry.digests.items()),
        *((f"SHA-256 of {file.name}.gz", file.packed) for file in entry.files if file.packed),
        *((f"SHA-256 of {archive.name}", archive.sha256) for archive in entry.archives),
        *((place.kind, f"{place.path}{'  (here)' if place.found else ''}") for place in places(entry.name)),
    ]
    table(("", ""), rows)


def _entry(name: str, settings: list[str]) -> DatasetInfo:
    """What the catalogue knows; or what a look at the user's own says, without keeping it in memory."""
    from passo.data import info as look_up
    from passo.data.datasets import addressed, load_as

    kind, folder = addressed(name)
    if folder is None:
        if settings:
            raise ConfigError(f"{name} is what it is: settings say how a folder of images or a table is read")
        return look_up(name)
    from passo.training.config import parse_settings

    usual = {"validation": 0, **({"in_memory": False} if kind == "images" else {})}
    return load_as(name, {**usual, **parse_settings(settings)}).info


@app.command()
def fetch(name: Name) -> None:
    """Fetch a data set into passo's cache, check it, and decode it once."""
    from passo.data import fetch as bring

    with progress() as bar:
        line = bar.add_task(f"fetching {name}", total=None)

        def show(file: str, received: int, total: int | None) -> None:
            bar.update(line, description=file, completed=received, total=total)

        found = bring(name, progress=show)
    out.print(f"{name}: ready, from {found.source}")


@app.command()
def where(
    folder: Annotated[Path | None, typer.Option(help="A folder of your own, looked at first.")] = None,
) -> None:
    """Where data sets are looked for, in order."""
    from passo.data import where as places

    there = {True: "yes", False: "no", None: "–"}
    rows = [(place.dataset, place.kind, there[place.found], place.path) for place in places(None, folder)]
    table(("data set", "place", "there", "path"), rows)


@app.command()
def export(
    name: Name,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="What to change: perturb.shift=2 classes=[0,3] per_class=50 …"),
    ] = None,
    out_: Annotated[Path, typer.Option("--out", help="The folder to write into, new or empty.")] = Path("export"),
    png: Annotated[bool, typer.Option(help="Write PNG files.")] = True,
    idx: Annotated[bool, typer.Option(help="Write idx files.")] = True,
) -> None:
    """Write a data set's images, changed as asked for, as PNG and as idx, with a manifest of how they came.

    Unless the settings say otherwise, every image is changed, those of training too (perturbed=test changes the test
    part alone), and no validation part is split off (validation=0.1 splits one).
    """
    from passo.data.export import export as write
    from passo.training.config import parse_settings

    formats = tuple(kind for kind, wanted in (("png", png), ("idx", idx)) if wanted)
    data = write(name, out_, parse_settings(settings or []), formats=formats)
    out.print(f"{sum(data.counts.values()):,} images of {data.name}, as {' and '.join(formats)}: {out_}")
