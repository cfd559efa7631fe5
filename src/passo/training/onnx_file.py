"""A trained model as ONNX, through torch's own exporter, for programs without torch.

    input     (batch, …) float32, scaled as in training; `batch` may be any number
    logits    (batch, classes), before the softmax; of other tasks it is called `output`

The file's metadata hold, under `passo`, what `model.json` of a saved model holds: shape, classes, scaling. Names of
source files and lines, which the exporter adds to every node, are left out: they are of this machine.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passo.data.cache import write_whole
from passo.errors import ConfigError, FolderInUse, StoreError, require
from passo.models import Gan
from passo.training.rebuilding import Description

EXTRA = "onnx"


def write_onnx(path: str | Path, model: nn.Module, description: Description, *, force: bool = False) -> Path:
    """Write one file, whole or not at all.

    Raises `MissingExtra` without onnx and onnxscript, `FolderInUse` where the file is there already (unless `force`),
    `ConfigError` where the input's shape is not known or torch cannot export the model, `StoreError` where the disk
    refuses.
    """
    path = Path(path)
    require("onnx", EXTRA)
    require("onnxscript", EXTRA)
    if path.exists() and (path.is_dir() or not force):
        raise FolderInUse(f"{path} is there already: choose another name, or --force (force=True) to replace it")
    content = _content(model, description)
    try:
        write_whole(path, lambda file: file.write(content))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    return path


def _content(model: nn.Module, description: Description) -> bytes:
    output = "logits" if description.task == "classify" else "output"
    with _quiet():
        try:
            program = torch.onnx.export(
                model,
                (_example(model, description),),
                input_names=["input"],
                output_names=[output],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # whatever the exporter or somebody's own forward raises
            reason = " ".join(str(error.__cause__ or error).split())[:200]
            raise ConfigError(f"torch cannot export model {description.name} as ONNX: {reason}") from error
    assert program is not None  # of the exporter that dynamo=True asks for
    for node in program.model.graph:
        node.metadata_props.clear()
    program.model.metadata_props["passo"] = description.model_dump_json()
    return program.model_proto.SerializeToString(deterministic=True)


def _example(model: nn.Module, description: Description) -> torch.Tensor:
    """Two inputs of the model's shape: with one, the exporter would take a batch of one for a rule."""
    if isinstance(model, Gan):
        return torch.zeros(2, model.latent)
    if description.in_shape is None:
        raise ConfigError(
            f"model {description.name} was trained on the caller's own batches, whose shape was not recorded: call "
            "torch.onnx.export with one of them"
        )
    return torch.zeros(2, *description.in_shape)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, which are about itself (torchvision is missing, its own deprecated calls)."""
    told: Any = logging.getLogger("torch.onnx")
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(level)
