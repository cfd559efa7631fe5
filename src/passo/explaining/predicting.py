"""A trained model, saved or still in its study, answers for images and rows that it has never seen.

Images are read as the training's own folder of images would be (turned upright, grey or in colour, resized to the
model's size, without keeping the ratio of the sides), and scaled with the training part's own statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from passo.data import Scaling
from passo.data.pictures import SUFFIXES, Picture, decode
from passo.data.tables import rows_of
from passo.errors import ConfigError, DataNotFound, require
from passo.training.evaluate import evaluating
from passo.training.rebuilding import Description

BATCH = 256
_EDGE, _FAR = 0.5, 0.1  # a border counts as light above this grey; means nearer to it than that are neither

Given = str | Path | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What a model says of one input.

    classify: `probabilities` over `classes`. regress: `value`, in the units of the training's own targets. reconstruct:
    `value` is the mean squared difference between the input and its reconstruction; from black to white is 1 (for a
    table's rows, one standard deviation or whatever the scaling made 1).
    """

    name: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    value: float | None = None
    inverted: bool = False
    """Whether it looks inverted: its edge is light where the training's images are dark, or the other way round."""

    def top(self, n: int = 3) -> tuple[tuple[str, float], ...]:
        """The likeliest classes with their probabilities, the likeliest first."""
        order = np.argsort(-np.array(self.probabilities), kind="stable")[:n]
        return tuple((self.classes[place], self.probabilities[place]) for place in order)

    def __repr__(self) -> str:
        if self.value is not None:
            return f"Prediction({self.name}: {self.value:.6g})"
        return f"Prediction({self.name}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in self.top())})"


@dataclass(frozen=True)
class TrainedModel:
    """A trained network in evaluation mode, on the CPU, and what feeds it: `model` is a `torch.nn.Module`."""

    model: nn.Module
    description: Description

    def __repr__(self) -> str:
        told = self.description
        return f"<TrainedModel {told.name}: {told.in_shape} → {told.outputs}, {told.task}s, trained on {self.dataset}>"

    @property
    def dataset(self) -> str:
        """The name of the data that it was trained on."""
        return str(self.description.trained.get("dataset"))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; numbers where the training named none."""
        return self.description.classes or tuple(map(str, range(self.description.outputs or 0)))

    def predict(self, inputs: Given | Sequence[Given], *, invert: bool = False) -> tuple[Prediction, ...]:
        """Predict images, or rows of a table.

        Args:
            inputs: image files and folders of them; or uint8 images of the model's own size, (N, H, W) or (N, 3, H, W);
                for a model of tables CSV files, or rows (N, F).
            invert: take 255 − v for each value v of an image, as for dark digits on white paper.

        Raises `ConfigError` where the model cannot take these, `DataNotFound` and `DataCorrupt` where files cannot be
        read.
        """
        return tuple(self.predicting(inputs, invert=invert))

    def predicting(self, inputs: Given | Sequence[Given], *, invert: bool = False) -> Iterator[Prediction]:
        """As `predict`, one after the other; of many files no more than 256 are in memory."""
        scaling = self._scaling()
        for names, raw in self._read(inputs):
            raw = 255 - raw if invert and raw.ndim > 2 else raw
            x = scaling.apply(raw)
            with evaluating(self.model):
                output = self.model(x)
            looks = _look_inverted(raw, scaling)
            yield from (self._said(*one) for one in zip(names, x, output, looks, strict=True))

    def scaled(self, raw: np.ndarray) -> Tensor:
        """Images (N, H, W) or (N, 3, H, W) uint8, or rows (N, F), as the model reads them; raises as `predict`."""
        return self._scaling().apply(_checked(raw, self.description.in_shape or ()))

    def _said(self, name: str, x: Tensor, output: Tensor, inverted: bool) -> Prediction:
        task = self.description.task
        if task == "classify":
            shares = tuple(output.double().softmax(-1).tolist())
            classes = self.classes if len(self.classes) == len(shares) else tuple(map(str, range(len(shares))))
            return Prediction(name, classes, shares, inverted=inverted)
        value = output if task == "regress" else self._apart(x, output)
        if value.numel() != 1:
            raise ConfigError(f"model {self.description.name} gives {value.numel()} values: call its .model yourself")
        return Prediction(name, value=float(value), inverted=inverted)

    def _apart(self, x: Tensor, output: Tensor) -> Tensor:
        scaling = self._scaling()
        images = (scaling.to_unit(one) if one.dim() == 3 else one for one in (x, output))
        return torch.sub(*images).square().mean()

    def _scaling(self) -> Scaling:
        told = self.description
        if told.task == "generate":
            raise ConfigError(f"model {told.name} makes images from noise: it has nothing to say of one")
        if told.scaling is None or told.in_shape is None:
            raise ConfigError(
                f"model {told.name} was trained on the caller's own batches: how its inputs were scaled is not known; "
                "scale them as they were and call passo.load_model(…).model yourself"
            )
        return told.scaling

    def _read(self, inputs: Given | Sequence[Given]) -> Iterator[tuple[list[str], np.ndarray]]:
        """(names, pixels or rows as they are in files), some at a time."""
        shape = self.description.in_shape or ()
        given = [inputs] if isinstance(inputs, str | Path | np.ndarray) else list(inputs)
        for one in given:
            if isinstance(one, np.ndarray):
                whole = _checked(one, shape)
                for start in range(0, len(whole), BATCH):
                    part = whole[start : start + BATCH]
                    yield [str(start + place) for place in range(len(part))], part
            elif len(shape) == 1:
                lines, rows = rows_of(one, self._columns())
                yield [f"{one}, line {line}" for line in lines], rows
        if len(shape) != 1:
            yield from _images([Path(one) for one in given if not isinstance(one, np.ndarray)], shape)

    def _columns(self) -> tuple[str, ...]:
        if not self.description.columns:
            raise ConfigError(f"which columns model {self.description.name} reads was not recorded: give rows (N, F)")
        return self.description.columns


def _images(paths: Sequence[Path], shape: Sequence[int]) -> Iterator[tuple[list[str], np.ndarray]]:
    """Image files, and those in folders, decoded to the model's size."""
    if not paths:
        return
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ConfigError(f"the model takes inputs of shape {tuple(shape)}, which no image file has: give an array")
    require("PIL.Image", "figures")
    files = [file for path in paths for file in _files(path)]
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        pictures = [Picture(str(path), 0, path.read_bytes) for path in part]
        pixels = [decode(picture, (shape[1], shape[2]), colour=shape[0] == 3) for picture in pictures]
        yield [str(path) for path in part], np.stack(pixels)


