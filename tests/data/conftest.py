"""A small data set of its own, a cache of its own, and no network, for every test of the data room."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from passo.data import idx
from passo.data.entries import DATASETS, DatasetInfo, FileInfo

FULL = Path("/usr/share/datasets/fashion-mnist")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("full_data") and not FULL.is_dir():
            item.add_marker(pytest.mark.skip(reason="Debian's package dataset-fashion-mnist is not installed"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PASSO_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def tiny_arrays() -> list[np.ndarray]:
    """40 training and 12 test images of 5 × 4 pixels, in 4 unequal classes."""
    rng = np.random.default_rng(0)
    train = np.array([0] * 20 + [1] * 10 + [2] * 6 + [3] * 4, np.uint8)
    test = np.array([0, 1, 2, 3] * 3, np.uint8)
    images = [rng.integers(0, 256, (n, 5, 4), dtype=np.uint8) for n in (40, 12)]
    return [images[0], rng.permutation(train), images[1], test]


@pytest.fixture
def tiny(tiny_arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> DatasetInfo:
    """A data set in the catalogue that is on no machine."""
    names = [file.name for file in DATASETS["mnist"].files]
    pairs = zip(names, tiny_arrays, strict=True)
    files = tuple(FileInfo(name, array.shape, idx.digest(array)) for name, array in pairs)
    entry = replace(
        DATASETS["mnist"],
        name="tiny",
        files=files,
        classes=tuple("abcd"),
        mirrors=(),
        torchvision="Tiny",
        sample="fashion-mnist-sample",
        install="sudo apt install tiny",
    )
    monkeypatch.setitem(DATASETS._entries, "tiny", entry)
    return entry


@pytest.fixture
def tiny_folder(tiny: DatasetInfo, tiny_arrays: list[np.ndarray], tmp_path: Path) -> Path:
    """A folder that holds the small set, two files compressed and two plain."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file, array, suffix in zip(tiny.files, tiny_arrays, (".gz", "", "", ".gz"), strict=True):
        idx.write(folder / f"{file.name}{suffix}", array)
    return folder


@pytest.fixture
def system(tiny: DatasetInfo, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetInfo:
    """The small set, installed in a system folder."""
    entry = replace(tiny, system=(str(tiny_folder),))
    monkeypatch.setitem(DATASETS._entries, "tiny", entry)
    return entry


class Mirror:
    """A web server on this machine; `served` is path → bytes, `asked` the paths in the order of the requests."""

    def __init__(self) -> None:
        self.served: dict[str, bytes] = {}
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                body = mirror.served.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirror(tiny: DatasetInfo, tiny_arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror that serves the small set, and the only place that has it."""
    monkeypatch.delenv("PASSO_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    web = Mirror()
    for file, array in zip(tiny.files, tiny_arrays, strict=True):
        web.served[f"/{file.name}.gz"] = gzip.compress(idx.header(array) + array.tobytes())
    monkeypatch.setitem(DATASETS._entries, "tiny", replace(tiny, mirrors=(web.url,)))
    yield web
    web.close()
