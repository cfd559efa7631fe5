"""The book's pictures, drawn with matplotlib; each function returns the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from passo.errors import ConfigError, require
from passo.registry import unknown


def pyplot() -> Any:
    """matplotlib's, or the line that installs it."""
    return require("matplotlib.pyplot", "book")


def losses(training: Sequence[float | None], validation: Sequence[float | None]) -> Any:
    """Both losses over the epochs, from 1, on a log scale."""
    figure, ax = pyplot().subplots(figsize=(10, 4))
    for label, values, colour in (("Training Loss", training, "b"), ("Validation Loss", validation, "r")):
        known = [(epoch, loss) for epoch, loss in enumerate(values, start=1) if loss is not None]
        if known:
            ax.plot(*zip(*known, strict=True), label=label, c=colour, marker="o" if len(known) == 1 else None)
    ax.set(yscale="log", xlabel="Epochs", ylabel="Loss")
    if ax.lines:
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    figure.tight_layout()
    return figure


def range_curve(tracking: Mapping[str, Sequence[float]], log: bool, ax: Any) -> Any:
    """The smoothed loss over the learning rate, on `ax` or on a figure of its own."""
    ax = pyplot().subplots(figsize=(6, 4))[1] if ax is None else ax
    ax.plot(tracking["lr"], tracking["loss"])
    ax.set(xscale="log" if log else "linear", xlabel="Learning Rate", ylabel="Loss")
    figure = ax.get_figure()
    figure.tight_layout()
    return figure


def filters(name: str, layer: nn.Module, **kwargs: Any) -> Any:
    """A convolution's filters, a row each, with a column for each channel; each filter has its own scale of grey."""
    if not isinstance(layer, nn.Conv2d):
        raise ConfigError(f"{name!r} has no filters to draw: it is a {type(layer).__name__}, not a Conv2d")
    weights = layer.weight.detach().cpu().numpy()  # (filters, channels, h, w)
    rows, columns = weights.shape[:2]
    figure, axes = pyplot().subplots(rows, columns, figsize=(2 * columns + 2, 2 * rows), squeeze=False)
    for n, channels in enumerate(weights):
        tensors(axes[n], channels, layer_name=f"Filter #{n}", title="Channel" if n == 0 else None, **kwargs)
    figure.tight_layout()
    return figure


def outputs(gathered: Mapping[str, np.ndarray | None], layers: Sequence[str], n_images: int, y: Any, yhat: Any) -> Any:
    """Gathered outputs: a column for each image, a row for each layer, or for each channel of (N, C, H, W)."""
    rows: list[tuple[str, np.ndarray]] = []
    for layer in layers:
        if layer not in gathered:
            raise unknown("hooked layer", layer, gathered)
        out = gathered[layer]
        if out is None:
            raise ConfigError(f"nothing has gone through {layer!r} since attach_hooks: predict something first")
        of_channels = [(f"{layer}\nfil#{n}", out[:, n]) for n in range(out.shape[1])] if out.ndim == 4 else None
        rows += of_channels or [(layer, out)]
    if not rows:
        raise ConfigError("layers names nothing to draw: give the names that attach_hooks was given")
    columns = min(n_images, *(len(values) for _, values in rows))
    size = (1.5 * columns + 1.5, 1.5 * len(rows) + 0.5)
    figure, axes = pyplot().subplots(len(rows), columns, figsize=size, squeeze=False)
    for n, (name, values) in enumerate(rows):
        tensors(axes[n], values, y, yhat, name, "Image" if n == 0 else None)
    figure.tight_layout()
    return figure


def tensors(
    axs: Any, x: Any, y: Any = None, yhat: Any = None, layer_name: str = "", title: str | None = None, **kwargs: Any
) -> None:
    """A row of images or vectors on one scale of grey, the name at its left; what is said of each, under the last row.

    `kwargs` go to `imshow`.
    """
    shown = [np.atleast_2d(np.squeeze(image)) for image in x[: len(axs)]]
    how = {"cmap": "gray", "vmin": min(map(np.min, shown)), "vmax": max(map(np.max, shown)), **kwargs}
    for n, (ax, image) in enumerate(zip(axs, shown, strict=False)):
        ax.imshow(image, aspect="equal" if len(image) > 1 else "auto", **how)
        ax.set(xticks=[], yticks=[])
        if title is not None:
            ax.set_title(f"{title} #{n}", fontsize=12)
        height, width = image.shape
        ax.set_ylabel(f"{layer_name}\n{height}x{width}", rotation=0, ha="right", va="center")
        told = [f"{what}: {_said(of[n])}" for what, of in (("Label", y), ("Predicted", yhat)) if of is not None]
        ax.set_xlabel("\n".join(told), fontsize=12)
        ax.label_outer()


def _said(value: Any) -> Any:
    """A tensor's or an array's single number as a number."""
    return value.item() if hasattr(value, "item") else value