def _files(path: Path) -> list[Path]:
    """The file itself, or every image in a folder and the folders in it, by name."""
    if not path.is_dir():
        if not path.exists():
            raise DataNotFound(f"there is no file {path}: name an image, or a folder of images")
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
    if not found:
        raise DataNotFound(f"{path} holds no image: name a file, or a folder with {', '.join(sorted(SUFFIXES))} in it")
    return found


def _checked(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array of what the model takes: one row for each input."""
    inside = tuple(shape[1:]) if len(shape) == 3 and shape[0] == 1 else tuple(shape)
    kind = np.uint8 if len(shape) == 3 else np.float64
    if values.shape[1:] != inside or (kind is np.uint8 and values.dtype != np.uint8):
        told = f"(N, {', '.join(map(str, inside))})"
        raise ConfigError(
            f"the model takes arrays {told}{' uint8' if kind is np.uint8 else ''}, got {values.shape} {values.dtype}"
        )
    return values.astype(kind, copy=False)


def _look_inverted(raw: np.ndarray, scaling: Scaling) -> list[bool]:
    """Whether each grey image is the negative of what was trained on, as far as brightness tells: (N,).

    Its edge (the median of its outermost pixels) is light where the training's mean is dark, or the other way round,
    and inverting brings its own mean nearer to the training's. Where no mean was measured, nothing is said.
    """
    if raw.ndim != 3 or scaling.name != "standardize" or not isinstance(scaling.mean, float):
        return [False] * len(raw)
    edge = np.concatenate([raw[:, 0], raw[:, -1], raw[:, :, 0], raw[:, :, -1]], axis=1) / 255  # (N, 2H + 2W)
    there, mean = raw.mean(axis=(1, 2)) / 255, scaling.mean
    other = (np.median(edge, axis=1) - _EDGE) * (mean - _EDGE) < 0
    nearer = np.abs(1 - there - mean) < np.abs(there - mean)
    return (other & nearer & (abs(mean - _EDGE) > _FAR)).tolist()
