"""What the page "Look inside" asks the warm process: answers of a trained model, its maps, and whether they hold.

The model is rebuilt from the run's own numbers, held to their hash; one of somebody's own is code and is not run. The
last few are kept, with their data, so that a second image is answered at once. Nothing is downloaded or written.
"""

from __future__ import annotations

import base64
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from passo.errors import PassoError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from passo.looking.subject import Subject

WARM = 3  # models that are kept
SHOWN, MAPS, SEED = 60, 10, 0  # images of one cell; classes whose maps are made; of what is drawn by chance
PROBED, SOON = 64, 8.0  # images that tell how long a test takes; seconds that a page waits for one
PIXELS, SIDE = 16_000_000, 1024  # of a picture that was sent; of one side of what a model takes
MAPPED, CHECKED = (50, 2000), (10, 500)  # images in a map, images that maps are checked on
_warm: OrderedDict[tuple[str, str, str], Subject] = OrderedDict()


# ── What was asked for ────────────────────────────────────────────────────────────────────────────────────


def about(study: str, run: str) -> dict[str, Any]:
    """What the page can offer: the shape of an image, the layers, and how many test images there are.

    `images` is 0 and `why` says the reason where the data cannot be opened.
    """
    import torch

    from passo.explaining.attribution import convolutions

    found, why = _subject(study, run), ""
    shape = _images_of(found)
    try:
        images = len(found.data.test)
    except PassoError as error:
        images, why = 0, str(error)
    layers = convolutions(found.model, torch.zeros(1, *shape))
    return {"shape": shape, "images": images, "why": why, "layers": layers}


def answered(study: str, run: str, patient: bool) -> dict[str, Any]:
    """The test's answers, computed again: labels, likeliest classes and their probabilities; or that this takes long.

    How long is told by a few images; who is `patient` waits.
    """
    found = _subject(study, run)
    _images_of(found)
    if not patient and "answers" not in vars(found) and _estimate(found) > SOON:
        return {"slow": True}
    seen = found.answers
    parts = {name: getattr(seen, name).tolist() for name in ("labels", "predicted", "confidence")}
    return {"classes": seen.classes, **parts}


def _estimate(found: Subject) -> float:
    """Seconds that the whole test takes."""
    from passo.explaining.attribution import probabilities

    test = found.data.test
    probabilities(found.model, test.images[:PROBED])  # the first pass is slower
    begun = time.perf_counter()
    probabilities(found.model, test.images[:PROBED])
    return (time.perf_counter() - begun) * len(test) / PROBED


def pictured(study: str, run: str, places: list[int]) -> list[str]:
    """Test images by their places, as addresses."""
    from passo.figures.pictures import address

    pixels = _subject(study, run).pixels
    return [address(_upright(pixels[place])) for place in places[:SHOWN]]


def seen(
    study: str,
    run: str,
    image: int | None = None,
    picture: str | None = None,
    invert: bool = False,
    layer: str | None = None,
    wanted: int | None = None,
) -> dict[str, Any]:
    """What a model makes of a test image, or of a picture's bytes (base64): probabilities, and maps of classes.

    Maps are of the likeliest classes and the one `wanted`: Grad-CAM at `layer`, by default the last convolution.
    """
    import numpy as np
    import torch

    from passo.explaining.attribution import attribution
    from passo.figures.attributed import heated
    from passo.figures.pictures import address

    found = _subject(study, run)
    shape = _images_of(found)
    raw, told = _tested(found, image) if picture is None else _sent(base64.b64decode(picture), shape)
    trained = found.trained
    said = trained.predict(raw[None], invert=invert)[0]
    if not np.isfinite(said.probabilities).all():
        raise UsageError(f"what {run} answers is not finite: its training diverged")
    raw = 255 - raw if invert else raw
    order = [int(label) for label in np.argsort(-np.array(said.probabilities), kind="stable")]
    if wanted is not None and not 0 <= wanted < len(order):
        raise UsageError(f"the model has outputs 0 to {len(order) - 1}, got {wanted}")
    classes = order[:MAPS] if wanted is None or wanted in order[:MAPS] else [*order[:MAPS], wanted]
    x = trained.scaled(raw[None])
    made = attribution(trained.model, x.repeat(len(classes), 1, 1, 1), torch.tensor(classes), layer=layer)
    pixels = _upright(raw)
    maps = [
        {
            "class": label,
            "name": said.classes[label],
            "share": said.probabilities[label],
            "picture": address(heated(pixels, weight)),
            "empty": not weight.max() > 0,
        }
        for label, weight in zip(classes, made.values, strict=True)
    ]
    way = {"method": made.method, "layer": made.layer, "grain": made.grain}
    told |= {"classes": said.classes, "coloured": shape[0] == 3}
    looks = {"pixels": address(pixels), "high": pixels.shape[0], "wide": pixels.shape[1]}
    return {**told, **way, **looks, "inverted": invert, "negative": said.inverted, "maps": maps}


