"""The data sets that passo knows: what they are, who made them, and the digests of their files.

Standard library only, so that `passo data list` answers at once.
"""

from __future__ import annotations

from pathlib import Path

from passo.data.described import Archive, DatasetInfo, FileInfo
from passo.language import later
from passo.registry import Registry

__all__ = ["DATASETS", "Archive", "DatasetInfo", "FileInfo", "catalogue", "info"]

APT = "sudo apt install dataset-fashion-mnist"


def _files(train: int, test: int, *digests: str) -> tuple[FileInfo, ...]:
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
    title=later("Fashion-MNIST: articles of clothing, 28 × 28, grey (Xiao, Rasul and Vollgraf, 2017)"),
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
    title=later("MNIST: handwritten digits, 28 × 28, grey (LeCun, Cortes and Burges, 1998)"),
    classes=tuple("0123456789"),
    licence=later("none stated by its authors; redistributed widely as CC BY-SA 3.0"),
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
    title=later("The first 300 training and 100 test images of each class of Fashion-MNIST; real, embedded"),
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

_PACKED = (  # of the compressed files, which are the same wherever they are listed (torchvision, torchvision for Ruby)
    "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
)
KMNIST = DatasetInfo(
    name="kmnist",
    title=later("Kuzushiji-MNIST: ten cursive Japanese characters, 28 × 28, grey (Clanuwat et al., 2018)"),
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    licence="CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities",
    homepage="http://codh.rois.ac.jp/kmnist/",
    files=tuple(
        FileInfo(file.name, file.shape, None, digest) for file, digest in zip(MNIST.files, _PACKED, strict=True)
    ),
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    torchvision="KMNIST",
)

CIFAR_10 = DatasetInfo(
    name="cifar-10",
    title=later("CIFAR-10: photographs of ten kinds of things, 32 × 32, colour (Krizhevsky, 2009)"),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    licence=later("none stated by its authors, who ask to be cited"),
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    kind="cifar",
    files=(
        FileInfo("train-images", (50_000, 3, 32, 32), None),
        FileInfo("train-labels", (50_000,), None),
        FileInfo("test-images", (10_000, 3, 32, 32), None),
        FileInfo("test-labels", (10_000,), None),
    ),
    archives=(
        Archive(  # its MD5 on the home page is c32a1d4ab5d03f1284b67883e8d87530
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ("https://www.cs.toronto.edu/~kriz/",),
        ),
    ),
)

_ROCK = ("https://storage.googleapis.com/download.tensorflow.org/data/",)
ROCK_PAPER_SCISSORS = DatasetInfo(
    name="rock-paper-scissors",
    title=later("Rock, paper, scissors: rendered hands, colour, resized to 28 × 28 (Moroney, 2019)"),
    classes=("paper", "rock", "scissors"),
    licence="CC BY 2.0, Laurence Moroney",
    homepage="https://laurencemoroney.com/datasets.html",
    kind="zips",
    files=(
        FileInfo("train-images", (2_520, 3, 28, 28), None),
        FileInfo("train-labels", (2_520,), None),
        FileInfo("test-images", (372, 3, 28, 28), None),
        FileInfo("test-labels", (372,), None),
    ),
    archives=(  # digests: tensorflow_datasets, url_checksums/rock_paper_scissors.txt
        Archive("rps.zip", 200_682_221, "c2403444395842ad04c53612bad54b574443eae17a0723117a2ff87b9d72194f", _ROCK),
        Archive(
            "rps-test-set.zip", 29_516_758, "c27ab9fa43ce40b2e453de711365b477f4424586edf0388116674fd320f07503", _ROCK
        ),
    ),
)

DIGITS = DatasetInfo(
    name="digits",
    title=later("Scikit-learn's digits: handwritten, 8 × 8, grey (Alpaydin and Kaynak, 1998); needs scikit-learn"),
    classes=tuple("0123456789"),
    licence="CC BY 4.0 (UCI Machine Learning Repository)",
    homepage="https://archive.ics.uci.edu/dataset/80",
    kind="digits",
    files=(
        FileInfo("train-images", (1_438, 8, 8), None),
        FileInfo("train-labels", (1_438,), None),
        FileInfo("test-images", (359, 8, 8), None),
        FileInfo("test-labels", (359,), None),
    ),
)

IMAGES = DatasetInfo(
    name="images",
    title=later("Your own images: a folder (dataset.folder=DIR), one subfolder a class"),
    classes=(),
    licence=later("yours to say"),
    homepage="",
    kind="images",
    files=(),
)

CSV = DatasetInfo(
    name="csv",
    title=later("Your own table: a CSV file (dataset.folder=FILE), one column predicted from the others"),
    classes=(),
    licence=later("yours to say"),
    homepage="",
    kind="csv",
    files=(),
)

DATASETS: Registry[DatasetInfo] = Registry("data set")
for _info in (FASHION_MNIST, MNIST, SAMPLE, KMNIST, CIFAR_10, ROCK_PAPER_SCISSORS, DIGITS, IMAGES, CSV):
    DATASETS.add(_info.name, _info)


def info(name: str) -> DatasetInfo:
    """What is known about a data set; raises `UnknownName` with the nearest name and the list.

    >>> info("fashion-mnist").counts
    {'train': 60000, 'test': 10000}
    """
    return DATASETS[name]


def catalogue() -> tuple[DatasetInfo, ...]:
    """Every data set that passo knows, by name.

    >>> [entry.name for entry in catalogue() if entry.kind == "idx"]
    ['fashion-mnist', 'fashion-mnist-sample', 'kmnist', 'mnist']
    """
    return tuple(DATASETS[name] for name in DATASETS)
