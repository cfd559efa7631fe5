"""Scikit-learn's digits: 1,797 handwritten digits of 8 × 8 pixels in 17 greys, where scikit-learn is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.data.described import DatasetInfo, measured
from passo.data.sampling import held_out
from passo.errors import MissingExtra


def open_digits(entry: DatasetInfo) -> tuple[DatasetInfo, tuple[np.ndarray, ...], str]:
    """The entry with its digests, the four arrays, and where they are from; a fifth is the test part, always the same.

    The greys 0..16 become pixels 0..255, v·255/16 rounded: (N, 8, 8) uint8.
    """
    try:
        import sklearn
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            "the digits are a part of scikit-learn, which is not installed: pip install scikit-learn"
        ) from missing
    found: Any = load_digits()
    images = np.rint(np.asarray(found.images) * (255 / 16)).astype(np.uint8)
    labels = np.asarray(found.target).astype(np.uint8)
    rest, part = held_out(labels)
    arrays = (images[rest], labels[rest], images[part], labels[part])
    return measured(entry, arrays), arrays, f"scikit-learn {sklearn.__version__}"
