"""A checkpoint: one safetensors file with all that the next step depends on, and nothing that can run.

The tensors of a nested state (mappings, lists, tuples, numbers, words, None, tensors, NumPy arrays) lie in the file as
flat rows, in the order of their own memory; the rest is JSON in the file's header, where a tensor is its row's name,
its shape and its strides. So every tensor comes back in its own memory format: fused Adam on a CPU is silently wrong
where a state lies otherwise than its weight. Tensors that share memory are kept once and come back shared. Nothing is
pickled, and no name in a file is imported: a checkpoint from a stranger can at worst be refused.

The header holds a version and a SHA-256 over the JSON and all rows. A file is written beside its place, flushed to the
disk and renamed: at its place there is a whole one or none.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from passo.errors import CheckpointError, SchemaMismatch

VERSION = 1
_KINDS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64),
)
_NOT_UNDERSTOOD = (ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, AttributeError, MemoryError)
Known = dict[Any, tuple[str, Tensor]]  # address → row, and the tensor that lives there


def save(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a nested state to a file, whole or not at all.

    Raises `CheckpointError` for something in it that cannot be kept (it says where), or where the disk refuses.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> save(path, {"step": 3, "betas": (0.9, 0.999), "weight": torch.ones(2, 3).t()})
    >>> load(path)["betas"], load(path)["weight"].stride()
    ((0.9, 0.999), (1, 3))
    """
    path = Path(path)
    rows: dict[str, Tensor] = {}
    text = json.dumps(_plain(state, "", rows, {}), allow_nan=False)
    header = {"passo": "checkpoint", "version": str(VERSION), "sha256": _digest(text, rows), "state": text}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(rows, beside, header)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        _settle(path.parent)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write the checkpoint {path}: {_reason(error)}") from error


