"""A made-up study of two models in the shape of `nn-vs-cnn`, of which the truth is known; in about a second, no torch.

What is true of it, for whoever reads it back (m is the place of a model in the pair, 0 or 1; s the seed):

    accuracy over n images per class    0.55 + 0.13·log₁₀(n·FEWER^m / 30): the second needs FEWER times fewer images
    recall of class c                   accuracy + CLASS[c]; under imbalance less LOSS[m]·log₁₀(1/share of c), of which
                                        a remedy gives back REMEDY; what is wrong is taken for CONFUSED[c]
    training loss of `small`            END[m] + 2·exp(−t/TAU[m]), averaged over each epoch
    validation loss of `validated`      that + 0.1, and from epoch KNEE[m] on 0.04 more with each epoch
    of `explored`                       EFFECT[choice] more accuracy for the first setting, nothing for the second

Accuracies are shares of 400 test images, so that probabilities and scalars agree; seeds move both models together.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from passo.store import RunWriter, Store, StoredStudy, open_study

LABELS = ("mlp", "cnn")
CLASSES = ("top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
IMAGES = 40  # test images of each class
EVERYTHING = 6000  # training images of each class that "all" are
BASE = 300
FEWER = 4.0
CLASS = (-0.05, 0.08, -0.08, 0.0, -0.06, 0.05, -0.12, 0.04, 0.08, 0.06)
CONFUSED = (6, 3, 4, 1, 2, 7, 0, 9, 0, 7)
LOSS, REMEDY = (0.20, 0.10), {"unbalanced": 0.0, "resampled": 0.5, "weighted": 0.5}
END, TAU, KNEE = (0.30, 0.10), (4.0, 2.0), (6.0, 4.0)
PATIENCE = 5
LASTING = {"small": 30, "validated": 40}  # epochs that were asked for; 3 of all others
SIZES = (30, 100, 1000)
EFFECT = {
    "kernel size": 0.05,
    "activation": 0.02,
    "parameters": 0.06,
    "layers": 0.03,
    "units and filters": 0.04,
    "normalisation": 0.05,
    "regularisation": 0.02,
    "initialisation": 0.0,
    "batch size": 0.03,
    "learning rate": 0.08,
    "optimiser": 0.06,
}
ONLY_SECOND = ("kernel size",)
PERTURBED = ("scale", "shift", "rotation", "salt-and-pepper", "gaussian-noise", "occlusion")
PARTS = ("small", "sizes", "robustness", "imbalance", "classes", "exploration")


@dataclass(frozen=True)
class Made:
    """One configuration for both models: what the study's facts tell of it, and what is true of it."""

    name: str
    entry: str
    parts: tuple[str, ...]
    varied: dict[str, Any] = field(default_factory=dict)
    choice: str = ""
    per_class: int = BASE
    classes: tuple[int, ...] = tuple(range(len(CLASSES)))
    plus: float = 0.0  # accuracy beyond that of `base`
    only: int | None = None


def make(
    folder: Path,
    *,
    seeds: int | None = None,
    quick: bool = False,
    parts: Sequence[str] = PARTS,
    labels: tuple[str, str] = LABELS,
    fewer: float = FEWER,
    alike: bool = False,
) -> StoredStudy:
    """Write the study into an empty folder and open it; 5 seeds, 2 where it is quick.

    `parts` leaves others out, `labels` are the models' names, `fewer` is how many times fewer images the second needs.
    alike: but for chance, both models are the first.
    """
    n = seeds or (2 if quick else 5)
    made = [one for one in _configurations() if set(one.parts) & set(parts)]
    left = {one.name: "the data have 300 images of each class" for one in made if quick and one.per_class > BASE}
    asked = [{"name": entry, "parts": list(parts)} for entry, parts in {one.entry: one.parts for one in made}.items()]
    made = [one for one in made if one.name not in left]
    with Store.create(folder, name="made-up", config={"runs": asked}) as store:
        store.facts(
            data={"name": "invented", "classes": list(CLASSES), "counts": {"train": EVERYTHING * 10}, "sample": True},
            pair={"labels": list(labels), "within": 0.02, "difference": 0.013, "matched": [_cost(m) for m in (0, 1)]},
            configurations={f"{one.name}-{label}": _told(one, label) for one, label, _ in _both(made, labels)},
            left_out=left,
            quick=quick,
        )
        for one, label, m in _both(made, labels):
            for seed in range(n):
                level = accuracy(0 if alike else m, one.per_class, fewer) + one.plus
                _write(store, one, label, 0 if alike else m, seed, level)
    return open_study(folder)


