"""`passo data`: which data sets there are, what they are, where they are, how they get here, and as what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import out, progress, table
from passo.errors import ConfigError
from passo.language import later, numeral, t, tn

if TYPE_CHECKING:
    from passo.data import DatasetInfo

app = typer.Typer(
    help="Data sets: list them, look at one, fetch one, export one, see where they are looked for.",
    no_args_is_help=True,
)

PLACES = {
    "package": later("package"),
    "folder": later("folder"),
    "cache": later("cache"),
    "system": later("system"),
    "download": later("download"),
}
Name = Annotated[str, typer.Argument(help="A data set, as in `passo data list`.")]


@app.command("list")
def list_() -> None:
    """The data sets that passo knows."""
    from passo.data import catalogue

    rows = [
        (e.name, *(numeral(f"{e.counts[part]:,}") if e.counts else "–" for part in ("train", "test")), t(e.title))
        for e in catalogue()
    ]
    counts = (t("training"), t("test"))
    table((t("name"), *counts, t("what it is")), rows, right=counts)


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
    digests = {
        **entry.digests,
        **{f"{file.name}.gz": file.packed for file in entry.files if file.packed},
        **{archive.name: archive.sha256 for archive in entry.archives},
    }
    here = f"  ({t('here')})"
    rows = [
        (t("name"), entry.name),
        (t("title"), t(entry.title)),
        *([(t("images"), _counted(entry))] if entry.counts else []),
        *([(t("classes"), ", ".join(entry.classes))] if entry.classes else []),
        (t("licence"), t(entry.licence)),
        *([(t("homepage"), entry.homepage)] if entry.homepage else []),
        *((t("SHA-256 of {file}", file=file), digest) for file, digest in digests.items()),
        *((t(PLACES[place.kind]), f"{place.path}{here if place.found else ''}") for place in places(entry.name)),
    ]
    table(("", ""), rows)


def _counted(entry: DatasetInfo) -> str:
    counts = {"training": entry.counts["train"], "test": entry.counts["test"], "shape": entry.shape}
    return t("{training:,} training, {test:,} test, shape {shape}", **counts)


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
        line = bar.add_task(t("fetching {name}", name=name), total=None)

        def show(file: str, received: int, total: int | None) -> None:
            bar.update(line, description=file, completed=received, total=total)

        found = bring(name, progress=show)
    out.print(t("{name}: ready, from {source}", name=name, source=t(found.source)))


@app.command()
def where(
    folder: Annotated[Path | None, typer.Option(help="A folder of your own, looked at first.")] = None,
) -> None:
    """Where data sets are looked for, in order."""
    from passo.data import where as places

    there = {True: t("yes"), False: t("no"), None: "–"}
    rows = [(place.dataset, t(PLACES[place.kind]), there[place.found], place.path) for place in places(None, folder)]
    table((t("data set"), t("place"), t("there"), t("path")), rows)


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
    from passo.analysis.words import joined
    from passo.data.export import export as write
    from passo.training.config import parse_settings

    formats = tuple(kind for kind, wanted in (("png", png), ("idx", idx)) if wanted)
    data = write(name, out_, parse_settings(settings or []), formats=formats)
    count = sum(data.counts.values())
    words = tn(
        "{n:,} image of {name}, as {formats}: {folder}",
        "{n:,} images of {name}, as {formats}: {folder}",
        count,
        name=data.name,
        formats=joined(formats),
        folder=out_,
    )
    out.print(words)
