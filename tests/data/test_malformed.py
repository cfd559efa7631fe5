"""Two thousand damaged files of each format: a right answer or passo's own error, never a traceback, never a hang."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from passo.data import cifar, idx, load
from passo.data.archives import members
from passo.data.pictures import Picture, decode
from passo.errors import ConfigError, DataError

MANY = settings(
    max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
pytestmark = pytest.mark.slow
ARRAY = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
PLAIN = idx.header(ARRAY) + ARRAY.tobytes()
RECORDS = np.random.default_rng(1).integers(0, 10, (3, 3073), dtype=np.uint8).tobytes()
TABLE = b"height,weight,kind\n" + b"".join(b"%d.5,%d,%s\n" % (n, n * n, b"ab"[n % 2 :][:1]) for n in range(12))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one", b"1" * 500)
        archive.writestr("a/two", bytes(range(200)))
    return out.getvalue()


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 11, 3), dtype=np.uint8)).save(out, kind)
    return out.getvalue()


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """One of these files with bytes changed, cut out, put in, or cut off."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["change", "cut", "insert", "end"])):
            case "change":
                content[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del content[place : place + draw(st.integers(1, 20))]
            case "insert":
                content[place:place] = draw(st.binary(max_size=20))
            case "end":
                del content[place:]
    return bytes(content)


def sentence(error: Exception) -> None:
    assert "\n" not in str(error) and len(str(error)) < 1000


@MANY
@given(damaged([PLAIN, gzip.compress(PLAIN)]))
def test_idx(content: bytes) -> None:
    try:
        found = idx.parse(idx.unpack(content, "it"), "it")
    except DataError as error:
        sentence(error)
    else:
        assert found.nbytes <= 10 * len(content) + 1000


@MANY
@given(damaged([RECORDS]))
def test_cifar(content: bytes) -> None:
    try:
        images, labels = cifar.parse(content, "it")
    except DataError as error:
        sentence(error)
    else:
        assert len(images) == len(labels) == len(content) // 3073 and labels.max() <= 9


@MANY
@given(damaged([zipped()]))
def test_zips(content: bytes) -> None:
    try:
        found = list(members(io.BytesIO(content), "it", 5000))
    except DataError as error:
        sentence(error)
    else:
        assert sum(len(data) for _, data in found) <= 5000


@MANY
@given(damaged([picture(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")]))
def test_pictures(content: bytes) -> None:
    try:
        found = decode(Picture("it", 0, lambda: content), (8, 9), colour=True)
    except DataError as error:
        sentence(error)
    else:
        assert found.shape == (3, 8, 9) and found.dtype == np.uint8


@MANY
@given(damaged([TABLE]))
def test_tables(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    try:
        data = load("csv", folder=tmp_path / "t.csv", validation=None)
    except (DataError, ConfigError) as error:
        sentence(error)
    else:
        assert np.isfinite(data.train.raw).all()
