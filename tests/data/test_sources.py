"""Where data are looked for, what is kept, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.data import cache as cache_module
from passo.data import downloads, fetch, idx, load, sources, where
from passo.data.cache import cache_folder
from passo.data.entries import DATASETS, DatasetInfo
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound


def equal(found: Any, arrays: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found.arrays, arrays, strict=True))


# ── Folders ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layout", ["", "tiny", "raw", "Tiny/raw"])
def test_a_folder_is_read_plain_or_compressed_and_as_torchvision_lays_it_out(
    tiny: DatasetInfo, tiny_folder: Path, tiny_arrays: list[np.ndarray], tmp_path: Path, layout: str
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "given" / layout)
    found = sources.open_arrays(tiny, tmp_path / "given")
    assert equal(found, tiny_arrays) and found.source == str(tmp_path / "given")


def test_a_folder_that_lacks_a_file_is_refused_and_not_passed_over(
    system: DatasetInfo, tiny_folder: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    shutil.copytree(tiny_folder, given)
    next(given.glob("t10k-labels*")).unlink()
    with pytest.raises(DataNotFound, match=r"given does not hold tiny: expected .*t10k-labels-idx1-ubyte"):
        sources.open_arrays(system, given)


def test_a_folder_of_other_data_is_refused_with_both_digests(tiny: DatasetInfo, tiny_folder: Path) -> None:
    path = tiny_folder / f"{tiny.files[1].name}"
    labels = idx.read(path)
    idx.write(path, labels[::-1])
    with pytest.raises(DataCorrupt) as caught:
        sources.open_arrays(tiny, tiny_folder)
    sentence = str(caught.value)
    assert str(path) in sentence and tiny.files[1].sha256 in sentence and idx.digest(labels[::-1]) in sentence


def test_labels_of_another_part_are_refused_with_their_names(tiny: DatasetInfo, tiny_folder: Path) -> None:
    path = tiny_folder / tiny.files[1].name
    idx.write(path, idx.read(tiny_folder / f"{tiny.files[3].name}.gz"))
    with pytest.raises(DataCorrupt, match=r"train-labels-idx1-ubyte: expected 40 labels.*found 12"):
        sources.open_arrays(tiny, tiny_folder)


def test_a_truncated_file_is_refused_with_its_name(tiny: DatasetInfo, tiny_folder: Path) -> None:
    path = tiny_folder / tiny.files[2].name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataCorrupt, match=rf"{path.name}: it is truncated"):
        sources.open_arrays(tiny, tiny_folder)


def test_the_sample_takes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes no folder"):
        load("fashion-mnist-sample", folder=tmp_path)


# ── Cache ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_second_time_nothing_is_decoded_and_the_arrays_are_maps_of_files(
    system: DatasetInfo, tiny_arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sources.open_arrays(system)
    monkeypatch.setattr(idx, "parse", None)
    monkeypatch.setattr(idx, "digest", None)
    second = sources.open_arrays(system)
    assert equal(first, tiny_arrays) and equal(second, tiny_arrays)
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in second.arrays)
    assert second.source == first.source == system.system[0]


def test_what_is_in_the_cache_outlives_the_folder_it_came_from(
    system: DatasetInfo, tiny_folder: Path, tiny_arrays: list[np.ndarray]
) -> None:
    sources.open_arrays(system)
    shutil.rmtree(tiny_folder)
    assert equal(sources.open_arrays(system), tiny_arrays)


@pytest.mark.parametrize("damage", ["flip", "cut", "record", "shape"])
def test_a_damaged_cache_is_noticed_and_made_again(
    system: DatasetInfo, tiny_arrays: list[np.ndarray], cache: Path, damage: str
) -> None:
    sources.open_arrays(system)
    path = cache / "tiny" / f"{system.files[0].name}.npy"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(0, 0))
    elif damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "shape":
        np.save(path, tiny_arrays[0].reshape(40, 4, 5))
    else:
        (cache / "tiny" / "decoded.json").write_text("{")
    assert equal(sources.open_arrays(system), tiny_arrays)
    assert path.read_bytes()[-1] == tiny_arrays[0].reshape(-1)[-1]


def test_a_copied_cache_is_checked_once_and_then_trusted(
    system: DatasetInfo, tiny_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.open_arrays(system)
    shutil.rmtree(tiny_folder)
    for path in (cache / "tiny").glob("*.npy"):
        os.utime(path, ns=(1, 1))
    assert sources.open_arrays(system).source == system.system[0]
    monkeypatch.setattr(idx, "digest", None)
    sources.open_arrays(system)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    system: DatasetInfo, tiny_arrays: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("PASSO_CACHE", str(tmp_path / "a-file"))
    assert equal(sources.open_arrays(system), tiny_arrays)
    with pytest.raises(DataError, match=r"cannot be kept in .*a-file: make that folder writable"):
        fetch("tiny")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(out: Any) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        cache_module.write_whole(path, full)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_many_at_once_leave_one_whole_cache(system: DatasetInfo, tiny_arrays: list[np.ndarray], cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sources.open_arrays(system), range(24)))
    assert all(equal(one, tiny_arrays) for one in found)
    names = sorted(path.name for path in (cache / "tiny").iterdir())
    assert names == sorted([f"{file.name}.npy" for file in system.files] + ["decoded.json"])
    assert json.loads((cache / "tiny" / "decoded.json").read_text())["sha256"] == system.digests


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("PASSO_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("PASSO_CACHE")
    assert cache_folder() == tmp_path / "passo"
    monkeypatch.delenv(variable)
    assert cache_folder() == Path.home() / ".cache" / "passo"


# ── Download ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_download_is_checked_kept_and_not_repeated(mirror: Any, tiny_arrays: list[np.ndarray], cache: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    found = fetch("tiny", progress=lambda *step: told.append(step))
    assert equal(found, tiny_arrays) and found.source == mirror.url
    assert sorted(mirror.asked) == sorted(mirror.served)
    assert (cache / "tiny" / mirror.asked[0][1:]).read_bytes() == mirror.served[mirror.asked[0]]
    assert [done for _, done, total in told if done == total] and len({name for name, *_ in told}) == 4
    fetch("tiny")
    assert len(mirror.asked) == 4


def test_a_wrong_digest_after_a_download_is_refused_and_the_file_is_not_kept(
    mirror: Any, tiny_arrays: list[np.ndarray], cache: Path
) -> None:
    wrong = idx.header(tiny_arrays[0]) + tiny_arrays[0][::-1].tobytes()
    path = "/train-images-idx3-ubyte.gz"
    mirror.served[path] = gzip.compress(wrong)
    with pytest.raises(DataCorrupt, match=r"train-images.* is not tiny's .*expected SHA-256 .* found"):
        load("tiny", allow_sample=True)  # wrong bytes are no reason to go on with others
    assert not list(cache.rglob("*"))


def test_a_download_of_more_than_a_file_can_be_is_cut_off(mirror: Any, cache: Path) -> None:
    mirror.served["/train-images-idx3-ubyte.gz"] = bytes(200_000)
    with pytest.raises(DataCorrupt, match="found more"):
        load("tiny")
    mirror.served["/train-images-idx3-ubyte.gz"] = gzip.compress(bytes(20_000_000))
    with pytest.raises(DataCorrupt, match="expected SHA-256"):
        load("tiny")
    assert not list(cache.rglob("*"))


def test_another_mirror_is_tried_and_a_file_that_is_there_is_not_fetched_again(
    mirror: Any, tiny_arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = DATASETS["tiny"]
    missing = mirror.url + "nothing/"
    monkeypatch.setitem(DATASETS._entries, "tiny", replace(entry, mirrors=(missing, mirror.url)))
    held_back = mirror.served.pop("/t10k-images-idx3-ubyte.gz")
    with pytest.raises(DataNotFound, match=r"nothing/: HTTP 404; http://127.*: HTTP 404"):
        load("tiny")
    mirror.served["/t10k-images-idx3-ubyte.gz"] = held_back
    before = len(mirror.asked)
    assert equal(fetch("tiny"), tiny_arrays)
    asked = [path for path in mirror.asked[before:] if not path.startswith("/nothing")]
    assert asked == ["/t10k-images-idx3-ubyte.gz", "/t10k-labels-idx1-ubyte.gz"]


def test_a_damaged_download_in_the_cache_is_fetched_again(
    mirror: Any, tiny_arrays: list[np.ndarray], cache: Path
) -> None:
    fetch("tiny")
    (cache / "tiny" / "decoded.json").unlink()
    (cache / "tiny" / "train-images-idx3-ubyte.gz").write_bytes(b"nothing")
    assert equal(fetch("tiny"), tiny_arrays)
    assert mirror.asked[4:] == ["/train-images-idx3-ubyte.gz"]


def test_a_damaged_download_that_cannot_be_fetched_again_is_said(
    mirror: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch("tiny")
    (cache / "tiny" / "decoded.json").unlink()
    (cache / "tiny" / "train-images-idx3-ubyte.gz").write_bytes(b"nothing")
    monkeypatch.setenv("PASSO_OFFLINE", "1")
    with pytest.raises(DataCorrupt, match="train-images"):
        load("tiny", allow_sample=True)


def test_an_answer_that_breaks_off_is_a_failure_and_nothing_is_kept(
    mirror: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        headers = {"Content-Length": "1000"}  # noqa: RUF012
        blocks = [b"\x1f\x8b", b""]  # noqa: RUF012

        def read(self, _: int) -> bytes:
            return self.blocks.pop(0) if self.blocks else b""

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(downloads, "open_url", lambda _: Broken())
    with pytest.raises(DataNotFound, match="2 of 1,000 bytes came"):
        load("tiny")
    assert not list(cache.rglob("*"))


def test_without_a_network_one_sentence_says_what_was_tried_and_what_to_do(
    mirror: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(DATASETS["tiny"], mirrors=("http://127.0.0.1:1/",), system=("/no/such/folder",))
    monkeypatch.setitem(DATASETS._entries, "tiny", nowhere)
    with pytest.raises(DataNotFound) as caught:
        load("tiny")
    sentence = str(caught.value)
    assert "\n" not in sentence
    for words in (str(cache), "/no/such/folder", "127.0.0.1:1", "refused", "apt install", "dataset.folder"):
        assert words in sentence, sentence
    assert "fashion-mnist-sample" in sentence and "--allow-sample" in sentence


def test_downloads_can_be_forbidden(mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_OFFLINE", "1")
    with pytest.raises(DataNotFound, match="forbidden by PASSO_OFFLINE"):
        load("tiny")
    assert mirror.asked == []


# ── Where ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_places_are_told_in_the_order_in_which_they_are_searched(
    system: DatasetInfo, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS._entries, "tiny", replace(system, mirrors=("http://127.0.0.1:1/",)))
    places = where("tiny", folder=tmp_path)
    assert [place.kind for place in places] == ["folder", "cache", "system", "download"]
    assert [place.found for place in places] == [True, False, True, None]
    load("tiny")
    assert where("tiny")[0].found


def test_the_sample_has_one_place_and_it_is_there() -> None:
    (place,) = where("fashion-mnist-sample")
    assert place.kind == "package" and place.found
    assert {place.dataset for place in where()} >= {"fashion-mnist", "mnist", "fashion-mnist-sample"}


def test_a_folder_the_user_names_comes_before_the_cache(system: DatasetInfo, tiny_folder: Path, tmp_path: Path) -> None:
    sources.open_arrays(system)
    shutil.copytree(tiny_folder, tmp_path / "given")
    assert sources.open_arrays(system, tmp_path / "given").source == str(tmp_path / "given")
