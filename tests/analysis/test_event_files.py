"""TensorBoard's event files, read back by a reader of their own: every scalar, its step, and whole records."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.analysis.event_files import export_tensorboard
from passo.errors import FolderInUse, MissingExtra, StoreError
from passo.store import Store, StoredStudy, open_study

pytest.importorskip("tensorboardX")
SETTINGS = {"optimizer": {"name": "adam", "lr": 0.001}, "epochs": 3, "decay": True, "schedule": None}


@pytest.fixture
def stored(tmp_path: Path) -> StoredStudy:
    with Store.create(tmp_path / "s", name="s", config={}) as store:
        for seed in (0, 1):
            run = store.add_run("adam", config=SETTINGS, seed=seed)
            for step in range(1, 6):
                run.scalars(step, step / 5, {"train/loss": seed + 1 / step, "lr": 0.1})
            run.scalars(5, 1.0, {"test/accuracy": float("nan") if seed else 0.75})
            run.finish()
    return open_study(tmp_path / "s")


def crc32c(data: bytes) -> int:
    """Castagnoli's polynomial, bit by bit, and TFRecord's mask."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        body, rest = content[12 : 12 + length], content[12 + length :]
        assert struct.unpack("<I", content[8:12]) == (crc32c(content[:8]),)
        assert struct.unpack("<I", rest[:4]) == (crc32c(body),)
        yield body
        content = rest[4:]


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protocol buffer, from its encoding: varints, 8 bytes, 4 bytes, and what has a length."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        yield number, message[place : place + size]
        place += size


def scalars(path: Path) -> list[tuple[str, int, float, float]]:
    """(tag, step, value, time) of each scalar: Event is time 1, step 2, summary 5; its value tag 1, number 2."""
    found = []
    for event in map(dict, map(fields, records(path))):
        if 5 in event and (value := dict(fields(dict(fields(event[5]))[1]))).get(2) is not None:
            number, time = struct.unpack("<f", value[2])[0], struct.unpack("<d", event[1])[0]
            found.append((value[1].decode(), event.get(2, 0), number, time))
    return found


def test_every_scalar_is_there_at_its_step_and_no_other(stored: StoredStudy, tmp_path: Path) -> None:
    folder = export_tensorboard(stored, tmp_path / "logs")
    assert sorted(path.name for path in folder.iterdir()) == ["adam-s0", "adam-s1"]
    for run in stored.runs:
        (file,) = (folder / run.id).iterdir()
        assert file.name.startswith("events.out.tfevents.")  # what TensorBoard looks for
        wanted = [
            (name, int(step), float(np.float32(value)))
            for name in run.metrics()
            for step, value in zip(run.metric(name).steps, run.metric(name).values, strict=True)
        ]
        found = sorted(one[:3] for one in scalars(file))
        assert repr(found) == repr(sorted(wanted))


def test_times_lie_between_the_run_s_start_and_end_and_grow_with_the_step(stored: StoredStudy, tmp_path: Path) -> None:
    run = stored.runs[0]
    (file,) = (export_tensorboard(run, tmp_path / "logs") / run.id).iterdir()
    times = {step: time for _, step, _, time in scalars(file)}
    assert [times[step] for step in sorted(times)] == sorted(times.values())
    assert run.finished is not None and run.started < times[1] and times[5] == pytest.approx(run.finished)


def test_the_file_begins_with_its_version_and_holds_the_settings(stored: StoredStudy, tmp_path: Path) -> None:
    (file,) = (export_tensorboard(stored.runs[0], tmp_path / "logs") / "adam-s0").iterdir()
    first, *others = records(file)
    assert dict(fields(first))[3] == b"brain.Event:2"
    told = b"".join(others[:3])
    assert all(word in told for word in (b"_hparams_/session_start_info", b"optimizer.name", b"adam", b"epochs"))
    assert b"schedule" not in told


def test_the_same_run_gives_the_same_bytes(stored: StoredStudy, tmp_path: Path) -> None:
    files = [next((export_tensorboard(stored, tmp_path / name) / "adam-s0").iterdir()) for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes() and files[0].name == files[1].name


def test_a_folder_that_is_there_is_refused_and_with_force_moved_aside(stored: StoredStudy, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    export_tensorboard(stored, tmp_path / "logs")  # an empty one is free
    with pytest.raises(FolderInUse, match="logs is there already"):
        export_tensorboard(stored, tmp_path / "logs")
    export_tensorboard(stored.runs[0], tmp_path / "logs", force=True)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["adam-s0"]
    assert sorted(path.name for path in (tmp_path / "logs.1").iterdir()) == ["adam-s0", "adam-s1"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_nothing_to_show_and_nothing_to_write_with_are_said(
    stored: StoredStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.create(tmp_path / "e", name="e", config={}) as store:
        store.add_run("silent", config={}).finish()
    with pytest.raises(StoreError, match="no metric was recorded"):
        export_tensorboard(tmp_path / "e", tmp_path / "logs")
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX.proto.event_pb2", None)
    with pytest.raises(MissingExtra, match=r"passo\[tensorboard\]"):
        export_tensorboard(stored, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
