"""Look inside a trained classifier: what it confuses, how it groups images, where it looks, and whether maps hold.

Words and figures are made here; what needs the model or its data is asked of the processes beside. A picture that was
sent is passed on as it came, in memory, and decoded there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import Response

from passo.analysis.answers import answers
from passo.analysis.attributed import map_said
from passo.analysis.classified import Classified
from passo.analysis.embedded import Embedded
from passo.analysis.trusted import Trusted
from passo.errors import PassoError, UsageError
from passo.figures.style import OTHERS
from passo.figures.trusted import draw_trusted
from passo.language import t, tn
from passo.store import StoredRun
from passo.web.answering import LARGEST, Asked
from passo.web.numbers import whole
from passo.web.pictures import words_of
from passo.web.spoken import spoken_words

MATRIX, CELLS, SHOWN = 25, 60, 60  # classes that a matrix has room for; cells listed instead; images of one
MAPPED, CHECKED = 500, 100  # test images, unless others are asked for


@dataclass(frozen=True)
class Given:
    """What was answered on N test images: labels (N,), the likeliest classes (N,) and their probabilities (N,)."""

    classes: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    def counted(self, run: str) -> Classified:
        n = len(self.classes)
        counts = np.bincount(self.labels * n + self.predicted, minlength=n * n).reshape(n, n)
        return Classified(run, self.classes, counts)


def inside(asked: Asked) -> Response:
    """The page; with `image` in the address its answer stands on it, with `true` and `predicted` that cell's images."""
    run = _run(asked)
    about, why = _about(asked, run)
    images = 0 if about is None else about["images"]
    given, trouble = None, ""
    try:
        given = _given(asked, run) if images or _kept(run) else None
    except PassoError as error:
        trouble = asked.told(error)
    found = None if given is None else given.counted(run.id)
    return asked.page(
        "inside.html.j2",
        study=asked.place("study"),
        run=run,
        about=about,
        why=why,
        found=found,
        cells=[] if found is None else _cells(found),
        matrix=found is not None and len(found.classes) <= MATRIX,
        images=images,
        waiting=images and given is None and not trouble,
        trouble=trouble,
        data_why=asked.told(about["why"]) if about is not None else "",
        wish={"mapped": MAPPED, "checked": CHECKED, "largest": LARGEST},
        confused=_confused(asked, run, given) if images and asked.query("true") and given is not None else None,
        seen=_shown(asked) if images and asked.query("image") else None,
        words=_words(),
    )


def confused(asked: Asked) -> Response:
    """The images of one cell of the confusion matrix, as a part of the page."""
    run = _run(asked)
    given = _given(asked, run)
    if given is None:
        return asked.json({"doing": t("counting what is taken for what")}, 202)
    return asked.json({"html": asked.part("inside_confused.html.j2", confused=_confused(asked, run, given))})


def seen(asked: Asked) -> Response:
    """What the model makes of a test image (GET) or of a picture that was sent (POST), as a part of the page."""
    return asked.json({"html": asked.part("inside_seen.html.j2", seen=_shown(asked))})


def mapped(asked: Asked) -> Response:
    """A map of test images as JSON, or what is being done meanwhile (202)."""
    run = _run(asked)
    images = _whole(asked, "images", MAPPED)
    found = asked.lab.errands.ask("inside/mapped", run.started, **_named(asked, run), images=images)
    if found is None:
        return asked.json({"doing": t("mapping test images (t-SNE)")}, 202)
    arrays = {name: np.array(values) for name, values in found["arrays"].items()}
    sheet = found["sheet"]
    arrays["thumbnails"] = np.zeros((len(arrays["labels"]), sheet["high"], sheet["wide"]), np.uint8)
    made = Embedded.of(arrays, found["facts"])
    after = t("The {width:,} values before {layer}", width=made.hidden.width, layer=made.layer)
    titles = {"inputs": made.what.capitalize(), "hidden": after}
    points = {name: found["arrays"][name] for name in ("inputs", "hidden", "labels", "predicted", "positions")}
    shades = [OTHERS[place % len(OTHERS)] for place in range(len(made.classes))]
    part = asked.part("inside_table.html.j2", label=t("A map of test images"), **_said(made))
    return asked.json(
        {**points, "classes": made.classes, "shades": shades, "titles": titles, "sheet": sheet, "html": part}
    )


def trusted(asked: Asked) -> Response:
    """Whether the maps can be trusted: a sentence, a table and a figure as JSON, or what is being done (202)."""
    run = _run(asked)
    images = _whole(asked, "images", CHECKED)
    wish = {"images": images, "layer": asked.query("layer") or None}
    found = asked.lab.errands.ask("inside/trusted", run.started, **_named(asked, run), **wish)
    if found is None:
        return asked.json({"doing": t("checking the maps against random ones")}, 202)
    made = _checked(found)
    part = asked.part("inside_table.html.j2", label=t("Whether these maps can be trusted"), **_said(made))
    return asked.json({"html": part, **words_of(draw_trusted(made))})


def _checked(found: dict[str, Any]) -> Trusted:
    return Trusted.of({name: np.array(values) for name, values in found["arrays"].items()}, found["facts"])


def _said(made: Embedded | Trusted) -> dict[str, Any]:
    return {"sentence": made.sentence(), "table": made.table()}


# ── What stands on the page ───────────────────────────────────────────────────────────────────────────────


