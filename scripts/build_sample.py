"""Rebuild `fashion-mnist-sample`, the embedded real sample, from the full Fashion-MNIST.

The rule: of each class the first 300 training and the first 100 test images in file order, kept in file
order. No randomness, no dates and no names in the files, so that every run writes the same bytes (the
compressed bytes are those of the common zlib; another deflate library may pack the same contents otherwise).

    python scripts/build_sample.py                        rebuild in place
    python scripts/build_sample.py --folder F --out O     from the full set in F, into O
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from passo.data import idx
from passo.data.datasets import load
from passo.data.entries import SAMPLE

PER_CLASS = {"train": 300, "test": 100}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of the first `count` items of each class, in file order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]))


def build(out: Path, folder: Path | None = None) -> dict[str, str]:
    """Write the four files into `out`; returns file name → SHA-256 of the uncompressed bytes."""
    full = load("fashion-mnist", folder=folder, validation=None)
    arrays = []
    for part, split in (("train", full.train), ("test", full.test)):
        labels = split.targets
        chosen = first_of_each_class(labels, PER_CLASS[part])
        arrays += [split.raw[chosen], labels[chosen]]
    out.mkdir(parents=True, exist_ok=True)
    for file, array in zip(SAMPLE.files, arrays, strict=True):
        idx.write(out / f"{file.name}.gz", array)
    return {file.name: idx.digest(array) for file, array in zip(SAMPLE.files, arrays, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a folder with the full Fashion-MNIST")
    parser.add_argument("--out", type=Path, default=SAMPLE.packaged, help="where to write")
    arguments = parser.parse_args()
    for name, sha256 in build(arguments.out, arguments.folder).items():
        print(f"{sha256}  {name}")


if __name__ == "__main__":
    main()