def load(path: str | Path) -> dict[str, Any]:
    """Read a state back, its tensors on the CPU.

    Raises `CheckpointError` where the file is none, or is damaged, and `SchemaMismatch` for another version.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device has no end
        raise CheckpointError(f"cannot read the checkpoint {path}: it is no regular file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("passo") != "checkpoint":
                raise CheckpointError(f"{path} is no checkpoint of passo's")
            if header.get("version") != str(VERSION):
                told = " ".join(str(header.get("version")).split())[:40]  # which may be anything, and of any length
                raise SchemaMismatch(f"{path} has checkpoint version {told}; this passo reads version {VERSION}")
            # Cloned, since rows lie anywhere in the file: sums of numbers that begin elsewhere in a cache line may add
            # in another order (LBFGS), so that the last bits differ.
            rows = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {_reason(error)}") from error
    text = header.get("state", "")
    if _digest(text, rows) != header.get("sha256"):
        raise CheckpointError(f"the checkpoint {path} is damaged: its SHA-256 is not the one that it holds")
    try:
        state = _whole(json.loads(text, object_pairs_hook=_single), rows, {})
    except _NOT_UNDERSTOOD as error:
        raise CheckpointError(f"the checkpoint {path} cannot be understood: {_reason(error)}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"the checkpoint {path} holds no state")
    return state


# ── from a state to rows and JSON ──


def _plain(value: Any, where: str, rows: dict[str, Tensor], known: Known) -> Any:
    """A value as JSON: words, truths, None and whole numbers as they are, all else as {kind: content}."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, Tensor):
        return {"tensor": _row(value, where, rows, known)}
    if isinstance(value, np.ndarray):
        return {"array": _row(torch.from_numpy(np.ascontiguousarray(value)), where, rows, known)}
    if isinstance(value, Mapping):
        return {"dict": [[_key(k, where), _plain(v, f"{where}/{k}", rows, known)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_plain(one, f"{where}/{n}", rows, known) for n, one in enumerate(value)]}
    raise CheckpointError(f"a checkpoint cannot keep {where.lstrip('/')}, which is a {type(value).__name__}")


def _key(key: Any, where: str) -> Any:
    if isinstance(key, str | int) and not isinstance(key, bool):
        return key
    raise CheckpointError(
        f"a checkpoint cannot keep {where.lstrip('/')}: its key {key!r} is neither a word nor a number"
    )


def _row(tensor: Tensor, where: str, rows: dict[str, Tensor], known: Known) -> list[Any]:
    """[name of the row, shape, strides]; the row is made where no tensor with this memory has one yet."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided or tensor.dtype not in _KINDS:
        kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout).removeprefix("torch.")
        raise CheckpointError(f"a checkpoint cannot keep {where.lstrip('/')}, a tensor of kind {kind}")
    shape, strides = list(tensor.shape), list(tensor.stride())
    if not _dense(shape, strides):
        tensor = tensor.contiguous()
        strides = list(tensor.stride())
    address = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(shape), tuple(strides))
    if address not in known or not tensor.numel():
        name, flat = _free(where.lstrip("/"), rows), tensor.as_strided((tensor.numel(),), (1,))
        alone = flat.untyped_storage().nbytes() == flat.nbytes  # safetensors takes no part of a larger memory
        rows[name], known[address] = (flat if alone else flat.clone()).cpu(), (name, tensor)
    return [known[address][0], shape, strides]


def _free(name: str, rows: Mapping[str, Tensor]) -> str:
    """A row's name; {"a/b": …} and {"a": {"b": …}} are two places of one name."""
    while name in rows:
        name += "'"
    return name


def _dense(shape: list[int], strides: list[int]) -> bool:
    """Whether a tensor fills its memory without gaps, in whatever order of its axes."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1):
        if stride != expected or size < 1:
            return False
        expected *= size
    return True


# ── and back ──


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, which has one kind and its content; json itself would keep the last of several."""
    if len(pairs) != 1:
        raise ValueError(f"{len(pairs)} kinds in one place")
    return dict(pairs)


def _whole(value: Any, rows: Mapping[str, Tensor], made: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]
    if kind in ("tensor", "array"):
        name, shape, strides = content
        tensor = _tensor(name, shape, strides, rows, made)
        return tensor if kind == "tensor" else tensor.numpy()
    if kind == "dict":
        return _mapping([(key, _whole(inner, rows, made)) for key, inner in content])
    if kind in ("tuple", "list"):
        inside = [_whole(inner, rows, made) for inner in content]
        return tuple(inside) if kind == "tuple" else inside
    raise ValueError(f"unknown kind {kind!r}")


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    wrong = [key for key in found if not isinstance(key, str | int) or isinstance(key, bool)]
    if wrong or len(found) < len(pairs):
        raise ValueError(f"{wrong[0]!r} is no key" if wrong else "a key is there twice")
    return found


def _tensor(
    name: str, shape: list[int], strides: list[int], rows: Mapping[str, Tensor], made: dict[str, Tensor]
) -> Tensor:
    """The tensor that is kept in a row; the same one wherever the same row is named."""
    row = rows[name]
    if not all(type(n) is int and n >= 0 for n in (*shape, *strides)) or len(shape) != len(strides):
        raise ValueError(f"{name} has no shape")
    if math.prod(shape) != row.numel() or (row.numel() and not _dense(shape, strides)):
        raise ValueError(f"{name} does not fit its shape")
    if name not in made:
        made[name] = row.as_strided(shape, strides) if row.numel() else row.reshape(shape)
    if list(made[name].shape) != shape or (row.numel() and list(made[name].stride()) != strides):
        raise ValueError(f"{name} is there in two shapes")
    return made[name]


# ── bytes ──


def _digest(text: str, rows: Mapping[str, Tensor]) -> str:
    """SHA-256 over the JSON, then over each row: its name, its kind, its bytes."""
    found = hashlib.sha256(text.encode())
    for name in sorted(rows):
        row = rows[name]
        found.update(f"\n{name} {row.dtype} {row.numel()}\n".encode())
        found.update(row.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _settle(folder: Path) -> None:
    """Flush a folder's own entries to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: Exception) -> str:
    """A system's or a library's words, in one line."""
    told = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return f"{told[:1].lower()}{told[1:200]}" or type(error).__name__