def _about(asked: Asked, run: StoredRun) -> tuple[dict[str, Any] | None, str]:
    """What the model and its data offer; or None, and why there is nothing to look into."""
    try:
        return asked.lab.worker.ask("inside/about", **_named(asked, run)), ""
    except PassoError as error:
        return None, asked.told(error)


def _kept(run: StoredRun) -> bool:
    return {*run.arrays()} >= {"test/probabilities", "test/labels"}


def _given(asked: Asked, run: StoredRun) -> Given | None:
    """The test's answers: those that the run kept, or else computed again; None while that takes long."""
    if _kept(run):
        kept = answers(run)
        return Given(kept.classes, kept.labels, kept.predicted, kept.confidence)
    found = asked.lab.worker.ask("inside/answered", **_named(asked, run), patient=False)
    if "slow" in found:
        found = asked.lab.errands.ask("inside/answered", run.started, **_named(asked, run), patient=True)
    if found is None:
        return None
    arrays = (np.array(found[name]) for name in ("labels", "predicted", "confidence"))
    return Given(tuple(found["classes"]), *arrays)


def _cells(found: Classified) -> list[list[dict[str, Any]]]:
    """The rows of the matrix; of very many classes one row of the cells with the most mistakes."""
    rows, counts = found.rows, found.confusion
    places = [(true, given) for true in range(len(counts)) for given in range(len(counts))]
    if len(counts) > MATRIX:
        wrong = [place for place in places if place[0] != place[1] and counts[place]]
        return [[_cell(found, rows, *place) for place in sorted(wrong, key=lambda place: -counts[place])[:CELLS]]]
    return [[_cell(found, rows, true, given) for given in range(len(counts))] for true in range(len(counts))]


def _cell(found: Classified, rows: np.ndarray, true: int, given: int) -> dict[str, Any]:
    count, share = int(found.confusion[true, given]), float(np.nan_to_num(rows[true, given]))
    shade = round(9 * (share if true == given else share**0.5))  # few mistakes are to be seen, too
    return {"true": true, "given": given, "count": count, "shade": shade, "right": true == given}


def _confused(asked: Asked, run: StoredRun, given: Given) -> dict[str, Any]:
    """The images of the cell that the address names, the surest first."""
    true, taken = (_whole(asked, name) for name in ("true", "predicted"))
    if max(true, taken) >= len(given.classes):
        raise UsageError(f"there are {len(given.classes)} classes, from 0: got {max(true, taken)}")
    at = np.flatnonzero((given.labels == true) & (given.predicted == taken))
    shown = at[np.argsort(-given.confidence[at], kind="stable")][:SHOWN].tolist()
    pictures = asked.lab.worker.ask("inside/pictured", **_named(asked, run), places=shown)
    counted = tn(
        "{n:,} test image, and how sure the model is of it.",
        "{n:,} test images, and how sure the model is of each; the surest first.",
        len(at),
    )
    images = [
        {"place": place, "picture": picture, "share": given.confidence[place]}
        for place, picture in zip(shown, pictures, strict=True)
    ]
    names = {"true": given.classes[true], "predicted": given.classes[taken], "right": true == taken}
    return {**names, "images": images, "count": len(at), "counted": counted}


def _shown(asked: Asked) -> dict[str, Any]:
    """What the answer shows: of the image that the address names, or of the picture that was sent."""
    run = _run(asked)
    wanted = _whole(asked, "class") if asked.query("class") else None
    given: dict[str, Any] = {"invert": bool(asked.query("invert")), "layer": asked.query("layer") or None}
    if asked.request.method == "POST":
        if not asked.body:
            raise UsageError("no picture was sent: choose a file, or draw one")
        given["picture"] = base64.b64encode(asked.body).decode()
    else:
        given["image"] = _whole(asked, "image")
    found = asked.lab.worker.ask("inside/seen", **_named(asked, run), wanted=wanted, **given)
    chosen = found["maps"][0]["class"] if wanted is None else wanted
    checked = asked.lab.errands.known(
        "inside/trusted", run.started, **_named(asked, run), images=CHECKED, layer=given["layer"]
    )
    drawn = {one["class"] for one in found["maps"]}
    (across, down), (wide, high) = found.get("extent") or (1, 1), (found["wide"], found["high"])
    return {
        **found,
        "predicted": found["maps"][0],
        "chosen": chosen,
        "way": map_said(found["method"], found["layer"], run.id),
        "trust": "" if checked is None else _checked(checked).sentence(),
        "asked_layer": given["layer"],
        "stretched": across * high != down * wide,
        "others": [(place, name) for place, name in enumerate(found["classes"]) if place not in drawn],
    }


def _run(asked: Asked) -> StoredRun:
    return asked.lab.shelf.run(asked.place("study"), asked.place("run"))


def _named(asked: Asked, run: StoredRun) -> dict[str, str]:
    return {"study": str(asked.lab.shelf.folder(asked.place("study"))), "run": run.id}


def _whole(asked: Asked, name: str, default: int = 0) -> int:
    return whole(asked, name, default, most=10**9, least=0)


def _words() -> dict[str, Any]:
    """What the page's script says."""
    own = {
        "point": t("test image {place}: {true}", place="{place}", true="{true}"),
        "mistaken": t(
            "test image {place}: {true}, taken for {predicted}", place="{place}", true="{true}", predicted="{predicted}"
        ),
        "large": t("This file is too large: a picture may have a megabyte."),
        "legend": t("Classes: choose one to see it alone"),
    }
    return {**spoken_words(), "inside": own}
