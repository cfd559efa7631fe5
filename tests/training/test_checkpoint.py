"""A checkpoint gives back what was put in, bit for bit and in its own memory format, or says why not."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from passo import seeding
from passo.errors import CheckpointError, SchemaMismatch
from passo.training.checkpoint import load, save

KINDS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8, torch.int64]


def through(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    save(path, state)
    return load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_every_kind_come_back(tmp_path: Path, kind: torch.dtype) -> None:
    told = (torch.randn(3, 4) * 10).to(kind)
    back = through(tmp_path / "a", {"t": told, "none": told[:0], "one": told[0, 0]})
    assert back["t"].dtype == kind
    assert torch.equal(back["t"], told)
    assert back["none"].shape == (0, 4)
    assert torch.equal(back["one"], told[0, 0])


LAYOUTS = {
    "channels-last": torch.randn(4, 3, 2, 5).to(memory_format=torch.channels_last),
    "transposed": torch.randn(3, 4).t(),
    "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
    "one channel": torch.randn(4, 1, 5, 5).to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_memory_formats_come_back(tmp_path: Path, name: str) -> None:
    back = through(tmp_path / "a", {"t": LAYOUTS[name]})["t"]
    assert back.stride() == LAYOUTS[name].stride()
    assert torch.equal(back, LAYOUTS[name])


def test_a_tensor_with_gaps_comes_back_without_them(tmp_path: Path) -> None:
    sparse = torch.arange(12.0)[::3]
    assert torch.equal(through(tmp_path / "a", {"t": sparse})["t"], torch.tensor([0.0, 3.0, 6.0, 9.0]))


def test_tied_tensors_are_kept_once_and_come_back_tied(tmp_path: Path) -> None:
    tied = torch.randn(1000, 100)
    back = through(tmp_path / "a", {"in": {"weight": tied}, "out": {"weight": tied}})
    assert back["in"]["weight"].data_ptr() == back["out"]["weight"].data_ptr()
    assert (tmp_path / "a").stat().st_size < 1.1 * tied.nbytes


def test_parts_of_one_memory_are_kept_apart(tmp_path: Path) -> None:
    flat = torch.randn(10)
    back = through(tmp_path / "a", {"head": flat[:4], "tail": flat[4:], "again": flat[4:]})
    assert torch.equal(back["head"], flat[:4])
    assert torch.equal(back["tail"], flat[4:])
    assert torch.equal(back["again"], flat[4:])


def test_places_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    state = {"a/b": torch.zeros(2), "a": {"b": torch.ones(3)}, 0: torch.full((1,), 2.0), "0": torch.full((1,), 3.0)}
    back = through(tmp_path / "a", state)
    assert [t.tolist() for t in (back["a/b"], back["a"]["b"], back[0], back["0"])] == [[0, 0], [1, 1, 1], [2], [3]]


def test_all_else_comes_back_with_its_kind(tmp_path: Path) -> None:
    state = {"i": 2**80, "f": 0.1, "t": (1, (2.5, None)), "l": [True, "é"], 3: {"inner": {}}, "inf": -math.inf}
    assert through(tmp_path / "a", {"all": state})["all"] == state
    assert math.isnan(through(tmp_path / "a", {"nan": math.nan})["nan"])


def test_every_random_state_comes_back(tmp_path: Path) -> None:
    save(tmp_path / "a", {"random": seeding.capture()})
    drawn = [random.random(), np.random.rand(), torch.rand(3).tolist()]
    seeding.restore(load(tmp_path / "a")["random"])
    assert [random.random(), np.random.rand(), torch.rand(3).tolist()] == drawn


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"model": {"hook": print}}, "cannot keep model/hook, which is a builtin_function_or_method"),
        ({"a": {1.5: 2}}, r"cannot keep a: its key 1\.5"),
        ({"a": [torch.randn(3).to_sparse()]}, "cannot keep a/0, a tensor of kind sparse_coo"),
        ({"z": torch.zeros(1, dtype=torch.complex64)}, "cannot keep z, a tensor of kind complex64"),
    ],
)
def test_what_cannot_be_kept_is_named_and_leaves_no_file(tmp_path: Path, what: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        save(tmp_path / "a", what)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    save(tmp_path / "a", {"step": 1})
    with pytest.raises(CheckpointError):
        save(tmp_path / "a", {"step": object()})
    assert load(tmp_path / "a") == {"step": 1}
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        save(tmp_path / "missing" / "a", {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save(path, {"w": torch.arange(6.0), "betas": (0.9, 0.999)})
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            state = load(path)
        except (CheckpointError, SchemaMismatch):
            continue
        assert state["betas"] == (0.9, 0.999)  # a byte of padding
        assert torch.equal(state["w"], torch.arange(6.0))
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load(path)


def _forged(path: Path, text: str, rows: dict[str, Tensor], version: str = "1") -> None:
    from passo.training.checkpoint import _digest

    save_file(rows, path, {"passo": "checkpoint", "version": version, "sha256": _digest(text, rows), "state": text})


@pytest.mark.parametrize(
    "text",
    [
        '{"dict": [["w", {"tensor": ["w", [3], [9999999]]}]]}',
        '{"dict": [["w", {"tensor": ["w", [-1], [1]]}]]}',
        '{"dict": [["w", {"tensor": ["w", [1000000000], [1]]}]]}',
        '{"dict": [["w", {"tensor": ["other", [3], [1]]}]]}',
        '{"dict": [["w", {"tensor": ["w", [3]]}]]}',
        '{"dict": [[["w"], 1]]}',
        '{"module": "os"}',
        '{"a": 1, "b": 2}',
        "[" * 100_000,
        "3",
        "",
    ],
)
def test_a_forged_header_is_refused(tmp_path: Path, text: str) -> None:
    _forged(tmp_path / "a", text, {"w": torch.zeros(3)})
    with pytest.raises(CheckpointError):
        load(tmp_path / "a")


def test_another_version_and_another_file_are_told(tmp_path: Path) -> None:
    _forged(tmp_path / "a", json.dumps({"dict": []}), {}, version="7")
    with pytest.raises(SchemaMismatch, match="checkpoint version 7; this passo reads version 1"):
        load(tmp_path / "a")
    save_file({"w": torch.zeros(1)}, tmp_path / "b")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load(tmp_path / "b")
    (tmp_path / "c").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(CheckpointError, match="cannot read"):
        load(tmp_path / "c")
    with pytest.raises(CheckpointError, match="cannot read"):
        load(tmp_path / "nothing")
