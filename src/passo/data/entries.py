"""The data sets that passo knows: what they are, who made them, and the digests of their files.

Standard library only, so that `passo data list` answers at once. Every digest is the SHA-256 of a file's
*uncompressed* idx bytes: compressed copies differ from one distributor to the next, their contents do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from passo.registry import Registry

HEADER = 4  # bytes of an idx file before its sizes: two zeros, the type of the items, the number of axes
APT = "sudo apt install dataset-fashion-mnist"


@dataclass(frozen=True)
class FileInfo:
    """One idx file of a data set: its name without `.gz`, its array's shape, its digest."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of the uncompressed file: header, four bytes for each axis, one for each item."""
        return HEADER + 4 * len(self.shape) + math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is known about a data set before a byte of it is read.

    `files` are the training images, training labels, test images and test labels, in this order.
    `torchvision` is the folder in which torchvision keeps the set; `packaged` the folder inside passo, for an
    embedded one.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    licence: str
    homepage: str
    files: tuple[FileInfo, FileInfo, FileInfo, FileInfo]
    mirrors: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    torchvision: str | None = None
    packaged: Path | None = None
    sample: str | None = None
    install: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Images in the training and in the test part."""
        return {"train": self.files[0].shape[0], "test": self.files[2].shape[0]}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (1, *self.files[0].shape[1:])  # type: ignore[return-value]

    @property
    def digests(self) -> dict[str, str]:
        """File name → SHA-256 of its uncompressed bytes."""
        return {file.name: file.sha256 for file in self.files}


def _files(train: int, test: int, *digests: str) -> tuple[FileInfo, FileInfo, FileInfo, FileInfo]:
    a, b, c, d = digests
    return (
        FileInfo("train-images-idx3-ubyte", (train, 28, 28), a),
        FileInfo("train-labels-idx1-ubyte", (train,), b),
        FileInfo("t10k-images-idx3-ubyte", (test, 28, 28), c),
        FileInfo("t10k-labels-idx1-ubyte", (test,), d),
    )


CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

FASHION_MNIST = DatasetInfo(
    name="fashion-mnist",
    title="Fashion-MNIST: articles of clothing, 28 × 28, grey (Xiao, Rasul and Vollgraf, 2017)",
    classes=CLOTHES,
    licence="MIT, Copyright 2017 Zalando SE",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    files=_files(
        60_000,
        10_000,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    system=("/usr/share/datasets/fashion-mnist",),
    torchvision="FashionMNIST",
    sample="fashion-mnist-sample",
    install=APT,
)

MNIST = DatasetInfo(
    name="mnist",
    title="MNIST: handwritten digits, 28 × 28, grey (LeCun, Cortes and Burges, 1998)",
    classes=tuple("0123456789"),
    licence="none stated by its authors; redistributed widely as CC BY-SA 3.0",
    homepage="http://yann.lecun.com/exdb/mnist/",
    files=_files(
        60_000,
        10_000,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    torchvision="MNIST",
)

SAMPLE = DatasetInfo(
    name="fashion-mnist-sample",
    title="The first 300 training and 100 test images of each class of Fashion-MNIST; real, embedded",
    classes=CLOTHES,
    licence=FASHION_MNIST.licence,
    homepage=FASHION_MNIST.homepage,
    files=_files(
        3_000,
        1_000,
        "ee31c1e1edb79ee04ce6a320d9e6e856628d3ea2b7aaa437891f46fdbdec9f93",
        "a7901365666c760d2e5bd01b5bdc91c00e64ca459c33d7a48aed2aaee7486060",
        "7cee33c3c6414b1b86c25e665a6c4f41584269de3b7cc9768b1d351922845eef",
        "3128d790775889812b73c4f13923559c8b9e281d112c6ea7862acf60a206a909",
    ),
    packaged=Path(__file__).parent.parent / "samples" / "fashion-mnist-sample",
)

DATASETS: Registry[DatasetInfo] = Registry("data set")
for _info in (FASHION_MNIST, MNIST, SAMPLE):
    DATASETS.add(_info.name, _info)


def info(name: str) -> DatasetInfo:
    """What is known about a data set; raises `UnknownName` with the nearest name and the list.

    >>> info("fashion-mnist").counts
    {'train': 60000, 'test': 10000}
    """
    return DATASETS[name]


def catalogue() -> tuple[DatasetInfo, ...]:
    """Every data set that passo knows, by name.

    >>> [entry.name for entry in catalogue()]
    ['fashion-mnist', 'fashion-mnist-sample', 'mnist']
    """
    return tuple(DATASETS[name] for name in DATASETS)