def _both(made: Sequence[Made], labels: tuple[str, str]) -> Iterator[tuple[Made, str, int]]:
    for one in made:
        for m, label in enumerate(labels):
            if one.only in (None, m):
                yield one, label, m


def accuracy(m: int, per_class: float, fewer: float = FEWER) -> float:
    """The law of the module's docstring, without a seed's chance."""
    return 0.55 + 0.13 * math.log10(per_class * fewer**m / 30)


def _configurations() -> list[Made]:
    """All of them, in the order of the study file."""
    sizes = [Made(f"size,per_class={n}", "size", ("sizes",), {"dataset.per_class": n}, per_class=n) for n in SIZES]
    return [
        Made("small", "small", ("small",)),
        Made("validated", "validated", ("small",)),
        *sizes,
        Made("base", "base", ("sizes", "robustness", "imbalance", "classes")),
        Made("everything", "everything", ("sizes",), {"dataset.per_class": "all"}, per_class=EVERYTHING),
        *(Made(f"on-{name}", f"on-{name}", ("robustness",), plus=-0.02) for name in PERTURBED),
        *_unbalanced(),
        *_fewer_classes(),
        Made("explored", "explored", ("exploration",)),
        *(_explored(choice, which) for choice in EFFECT for which in ("a", "b")),
    ]


def _unbalanced() -> Iterator[Made]:
    for entry in REMEDY:
        for ratio in (10, 30, 100):
            yield Made(f"{entry},imbalance={ratio}", entry, ("imbalance",), {"dataset.imbalance": ratio})
    rare = {"dataset.imbalance": 30, "dataset.rare": [0, 6]}
    yield Made("rare-confused,imbalance=30", "rare-confused", ("imbalance",), rare)


def _fewer_classes() -> Iterator[Made]:
    for k, plus in ((2, 0.2), (3, 0.15), (5, 0.1)):
        name, varied = f"classes,classes={k}", {"dataset.classes": k}
        yield Made(name, "classes", ("classes",), varied, classes=tuple(range(k)), plus=plus)
    for which, plus in (((0, 6), 0.05), ((0, 6, 2), 0.02), ((0, 6, 2, 4, 3), 0.0)):
        name, varied = f"confused-classes,classes={len(which)}", {"dataset.classes": list(which)}
        yield Made(name, "confused-classes", ("classes",), varied, classes=which, plus=plus)


def _explored(choice: str, which: str) -> Made:
    name = f"{choice.replace(' ', '-')}-{which}"
    only = 1 if choice in ONLY_SECOND else None
    plus = EFFECT[choice] if which == "a" else 0.0
    return Made(name, name, ("exploration",), choice=choice, plus=plus, only=only)


def _told(one: Made, label: str) -> dict[str, Any]:
    """What the facts say of one configuration of one model."""
    return {
        "entry": one.entry,
        "model": label,
        "parts": list(one.parts),
        "choice": one.choice,
        "varied": one.varied,
    }


def _cost(m: int) -> dict[str, Any]:
    """What a model costs: as many parameters, and more multiply-adds for the second."""
    layers = (
        [{"layer": "hidden1", "kind": "Linear", "output": [25], "parameters": 19625, "macs": 19600}],
        [{"layer": "conv1", "kind": "Conv2d", "output": [8, 28, 28], "parameters": 80, "macs": 56448}],
    )[m]
    last = {"layer": "output", "kind": "Linear", "output": [10], "parameters": 260 + 19805 * m, "macs": 250 + 19550 * m}
    every = [one | {"memory": 4 * (one["parameters"] + math.prod(one["output"]))} for one in (*layers, last)]
    sums = {key: sum(one[key] for one in every) for key in ("parameters", "macs", "memory")}
    return {"name": ("dense", "convolving")[m], "options": {}, **sums, "layers": every}


def _write(store: Store, one: Made, label: str, m: int, seed: int, level: float) -> None:
    """A run of one seed, whose accuracy is `level` but for its chance."""
    name = f"{one.name}-{label}"
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    counts, names = _counts(one), [CLASSES[c] for c in one.classes]
    run = store.add_run(name, config=_config(one, m, seed), seed=seed)
    run.info(data={"classes": names, "counts": {"train": sum(counts), "validation": 0, "test": IMAGES * len(names)}})
    ended = _epochs(run, one, m, random)
    luck = 0.01 * math.sin(7 * seed + 1) + 0.003 * float(random.standard_normal())
    labels, q = _answers(one, m, level + luck, counts, random)
    run.array("test/probabilities", q.astype(np.float32))
    run.array("test/labels", labels)
    loss = float(-np.log(q[np.arange(len(labels)), labels]).mean())
    run.scalars(10 * ended, ended, {"test/loss": loss, "test/accuracy": float((q.argmax(1) == labels).mean())})
    run.finish()


