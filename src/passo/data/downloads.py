"""Get a file from a mirror: in time, whole, and no larger than it may be."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from passo.data.idx import AGAIN
from passo.errors import DataCorrupt

TIMEOUT = 10.0  # seconds without an answer until the next mirror is tried
Progress = Callable[[str, int, int | None], None]  # (file name, bytes so far, bytes in all where known)


def check_packed(packed: bytes, sha256: str, name: str) -> None:
    """Raise `DataCorrupt` unless a file, as its distributor gives it, has this digest."""
    if (found := hashlib.sha256(packed).hexdigest()) != sha256:
        raise DataCorrupt(f"{name}: expected SHA-256 {sha256}, found {found}; {AGAIN}")


def get(url: str, name: str, limit: int, progress: Progress | None = None) -> bytes:
    """The bytes at a URL; raises `OSError` or `HTTPException` where they do not come, whole and in time.

    `limit` is how many they may be; `name` is what `progress` is told.
    """
    with open_url(url) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        data = bytearray()
        while block := answer.read(1 << 16):
            data += block
            if len(data) > limit:
                raise DataCorrupt(f"{url}: expected at most {limit:,} bytes, found more; {AGAIN}")
            if progress is not None:
                progress(name, len(data), total)
    if total is not None and len(data) < total:
        raise OSError(f"{len(data):,} of {total:,} bytes came")
    return bytes(data)


def open_url(url: str) -> Any:
    """Open a URL with a short timeout and passo's own name."""
    request = urllib.request.Request(url, headers={"User-Agent": "passo"})
    return urllib.request.urlopen(request, timeout=TIMEOUT)


def reason(error: Exception) -> str:
    """Why something did not come, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None) or error
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).lower()
