"""A checkpoint that is cut, flipped, forged, or no file at all is refused in one sentence that names it."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import ODD, answering, damaged, refused, sentence, wronged
from hypothesis import strategies as st
from safetensors.torch import save_file

from passo.errors import CheckpointError, SchemaMismatch, StoreError
from passo.experiments.keeping import NEEDED, newest
from passo.store import Store
from passo.training.checkpoint import _digest, _plain, load, save

STATE: dict[str, Any] = {
    "model": {"w": torch.arange(12.0).reshape(3, 4).t(), "b": torch.tensor([1, -2], dtype=torch.int64)},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "groups": [{"betas": (0.9, 0.999), "lr": 0.1}]},
    "none": None,
    "inf": -math.inf,
    "flag": torch.tensor([True, False]),
}


def _whole(folder: Path) -> bytes:
    save(folder / "whole", STATE)
    return (folder / "whole").read_bytes()


def _same(found: Any, kept: Any) -> bool:
    if isinstance(kept, torch.Tensor):
        return torch.equal(found, kept) and found.stride() == kept.stride()
    if isinstance(kept, dict):
        return found.keys() == kept.keys() and all(_same(found[key], kept[key]) for key in kept)
    if isinstance(kept, list | tuple):
        return len(found) == len(kept) and all(map(_same, found, kept))
    return found == kept


def test_a_damaged_file_is_refused_or_holds_what_it_held(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "a.safetensors"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        assert _same(load(path), STATE)  # bytes of padding, or a name of the header that says the same

    refused(damaged(_whole(tmp_path)), use, wanted, str(path))


def test_a_file_that_ends_anywhere_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.safetensors", _whole(tmp_path)
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError) as told:
            load(path)
        sentence(told.value, str(path))


def _safetensors(header: bytes, rows: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + rows


def test_a_forged_header_of_the_file_is_refused(tmp_path: Path, wanted: int) -> None:
    path, whole = tmp_path / "a.safetensors", _whole(tmp_path)
    (size,) = struct.unpack("<Q", whole[:8])
    header, rows = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    lies = st.one_of(
        *(st.just({**header[name], "data_offsets": [0, 2**62]}) for name in header if name != "__metadata__"),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F64", "F8_E4M3", "F4", "F6_E2M3", "C64", "BOOL", "U64", "X", ""]),
                "shape": st.lists(st.sampled_from([0, 1, 2, 3, 4, 2**32, 2**62, -1]), max_size=4),
                "data_offsets": st.lists(st.sampled_from([0, 1, 8, 16, 48, len(rows), 2**62]), max_size=3),
            }
        ),
    )
    names = st.sampled_from([name for name in header if name != "__metadata__"])
    lengths = st.sampled_from([0, 1, 7, 2**31, 2**62, 2**63 - 1, 2**64 - 1])
    forged = st.one_of(
        wronged(header).map(lambda told: _safetensors(json.dumps(told).encode(), rows)),
        st.builds(lambda name, lie: _safetensors(json.dumps({**header, name: lie}).encode(), rows), names, lies),
        st.builds(lambda length, extra: _safetensors(whole[8 : 8 + size], rows + extra, length), lengths, st.binary()),
    )

    def use(content: bytes) -> None:
        path.write_bytes(content)
        load(path)

    refused(forged, use, wanted, str(path))


def test_a_forged_state_with_a_true_digest_is_refused_or_is_a_state(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "a.safetensors"
    rows: dict[str, torch.Tensor] = {}
    plain = _plain(STATE, "", rows, {})
    places = st.lists(st.one_of(st.integers(-1, 12), st.sampled_from([2**31, 2**62, 2**63, 10**30])), max_size=3)
    tensors = st.builds(
        lambda kind, name, shape, strides: {"dict": [["w", {kind: [name, shape, strides]}]]},
        st.sampled_from(["tensor", "array"]),
        st.sampled_from([*rows, "other"]),
        places,
        places,
    )

    def use(tree: Any) -> None:
        text = json.dumps(tree)
        header = {"passo": "checkpoint", "version": "1", "sha256": _digest(text, rows), "state": text}
        save_file(rows, path, header)
        found = load(path)
        assert isinstance(found, dict)
        for tensor in (value for value in found.values() if isinstance(value, torch.Tensor)):
            assert tensor.clone().numel() <= 12  # it can be read, to its last element

    refused(st.one_of(wronged(plain), tensors, ODD), use, wanted, str(path))


FORGED = {
    "no numbers": '{"dict": [["w", {"tensor": ["w", [0, "a"], [1, 1]]}]]}',
    "an empty tensor of absurd size": '{"dict": [["w", {"tensor": ["none", [0, 1e30], [1, 1]]}]]}',
    "an empty tensor beyond all numbers": f'{{"dict": [["w", {{"tensor": ["none", [0, {10**30}], [{10**30}, 1]]}}]]}}',
    "a key twice": '{"dict": [["w", 1], ["w", 2]]}',
    "a kind twice": '{"list": [1], "list": [2]}',
    "a key that is no key": '{"dict": [[true, 1]]}',
    "one row in two shapes": '{"list": [{"tensor": ["w", [3, 4], [4, 1]]}, {"tensor": ["w", [12], [1]]}]}',
    "deep": '{"list": [' * 50_000 + "]}" * 50_000,
    "deep and open": '{"list": [' * 50_000,
    "a number without end": '{"dict": [["w", 1' + "0" * 5000 + "]]}",
    "a list": '{"list": []}',
    "plain": "{}",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_state_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    rows = {"w": torch.arange(12.0), "none": torch.zeros(0)}
    header = {"passo": "checkpoint", "version": "1", "sha256": _digest(FORGED[name], rows), "state": FORGED[name]}
    save_file(rows, tmp_path / "a", header)
    with answering(), pytest.raises(CheckpointError) as told:
        load(tmp_path / "a")
    sentence(told.value, str(tmp_path / "a"))


def test_a_state_that_holds_itself_many_times_over_is_no_bomb(tmp_path: Path) -> None:
    shared = '{"tensor": ["w", [1000], [1]]}'
    text = '{"dict": [["w", {"list": [' + ", ".join([shared] * 20_000) + "]}]]}"
    rows = {"w": torch.zeros(1000)}
    save_file(
        rows, tmp_path / "a", {"passo": "checkpoint", "version": "1", "sha256": _digest(text, rows), "state": text}
    )
    with answering():
        found = load(tmp_path / "a")["w"]
    assert len({tensor.data_ptr() for tensor in found}) == 1  # kept once, as in the file


@pytest.mark.parametrize("kind", ["nothing", "empty", "a folder", "a pipe", "/dev/zero", "a link to itself"])
def test_what_is_no_file_is_refused_and_waits_for_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.safetensors"
    match kind:
        case "empty":
            path.touch()
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "/dev/zero":
            path.symlink_to("/dev/zero")
        case "a link to itself":
            path.symlink_to(path)
    with answering(), pytest.raises(CheckpointError) as told:
        load(path)
    sentence(told.value, str(path))


@pytest.mark.parametrize("version", ["2", "17", "1.5", "", None])
def test_a_checkpoint_of_another_version_says_which_it_needs(tmp_path: Path, version: str | None) -> None:
    header = {"passo": "checkpoint", "sha256": "", "state": "{}"} | ({} if version is None else {"version": version})
    save_file({}, tmp_path / "a", header)
    with pytest.raises(SchemaMismatch, match=f"has checkpoint version {version}; this passo reads version 1"):
        load(tmp_path / "a")


@pytest.mark.parametrize("version", ["1\n", "a\nb", "x" * 5000])
def test_a_version_of_several_lines_or_of_any_length_is_told_in_a_sentence(tmp_path: Path, version: str) -> None:
    save_file({}, tmp_path / "a", {"passo": "checkpoint", "sha256": "", "state": "{}", "version": version})
    with pytest.raises(SchemaMismatch, match="has checkpoint version .+; this passo reads version 1") as told:
        load(tmp_path / "a")
    sentence(told.value, str(tmp_path / "a"))


@pytest.mark.parametrize("header", [None, {}, {"format": "pt"}, {"passo": "weights"}, {"passo": ""}])
def test_a_whole_safetensors_file_of_somebody_else_is_no_checkpoint(tmp_path: Path, header: Any) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "a", header)
    with pytest.raises(StoreError, match="is no checkpoint of passo's"):
        load(tmp_path / "a")


def test_a_run_with_a_damaged_newest_state_goes_on_from_the_one_before(tmp_path: Path, wanted: int) -> None:
    training = dict.fromkeys(NEEDED) | STATE
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        run = study.add_run("r", config={})
        for step in (1, 2):
            run.checkpoint(step, lambda path, step=step: save(path, {**training, "step": step}))
        (_, path), _ = run.checkpoints()
        whole, fell = path.read_bytes(), set[bytes]()

        def use(content: bytes) -> None:
            path.write_bytes(content)
            found = newest(run)
            assert found is not None
            step, state, wrong = found
            assert _same(state, {**training, "step": step})
            assert (step, len(wrong)) in ((2, 0), (1, 1))
            for told in map(CheckpointError, wrong):
                fell.add(content)
                raise told  # counted where it is a sentence that names the file

        refused(damaged(whole), use, wanted, path.name)
        assert len(fell) > 0.9 * wanted  # a damaged version number is told, not passed over
        run.finish("interrupted")