def _config(one: Made, m: int, seed: int) -> dict[str, Any]:
    """What the run was asked to do."""
    dataset: dict[str, Any] = {"name": "invented", "per_class": one.per_class}
    dataset |= {key.removeprefix("dataset."): value for key, value in one.varied.items()}
    if one.entry.startswith("on-"):
        dataset["augment"] = {one.entry.removeprefix("on-"): 0.3}
    config: dict[str, Any] = {"model": {"name": ("dense", "convolving")[m]}, "dataset": dataset, "seed": seed}
    config |= {"epochs": LASTING.get(one.entry, 3), "batch_size": 64, "optimizer": {"name": "adam", "lr": 0.001}}
    if one.entry == "validated":
        config["early_stopping"] = {"monitor": "validation/loss", "patience": PATIENCE, "restore_best": True}
    return config


def _counts(one: Made) -> list[int]:
    """Training images of each class: the exponential profile, the rare classes last."""
    k, ratio = len(one.classes), one.varied.get("dataset.imbalance", 1)
    rare = one.varied.get("dataset.rare", [])
    order = [c for c in one.classes if c not in rare] + list(rare)
    return [max(1, round(one.per_class * ratio ** (-order.index(c) / (k - 1)))) for c in one.classes]


def _epochs(run: RunWriter, one: Made, m: int, random: np.random.Generator) -> int:
    """The losses after each epoch; how many there were, of which early stopping takes some away."""
    least, best, epoch = math.inf, 0, 0
    while epoch < LASTING.get(one.entry, 3) and not (best and epoch - best >= PATIENCE):
        epoch += 1
        begun, ended = (2 * math.exp(-t / TAU[m]) for t in (epoch - 1, epoch))
        mean = END[m] + TAU[m] * (begun - ended)
        values = {"epoch/train_loss": mean + 0.002 * float(random.standard_normal()), "epoch/seconds": 0.5}
        if one.entry == "validated":
            loss = END[m] + ended + 0.1 + 0.04 * max(0.0, epoch - KNEE[m]) + 0.002 * float(random.standard_normal())
            values |= {"validation/loss": loss, "validation/accuracy": 1 - loss / 4}
            least, best = (loss, epoch) if loss < least else (least, best)
        run.scalars(10 * epoch, float(epoch), values)
    if best:
        run.info(best={"monitor": "validation/loss", "mode": "min", "value": least, "epoch": best, "step": 10 * best})
        if epoch - best >= PATIENCE:
            run.event("early stopping", f"stopped after epoch {epoch}", 10 * epoch)
    return epoch


def _answers(
    one: Made, m: int, level: float, counts: Sequence[int], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (N, k): each class right as often as its recall says, wrong for its neighbour."""
    k = len(one.classes)
    offsets = np.array([CLASS[c] for c in one.classes])
    lost = LOSS[m] * np.log10(max(counts) / np.array(counts)) * (1 - REMEDY.get(one.entry, 0.0))
    recall = np.clip(level + offsets - offsets.mean() - lost, 0.02, 0.99)
    labels = np.repeat(np.arange(k), IMAGES)
    right = np.concatenate([np.arange(IMAGES) < n for n in _shared_out(recall)])
    taken = np.array([_taken_for(c, one.classes) for c in range(k)])[labels]
    q = np.full((k * IMAGES, k), 0.02 / k)
    sure = np.where(right, random.beta(8, 1.5, len(labels)), 0.5 + 0.4 * random.random(len(labels)))
    sure = np.clip(sure, 0.55, 0.97)
    rows = np.arange(len(labels))
    q[rows, np.where(right, labels, taken)] += sure
    q[rows, np.where(right, taken, labels)] += 0.98 - sure
    return labels, q / q.sum(1, keepdims=True)


def _shared_out(recall: np.ndarray) -> np.ndarray:
    """Right images of each class, so that their sum is as near to the mean recall as whole images allow."""
    exact = recall * IMAGES
    whole = np.floor(exact).astype(int)
    more = round(float(exact.sum())) - int(whole.sum())
    whole[np.argsort(whole - exact)[:more]] += 1
    return whole


def _taken_for(place: int, classes: Sequence[int]) -> int:
    """The place of the class that a class is taken for: its neighbour, the next one where that is not there."""
    other = CONFUSED[classes[place]]
    return classes.index(other) if other in classes else (place + 1) % len(classes)