def mapped(study: str, run: str, images: int) -> dict[str, Any]:
    """t-SNE of test images by their pixels and by the model's last hidden layer, with all thumbnails in one picture."""
    import numpy as np

    from passo.explaining import embedding
    from passo.figures.pictures import address

    if not MAPPED[0] <= images <= MAPPED[1]:
        raise UsageError(f"a page maps {MAPPED[0]} to {MAPPED[1]:,} images, got {images}")
    found = _subject(study, run)
    _images_of(found)
    made = embedding(found.model, found.data, images=images, seed=SEED, name=found.name)
    small = made.thumbnails  # (N, h, w) or (N, h, w, 3)
    across = int(np.ceil(np.sqrt(len(small))))
    room = np.zeros((across * across, *small.shape[1:]), np.uint8)
    room[: len(small)] = small
    high, wide = small.shape[1:3]
    sheet = room.reshape(across, across, high, wide, -1).swapaxes(1, 2).reshape(across * high, across * wide, -1)
    kept = {name: array.tolist() for name, array in made.arrays().items() if name != "thumbnails"}
    sheet = {"picture": address(sheet[..., 0] if sheet.shape[-1] == 1 else sheet), "across": across}
    return {"arrays": kept, "facts": made.facts(), "sheet": {**sheet, "high": high, "wide": wide}}


def trusted(study: str, run: str, images: int, layer: str | None = None) -> dict[str, Any]:
    """What `explaining.trust` measures of this model's maps on test images."""
    from passo.explaining import trust

    if not CHECKED[0] <= images <= CHECKED[1]:
        raise UsageError(f"a page checks maps on {CHECKED[0]} to {CHECKED[1]} images, got {images}")
    found = _subject(study, run)
    _images_of(found)
    test = found.data.test
    made = trust(found.model, test.images, test.targets, seed=SEED, images_n=images, layer=layer, name=found.name)
    return {"arrays": {name: array.tolist() for name, array in made.arrays().items()}, "facts": made.facts()}


# ── The run ───────────────────────────────────────────────────────────────────────────────────────────────


def _subject(study: str, run: str) -> Subject:
    """A trained run of a study's folder, warm where it was asked for lately; the data of its like are shared."""
    from passo.looking.subject import Subject, found_run
    from passo.store import open_study

    stored = found_run(open_study(study).run(run))
    key = (study, run, str(stored.info.get("weights_sha256")))
    found = _warm.get(key)
    if found is None:
        found = Subject(stored, MAPPED[1], None, SEED)
        parts = [stored.config.get("dataset"), stored.info.get("data")]
        for other in _warm.values():
            if "data" in vars(other) and parts == [other.run.config.get("dataset"), other.run.info.get("data")]:
                vars(found)["data"] = other.data
    _warm[key] = found
    _warm.move_to_end(key)
    while len(_warm) > WARM:
        _warm.popitem(last=False)
    return found


def _images_of(found: Subject) -> tuple[int, ...]:
    """(C, H, W) of the model's images; raises what is wrong with the model, `UsageError` for one of something else."""
    _ = found.model
    shape = tuple(found.run.info.get("data", {}).get("in_shape", ()))
    if len(shape) != 3 or shape[0] not in (1, 3) or max(shape) > SIDE:
        raise UsageError(
            f"{found.name} was trained on inputs of shape {shape}: this page looks at images of at most {SIDE:,} "
            "pixels a side"
        )
    return shape


def _tested(found: Subject, image: int | None) -> tuple[np.ndarray, dict[str, Any]]:
    """A test image by its place, and which it is."""
    test = found.data.test
    if image is None or not 0 <= image < len(test):
        raise UsageError(f"choose a test image from 0 to {len(test) - 1:,}, got {image}")
    label = int(test.targets[image])
    return found.pixels[image], {"place": image, "label": label, "labelled": found.data.classes[label]}


def _sent(content: bytes, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[str, Any]]:
    """A picture that was sent, at the model's size, and how large it was; raises `UsageError` where it is none."""
    from passo.data.pictures import Picture, attempt, extent
    from passo.errors import require

    require("PIL.Image", "figures")
    picture = Picture("the picture", 0, lambda: content)
    pixels = attempt(picture, (shape[1], shape[2]), shape[0] == 3, PIXELS)
    if isinstance(pixels, str):
        raise UsageError(f"this picture cannot be used: {pixels}")
    return pixels, {"extent": extent(picture)}


def _upright(pixels: np.ndarray) -> np.ndarray:
    """(H, W), or of (3, H, W) the same with its channels last."""
    return pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels


TASKS: dict[str, Callable[..., Any]] = {
    "inside/about": about,
    "inside/answered": answered,
    "inside/pictured": pictured,
    "inside/seen": seen,
    "inside/mapped": mapped,
    "inside/trusted": trusted,
}
