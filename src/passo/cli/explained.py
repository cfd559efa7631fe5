"""`passo inspect --epochs`, and the figures that need a run's trained model or its data again: what a lecture draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from passo.cli.show import out, table
from passo.language import t

if TYPE_CHECKING:
    from passo.figures import Figure
    from passo.store import StoredRun

WEIGHTS, STEPS, PATH = "weights/", "train/loss", "path"


def needed(figure: str) -> str | tuple[str, ...]:
    """What a run must have kept for a figure of this family."""
    if figure in ("epochs", "scaling"):
        return STEPS
    return (WEIGHTS, PATH) if figure == "line" else WEIGHTS


def tell_epochs(run: StoredRun) -> None:
    """An iteration, a mini-batch and an epoch on this run's own data, in words and tables."""
    from passo.explaining import first_epochs, run_config, run_data
    from passo.figures.epochs import batches_table, sizes_table, told_epochs, told_first

    found = first_epochs(run_config(run), run_data(run))
    out.print(told_epochs(found, run.id), markup=False)
    for head, shown, left in (
        (told_first(found.counts.accumulate), batches_table(found), (t("the first of them"), t("classes"))),
        (t("The same data in other mini-batches"), sizes_table(found), (t("trained on"),)),
    ):
        out.print(f"\n[bold]{head}[/]")
        table(shown.columns, shown.rows, right=[column for column in shown.columns if column not in left])
        out.print(shown.note, markup=False)
    out.print(t("To see them: --figure epochs"), markup=False)


def draw(name: str, run: StoredRun, options: Mapping[str, Any]) -> Figure:
    """One of `FIGURES`, of a run; raises `UsageError` for an option that it does not take."""
    from passo.errors import UsageError

    figure, takes = FIGURES[name]
    for option in options:
        if option not in takes:
            told = f"it takes {', '.join(f'--{one}' for one in takes)}" if takes else "it takes no options"
            raise UsageError(f"--figure {name} takes no --{option}: {told}")
    return figure(run, **options)


def _epochs(run: StoredRun) -> Figure:
    from passo.explaining import first_epochs, run_config, run_data
    from passo.figures.epochs import draw_epochs

    data = run_data(run)
    return draw_epochs(first_epochs(run_config(run), data), data.train.raw, run.id)


def _filters(run: StoredRun, layer: str | None = None, channel: int | None = None) -> Figure:
    from passo.explaining import filters, trained_model
    from passo.figures.filters import draw_filters

    shape = tuple(run.info.get("data", {}).get("in_shape", ())) or None
    return draw_filters(filters(trained_model(run), layer, in_shape=shape), run.id, channel)


def _feature_maps(run: StoredRun, layer: str | None = None, image: int = 0) -> Figure:
    from passo.explaining import feature_maps, trained_model
    from passo.figures.filters import draw_feature_maps

    x, told, _ = _tested(run, image)
    return draw_feature_maps(feature_maps(trained_model(run), x, layer), run.id, told)


def _convolution(
    run: StoredRun, layer: str | None = None, image: int = 0, channel: int = 0, place: str | None = None
) -> Figure:
    from passo.explaining import convolution_at, trained_model
    from passo.figures.convolved import draw_convolution

    x, told, _ = _tested(run, image)
    at = None if place is None else _place(place)
    return draw_convolution(convolution_at(trained_model(run), x, layer, channel=channel, place=at), run.id, told)


def _recurrent(run: StoredRun, layer: str | None = None, image: int = 0) -> Figure:
    from passo.explaining import hidden_states, trained_model
    from passo.figures.states import draw_states

    x, told, classes = _tested(run, image)
    return draw_states(hidden_states(trained_model(run), x, layer), run.id, told, classes)


def _latent(run: StoredRun) -> Figure:
    """Of all autoencoders of the run's study."""
    from passo.explaining import latent_codes, run_data, trained_model
    from passo.figures.latent import draw_latent
    from passo.store import open_study

    found = []
    for one in _autoencoders(open_study(run.folder).runs):
        test = (data := run_data(one)).test
        found.append(latent_codes(trained_model(one), test.images, test.labels, data.classes, name=one.id))
    return draw_latent(found)


def _scaling(run: StoredRun, image: int = 0) -> Figure:
    from passo.explaining import run_data, scaled
    from passo.figures.scaled import draw_scaled

    return draw_scaled(scaled(run_data(run), image))


def _line(run: StoredRun) -> Figure:
    from passo.explaining import fitted, fitted_line, run_data, trained_model
    from passo.figures.fitted import draw_fitted

    if run.kind != "descent" or "surface" not in run.config:
        return draw_fitted(fitted(trained_model(run), run_data(run)), run.id)
    from passo.experiments.assembling import load_data
    from passo.experiments.descent import X, Y, brightness
    from passo.training.config import train_config

    data = load_data(train_config({"dataset": run.config["dataset"]}))
    problem = brightness(data, run.config["surface"]["images"])
    b, w = run.array(PATH)[-1]
    return draw_fitted(fitted_line(float(b), float(w), problem.x.numpy(), problem.y.numpy(), X, Y), run.id)


FIGURES: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {
    "epochs": (_epochs, ()),
    "filters": (_filters, ("layer", "channel")),
    "feature-maps": (_feature_maps, ("layer", "image")),
    "convolution": (_convolution, ("layer", "image", "channel", "place")),
    "recurrent": (_recurrent, ("layer", "image")),
    "latent": (_latent, ()),
    "scaling": (_scaling, ("image",)),
    "line": (_line, ()),
}
"""Each figure and the options of the command line that it takes."""


def first_autoencoder(name: str) -> StoredRun:
    """The first autoencoder of STUDY, or of the study of STUDY/RUN; raises `StoreError` where it has none."""
    from passo import store
    from passo.errors import StoreError

    found = store.named(name)
    study = store.open_study(found.folder) if isinstance(found, store.StoredRun) else found
    if there := _autoencoders(study.runs):
        return there[0]
    raise StoreError(f"no run of {study.name} is an autoencoder with weights: train one with model=autoencoder")


def _autoencoders(runs: Sequence[StoredRun]) -> list[StoredRun]:
    there = [run for run in runs if run.config.get("model", {}).get("name") == "autoencoder"]
    return [run for run in there if any(array.startswith(WEIGHTS) for array in run.arrays())]


def _tested(run: StoredRun, image: int) -> tuple[Any, str, tuple[str, ...]]:
    """One image of the test part as the model reads it, how it is called, and the classes."""
    from passo.errors import UsageError
    from passo.explaining import run_data

    data = run_data(run)
    if not 0 <= image < len(data.test):
        raise UsageError(f"--image must be from 0 to {len(data.test) - 1:,}, a place in the test part, got {image}")
    said = t("test image {place}", place=image)
    if data.classes:
        said += f" ({data.classes[int(data.test.targets[image])]})"
    return data.test.images[image], said, data.classes


def _place(text: str) -> tuple[int, ...]:
    """`7,3` as (7, 3)."""
    from passo.errors import UsageError

    try:
        return tuple(int(part) for part in text.strip("[]()").split(","))
    except ValueError:
        raise UsageError(f"--place must be a row and a column with a comma between them, got {text!r}") from None
