"""A trained model to take away: `model.safetensors` holds its numbers, `model.json` what rebuilds and feeds it.

    FOLDER/model.safetensors   every weight and buffer under its own name, in the usual order of axes
    FOLDER/model.json          `rebuilding.Description`, the version of this format, and `tied`: {name: its other name}

Any program that reads safetensors reads the weights. Tensors that are one and the same in the model are kept once. The
JSON is written last: a folder without it is no saved model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from passo.data.cache import write_whole
from passo.errors import CheckpointError, FolderInUse, SchemaMismatch
from passo.training.complaints import sentence
from passo.training.rebuilding import Description, rebuilt

VERSION = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
LARGEST = 2**24  # bytes of model.json


def is_saved(folder: str | Path) -> bool:
    """Whether a folder holds a saved model."""
    return (Path(folder) / DESCRIPTION).is_file()


def write_model(
    folder: str | Path, description: Description, weights: Mapping[str, Tensor], *, force: bool = False
) -> Path:
    """Write both files, each whole or not at all; of tensors that share their memory one is written.

    Raises `FolderInUse` where the folder holds anything (with `force`, the two files are replaced), and
    `CheckpointError` where the disk refuses.
    """
    folder = Path(folder)
    if folder.exists() and not force and not (folder.is_dir() and not any(folder.iterdir())):
        raise FolderInUse(f"{folder} is there already: choose another folder, or --force (force=True) to replace it")
    kept, tied = untied(weights)
    facts = {"passo": "model", "version": VERSION, "made_by": _made_by(), **description.model_dump(mode="json")}
    text = json.dumps({**facts, "tied": tied}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        (folder / DESCRIPTION).unlink(missing_ok=True)
        content = save(kept, metadata={"format": "pt", "passo": "model"})
        write_whole(folder / WEIGHTS, lambda file: file.write(content))
        write_whole(folder / DESCRIPTION, lambda file: file.write(text.encode()))
    except OSError as error:
        raise CheckpointError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
    return folder


def untied(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors to keep, and for each other one the name of that which it is.

    >>> import torch
    >>> one = torch.ones(2)
    >>> kept, tied = untied({"in.weight": one, "out.weight": one, "bias": one.clone()})
    >>> sorted(kept), tied
    (['bias', 'in.weight'], {'out.weight': 'in.weight'})
    """
    kept: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    known: dict[Any, str] = {}
    for name, tensor in weights.items():
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and known.setdefault(place, name) != name:
            tied[name] = known[place]
        else:
            kept[name] = tensor.detach().cpu().contiguous().clone()  # alone in its memory, as the format wants it
    return kept, tied


def read_description(folder: str | Path) -> tuple[Description, dict[str, str]]:
    """What `model.json` says, and which tensors are tied.

    Raises `CheckpointError` where there is none or it is malformed, `SchemaMismatch` for another version.
    """
    path = Path(folder) / DESCRIPTION
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"{path} has more than {LARGEST:,} bytes: it describes no model")
        facts = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no saved model: it has no {DESCRIPTION}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(facts, dict) or facts.get("passo") != "model":
        raise CheckpointError(f"{path} does not describe a model of passo's")
    if facts.get("version") != VERSION:
        raise SchemaMismatch(f"{path} has version {facts.get('version')}; this passo reads version {VERSION}")
    tied = facts.get("tied", {})
    if not isinstance(tied, dict) or not all(isinstance(name, str) for name in tied.values()):
        raise CheckpointError(f"{path} is malformed: tied must map names to names")
    try:
        known = {key: value for key, value in facts.items() if key in Description.model_fields}
        return Description.model_validate_json(json.dumps(known)), tied
    except ValidationError as error:
        raise CheckpointError(f"{path} is malformed: {sentence(error, Description)}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is malformed: {error}") from error


def read_model(folder: str | Path, model: nn.Module | str | None = None) -> tuple[nn.Module, Description]:
    """A saved model, rebuilt, in evaluation mode, and what is known about it; `model` as in `rebuilding.rebuilt`.

    Raises `CheckpointError` where a file is missing, malformed or not what its hash says, and `ConfigError` for a model
    of somebody's own that was not handed over.
    """
    description, tied = read_description(folder)
    path = Path(folder) / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {path}: {(getattr(error, 'strerror', None) or str(error)).lower()}"
        ) from error
    if missing := [kept for kept in tied.values() if kept not in weights]:
        raise CheckpointError(f"{path} lacks {missing[0]}, to which another tensor is tied")
    return rebuilt(description, weights | {name: weights[kept] for name, kept in tied.items()}, model), description


def _made_by() -> str:
    try:
        return f"passo {version('passo')}"
    except PackageNotFoundError:
        return "passo"
