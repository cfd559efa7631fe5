"""Images that stay on the disk are the same data, in the same batches, as the same images in memory."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

import passo
from passo.cli.app import app
from passo.data import Augmentation, FileBatches, files, load, pictures
from passo.data.export import export
from passo.errors import ConfigError, DataCorrupt, DataError

HERE = ("here", "there")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"colour": False},
    {"size": [6, 5], "scale": "symmetric"},
    {"scale": "none", "classes": ["dog", "cat"], "validation": 3},
    {"per_class": 7, "imbalance": [2, 1, 1]},
    {"perturb": {"rotation": 25, "gaussian-noise": 0.1}},
    {"perturb": {"shift": 2}, "perturbed": "all", "seed": 3},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three unequal classes in colour, in two parts."""
    rng = np.random.default_rng(0)
    for part, sizes in (("train", (14, 9, 20)), ("test", (4, 3, 5))):
        for name, size in zip(("cat", "cow", "dog"), sizes, strict=True):
            (tmp_path / "pictures" / part / name).mkdir(parents=True)
            for k in range(size):
                pixels = rng.integers(0, 256 // (1 + k % 3), (9, 7, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pictures" / part / name / f"{k:02d}.png")
    return tmp_path / "pictures"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all images that are decoded in this process, in order."""
    names: list[str] = []
    for function in ("attempt", "decode"):  # when a folder is looked at, and when its images are used
        real = getattr(pictures, function)

        def noted(picture: pictures.Picture, *how: Any, real: Callable[..., Any] = real) -> Any:
            names.append(picture.name)
            return real(picture, *how)

        monkeypatch.setattr(files, function, noted)
    return names


def both(folder: Path, **options: Any) -> tuple[passo.Data, passo.Data]:
    return load("images", folder=folder, **options), load("images", folder=folder, in_memory=False, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_they_are_the_same_data(folder: Path, options: dict[str, Any]) -> None:
    here, there = both(folder, **options)
    assert there.classes == here.classes and there.counts == here.counts and there.in_shape == here.in_shape
    assert there.scaling == here.scaling and there.info.digests == here.info.digests
    told = {**there.facts(), "in_memory": None}
    assert told == {**here.facts(), "in_memory": None} and there.facts()["in_memory"] is False
    for part in ("train", "validation", "test"):
        mine, theirs = getattr(there, part), getattr(here, part)
        assert not mine.in_memory and theirs.in_memory and mine.shape == theirs.shape
        assert np.array_equal(mine.raw, theirs.raw) and np.array_equal(mine.targets, theirs.targets)
        assert torch.equal(mine.images, theirs.images) and torch.equal(mine.labels, theirs.labels)


def test_a_fifth_of_one_folder_is_the_same_fifth(folder: Path) -> None:
    here, there = both(folder / "train")
    assert there.info == here.info and there.source == here.source and "fifth" in there.source
    assert np.array_equal(there.test.raw, here.test.raw) and torch.equal(there.train.images, here.train.images)


def spoiled(folder: Path) -> list[str]:
    """Put odd files between the others, and one in colour where it is to be grey: their names, in order."""
    odd = {"train/cat/05x.png": b"", "train/cow/00.jpg": b"not an image", "test/dog/02x.png": b"\x89PNG\r\n\x1a\n"}
    for name, content in odd.items():
        (folder / name).write_bytes(content)
    return list(odd)


@pytest.mark.filterwarnings("ignore:.*skipped:UserWarning")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("below", ["", "train"])
def test_with_odd_files_both_are_the_data_of_the_folder_without_them(folder: Path, options: Any, below: str) -> None:
    here, there = both(folder / below, **options)
    names = [name.removeprefix(f"{below}/") for name in spoiled(folder) if name.startswith(below)]
    for again in (*both(folder / below, **options), load("images", folder=folder / below, in_memory=False, **options)):
        assert [name for name, _ in again.skipped] == names  # the last of the three from the cache
        assert dataclasses.replace(again.info, skipped=()) == here.info == there.info and again.source == here.source
        assert again.scaling == here.scaling and again.counts == here.counts
        for part in ("train", "validation", "test"):
            mine, theirs = getattr(again, part), getattr(here, part)
            assert np.array_equal(mine.raw, theirs.raw) and np.array_equal(mine.targets, theirs.targets)


@pytest.mark.filterwarnings("ignore:.*skipped:UserWarning")
def test_colour_of_an_odd_file_is_not_the_folders(tmp_path: Path) -> None:
    grey = tmp_path / "grey"
    for k, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (12, 9, 7), dtype=np.uint8)):
        (grey / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(grey / "ab"[k % 2] / f"{k:02d}.png")
    whole = both(grey)
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 70, 3), dtype=np.uint8)).save(out, "PNG")
    (grey / "a" / "00cut.png").write_bytes(out.getvalue()[:5000])  # its header says colour, and another size
    for first, again in zip(whole, both(grey), strict=True):
        assert again.in_shape == first.in_shape == (1, 9, 7) and len(again.skipped) == 1
        assert np.array_equal(again.train.raw, first.train.raw) and np.array_equal(again.test.raw, first.test.raw)
        assert again.info.digests == first.info.digests


def ways(data: passo.Data) -> dict[str, Callable[[], dict[str, Any]]]:
    """Options of batches, made anew for each pass: a generator remembers."""
    augment = Augmentation({"shift": 1, "salt-and-pepper": 0.2}, data.scaling, seed=4)
    return {
        "shuffle": lambda: {"generator": torch.Generator().manual_seed(3)},
        "global generator": dict,
        "balanced": lambda: {"weights": "balanced", "generator": torch.Generator().manual_seed(3)},
        "in order": lambda: {"shuffle": False},
        "drop last": lambda: {"drop_last": True, "generator": torch.Generator().manual_seed(5)},
        "augmented": lambda: {"augment": augment, "generator": torch.Generator().manual_seed(3)},
    }


WAYS = ["shuffle", "global generator", "balanced", "in order", "drop last", "augmented"]


def passes(batches: Any, how: dict[str, Any]) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Two passes, and the state in which they leave the generator that they draw from."""
    torch.manual_seed(8)
    found = [pair for _ in range(2) for pair in batches]
    own = how.get("generator")
    return found, torch.get_rng_state() if own is None else own.get_state()


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_batches_are_those_in_memory_bit_for_bit_whoever_reads(folder: Path, way: str, workers: int) -> None:
    here, there = both(folder)
    how, same = ways(here)[way](), ways(there)[way]()
    expected, ends = passes(passo.Batches(here.train.images, here.train.labels, 8, **how), how)
    batches = there.train.batches(8, num_workers=workers, **same)
    assert isinstance(batches, FileBatches)
    found, leaves = passes(batches, same)
    batches.close()
    assert len(found) == len(expected) == 2 * len(batches)
    for (x, y), (u, v) in zip(found, expected, strict=True):
        assert torch.equal(x, u) and torch.equal(y, v) and x.stride() == u.stride() and x.dtype == u.dtype
    assert torch.equal(leaves, ends)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_perturbed_part_is_the_same_whoever_reads(folder: Path, workers: int) -> None:
    here, there = both(folder, perturb={"rotation": 30, "occlusion": 0.4, "gaussian-noise": 0.2})
    batches = there.test.batches(5, shuffle=False, num_workers=workers)
    assert torch.equal(torch.cat([x for x, _ in batches]), here.test.images)


def test_a_big_batch_is_read_in_pieces_and_is_one_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passo.data.reading._IMAGES", 4)
    here, there = both(folder)
    (x, y), *rest = list(there.train.batches(len(there.train), shuffle=False, num_workers=2))
    assert torch.equal(x, here.train.images) and torch.equal(y, here.train.labels) and not rest


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_pass_that_begins_in_the_middle_is_the_rest_of_the_pass(folder: Path, way: str, workers: int) -> None:
    data = load("images", folder=folder, in_memory=False)
    for taken in (1, 3, len(data.train) // 8):
        torch.manual_seed(8)
        whole = list(data.train.batches(8, **ways(data)[way]()))
        torch.manual_seed(8)
        batches = data.train.batches(8, num_workers=workers, **ways(data)[way]())
        assert isinstance(batches, FileBatches)
        rest = list(batches.after(taken))
        batches.close()
        assert len(rest) == len(whole) - taken
        for (x, y), (u, v) in zip(rest, whole[taken:], strict=True):
            assert torch.equal(x, u) and torch.equal(y, v)


def test_images_that_are_passed_over_are_not_decoded(folder: Path, decoded: list[str]) -> None:
    data = load("images", folder=folder, in_memory=False)
    batches = data.train.batches(8, generator=torch.Generator().manual_seed(0))
    assert isinstance(batches, FileBatches)
    decoded.clear()
    rest = batches.after(len(batches) - 1)
    assert decoded == []
    ((x, _),) = rest
    assert len(decoded) == len(x) == len(data.train) % 8


def test_the_folder_is_looked_at_once_and_again_when_a_file_changes(folder: Path, decoded: list[str]) -> None:
    first = load("images", folder=folder, in_memory=False)
    assert len(decoded) == len(set(decoded)) == 55
    decoded.clear()
    assert load("images", folder=folder, in_memory=False).info == first.info
    assert load("images", folder=folder, in_memory=False, seed=5, per_class=3).scaling != first.scaling
    assert decoded == []
    changed = folder / "train" / "cat" / "03.png"
    Image.fromarray(np.full((9, 7, 3), 200, np.uint8)).save(changed)
    os.utime(changed, (1, 1))
    again, here = load("images", folder=folder, in_memory=False), load("images", folder=folder)
    assert again.info.digests == here.info.digests != first.info.digests and again.scaling == here.scaling


def test_a_cache_that_is_damaged_or_cannot_be_written_costs_time_alone(
    folder: Path, cache: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load("images", folder=folder, in_memory=False)
    (kept,) = (cache / "images").glob("*.npz")
    for damaged in (b"", b"nothing", kept.read_bytes()[:200]):
        kept.write_bytes(damaged)
        decoded.clear()
        assert load("images", folder=folder, in_memory=False).info == first.info and decoded
    (cache / "file").write_text("")
    monkeypatch.setenv("PASSO_CACHE", str(cache / "file"))
    assert load("images", folder=folder, in_memory=False).info == first.info


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_meanwhile_is_named_in_one_sentence(folder: Path, workers: int) -> None:
    data = load("images", folder=folder, in_memory=False, validation=None)
    broken = folder / "train" / "dog" / "11.png"
    for content, wrong in ((b"not an image", "not an image in a known format"), (None, "No such file")):
        broken.unlink() if content is None else broken.write_bytes(content)
        batches = data.train.batches(8, num_workers=workers)
        with pytest.raises(DataCorrupt, match=rf"cannot read .*11\.png: .*{wrong}") as caught:
            list(batches)
        assert "\n" not in str(caught.value) and "worker" not in str(caught.value)
    Image.fromarray(np.zeros((3, 7, 3), np.uint8)).save(broken)
    with pytest.raises(DataError, match=r"11\.png has 7 × 3 pixels, the first of them has 7 × 9"):
        list(data.train.batches(8))


def children() -> set[int]:
    """Processes whose parent is this one, except those that have ended and wait to be counted."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(path.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")


@needs_proc
def test_processes_stay_from_pass_to_pass_and_go_when_closed_or_left(folder: Path) -> None:
    data = load("images", folder=folder, in_memory=False)
    before = children()
    batches = data.train.batches(8, num_workers=2)
    assert isinstance(batches, FileBatches)
    list(batches)
    working = children() - before
    list(batches)
    assert len(working) == 2 and children() - before == working
    batches.close()
    assert children() == before
    for _ in batches:
        break
    assert children() == before  # the pass was left
    held = iter(batches)
    next(held)
    batches.close()
    assert children() == before  # … or is held by somebody, as an exception's traceback does
    list(batches.after(0))
    batches.close()


@needs_proc
def test_a_pass_that_failed_leaves_no_process_though_its_traceback_is_held(folder: Path) -> None:
    data = load("images", folder=folder, in_memory=False, validation=None)
    (folder / "train" / "dog" / "11.png").write_bytes(b"")
    before = children()
    with pytest.raises(DataCorrupt) as caught:
        list(data.train.batches(2, num_workers=2))
    assert children() == before and caught.tb is not None


@needs_proc
@pytest.mark.parametrize("end", ["pass", "raise SystemExit", "del passed; cycle = [batches]; cycle.append(cycle)"])
def test_a_script_that_ends_in_the_middle_of_a_pass_ends(folder: Path, end: str) -> None:
    script = f"""
import os, passo
batches = passo.load({str(folder)!r}, in_memory=False).train.batches(2, num_workers=2)
passed = iter(batches)
next(passed)
print(os.getpid(), flush=True)
{end}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if _has(path, f"PASSO_CACHE={folder.parent}")]


def _has(path: Path, words: str) -> bool:
    try:
        return words.encode() in path.read_bytes()
    except OSError:
        return False


@needs_proc
def test_two_passes_at_a_time_do_not_disturb_each_other(folder: Path) -> None:
    here, there = both(folder)
    batches = there.train.batches(8, shuffle=False, num_workers=1)
    pairs = list(zip(batches, batches, strict=True))
    assert torch.equal(torch.cat([x for (x, _), _ in pairs]), here.train.images)
    assert torch.equal(torch.cat([x for _, (x, _) in pairs]), here.train.images)


@needs_proc
def test_a_killed_process_is_said_in_one_sentence(folder: Path) -> None:
    data = load("images", folder=folder, in_memory=False)
    before = children()
    batches = data.train.batches(2, num_workers=1)
    with pytest.raises(DataError, match=r"a process that reads images ended by force .* fewer num_workers"):
        for number, _ in enumerate(batches):
            if number == 1:
                (worker,) = children() - before
                _kill(worker)
    assert children() == before


def _kill(process: int) -> None:
    """Kill, and give torch's own handler the time to say so, as it may in any line of Python."""
    try:
        os.kill(process, signal.SIGKILL)
        for _ in range(1000):
            os.sched_yield()
    except RuntimeError as error:
        from passo.data.reading import ended

        raise ended(error) or error from None


@needs_proc
def test_processes_that_read_are_deaf_to_ctrl_c(folder: Path) -> None:
    data = load("images", folder=folder, in_memory=False)
    before = children()
    batches = data.train.batches(2, num_workers=2, shuffle=False)
    seen = []
    for number, (x, _) in enumerate(batches):
        seen.append(x)
        if number == 1:
            for worker in children() - before:
                for name in ("-INT", "-TERM"):  # from somebody else, as a terminal or a batch system
                    subprocess.run(["kill", name, str(worker)], check=True)
    assert torch.equal(torch.cat(seen), data.train.images)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()  # this process still hears


def test_what_reads_can_be_sent_to_a_process_that_was_not_forked(folder: Path) -> None:
    here, there = both(folder, perturb={"shift": 1})
    reader = pickle.loads(pickle.dumps(there.test.files()))
    pixels = reader[torch.tensor([2, 0])]
    assert torch.equal(pixels, torch.from_numpy(here.test.raw[[2, 0]]))
    many = len(pickle.dumps(there.train.files()))
    assert many < 300 * len(there.train)


@pytest.mark.slow
def test_a_spawned_process_reads_the_same(folder: Path) -> None:
    here, there = both(folder, perturb={"shift": 1})
    batches = FileBatches(there.test, 5, shuffle=False, num_workers=1, start_method="spawn")
    assert torch.equal(torch.cat([x for x, _ in batches]), here.test.images)
    batches.close()


def test_what_cannot_be_is_refused_in_one_sentence(folder: Path) -> None:
    data = load("images", folder=folder, in_memory=False)
    for wrong in (-1, 1.5, True, "two"):
        with pytest.raises(ConfigError, match="num_workers must be a whole number ≥ 0"):
            data.train.batches(8, num_workers=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="batch_size must be"):
        data.train.batches(0)
    with pytest.raises(ConfigError, match="num_workers=2 are for images that stay on the disk"):
        load("fashion-mnist-sample").train.batches(8, num_workers=2)
    with pytest.raises(ConfigError, match="take Batches"):
        FileBatches(load("fashion-mnist-sample").train, 8)
    with pytest.raises(ConfigError, match="in_memory is an option of images"):
        load("fashion-mnist-sample", in_memory=False)
    with pytest.raises(ConfigError, match="in_memory must be true or false"):
        load("images", folder=folder, in_memory="no")  # type: ignore[arg-type]


def test_a_path_is_a_name(folder: Path) -> None:
    assert load(str(folder)).info == load("images", folder=folder).info
    assert load(str(folder), in_memory=False).train.in_memory is False


def test_what_is_exported_is_the_same(folder: Path, tmp_path: Path) -> None:
    for name, options in (("here", {}), ("there", {"in_memory": False})):
        export(str(folder), tmp_path / name, {"perturb": {"shift": 1}, **options})
    found = [sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*.*")) for name in HERE]
    assert found[0] == found[1] and len(found[0]) > 55
    for path in found[0]:
        if path.name != "manifest.json":
            assert (tmp_path / "here" / path).read_bytes() == (tmp_path / "there" / path).read_bytes()
    digests = [json.loads((tmp_path / name / "manifest.json").read_text())["files"] for name in HERE]
    assert digests[0] == digests[1]


def test_the_command_line_tells_of_a_folder(folder: Path) -> None:
    entry = load(str(folder)).info
    shown = CliRunner().invoke(app, ["data", "info", str(folder)])
    assert shown.exit_code == 0 and "cat, cow, dog" in shown.output and "43 training, 12 test" in shown.output
    assert entry.digests["train-images"][:20] in shown.output
    smaller = CliRunner().invoke(app, ["data", "info", str(folder), "size=5", "colour=false"])
    assert "shape (1, 5, 5)" in smaller.output
    assert CliRunner().invoke(app, ["data", "info", "mnist"]).exit_code == 0
    refused = CliRunner().invoke(app, ["data", "info", "mnist", "size=5"])
    assert isinstance(refused.exception, ConfigError)


def test_all_of_too_many_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BYTES", 10 * 9 * 7 * 3)
    data = load("images", folder=folder, in_memory=False, validation=None)
    with pytest.raises(DataError, match="43 images do not fit in memory: take batches"):
        _ = data.train.raw
    assert len(list(data.train.batches(8))) == 6
