"""Looking inside a trained run in the browser: confusions, maps, pictures of one's own; and attacks on these."""

import base64
import io
import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from asking import Asking, a_study
from PIL import Image

from passo.cli import work_inside
from passo.errors import StoreError, UsageError
from passo.store import Store
from passo.web.pages_inside import CELLS, SHOWN
from passo.web.worker import Worker

RUN = "/study/cnn/run/cnn-adam-s0"
INSIDE = f"{RUN}/inside"


# ── Runs ──────────────────────────────────────────────────────────────────────────────────────────────────


def trained(folder: Path, **config: object) -> None:
    from passo.experiments.single import training
    from passo.training.config import train_config

    with training(train_config(config), folder) as opened:
        for _ in opened.records:
            pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CNN with its predictions, an MLP without, and a CNN of images in colour from a folder."""
    folder = tmp_path_factory.mktemp("made")
    sample = {"name": "fashion-mnist-sample", "per_class": 20}
    small = {"name": "cnn", "filters": [3, 5]}
    trained(folder / "cnn", dataset=sample, epochs=1, seed=0, model=small, record={"predictions": True})
    trained(folder / "mlp", dataset=sample, epochs=1, seed=0, model={"name": "mlp", "hidden": [8]})
    rng = np.random.default_rng(0)
    for label, shade in (("red", (200, 30, 30)), ("green", (30, 200, 30))):
        place = folder / "pictures" / label
        place.mkdir(parents=True)
        for number in range(40):
            pixels = np.clip(np.array(shade) + rng.normal(0, 25, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
    pictures = {"name": "images", "folder": str(folder / "pictures")}
    trained(folder / "colour", dataset=pictures, epochs=1, seed=0, model=small, batch_size=8)
    shutil.rmtree(folder / "pictures")
    return folder


@pytest.fixture
def root(tmp_path: Path, made: Path) -> Path:
    place = tmp_path / "studies"
    shutil.copytree(made, place)
    a_study(place, "first")
    return place


@pytest.fixture(scope="module")
def warm():
    """One process that computes, for all tests here."""
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture(autouse=True)
def _shared(outside: Asking, warm: Worker):
    outside.lab.worker = warm
    yield
    outside.lab.errands.stop()


# ── What it answers ───────────────────────────────────────────────────────────────────────────────────────


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def send(page: Asking, body: bytes, query: str = "", inside: str = INSIDE, **headers: str):
    given = {"content_type": "application/octet-stream", "x_passo_form": page.key, "accept": "application/json"}
    return page.ask("POST", f"{inside}/seen{query}", body, **{**given, **headers})


def test_a_test_image_gets_the_probabilities_that_the_run_kept(made: Path):
    from passo.store import open_study

    run = open_study(made / "cnn").runs[0]
    kept = run.array("test/probabilities")
    for place in (0, 7):
        seen = work_inside.seen(str(made / "cnn"), run.id, image=place)
        told = {one["class"]: one["share"] for one in seen["maps"]}
        assert (
            len(told) == 10 and seen["method"] == "grad-cam" and seen["label"] == int(run.array("test/labels")[place])
        )
        assert np.allclose([told[label] for label in range(10)], kept[place], atol=1e-5)
        assert seen["maps"][0]["class"] == int(kept[place].argmax())


def test_a_picture_of_a_test_image_is_answered_like_that_image(made: Path):
    place = str(made / "cnn")
    pixels = work_inside._subject(place, "cnn-adam-s0").pixels[3]
    own = work_inside.seen(place, "cnn-adam-s0", image=3)
    sent = work_inside.seen(place, "cnn-adam-s0", picture=base64.b64encode(png(pixels)).decode())
    assert sent["maps"] == own["maps"] and sent["extent"] == (28, 28) and sent["pixels"] == own["pixels"]
    negative = base64.b64encode(png(255 - pixels)).decode()
    assert work_inside.seen(place, "cnn-adam-s0", picture=negative)["maps"] != own["maps"]
    back = work_inside.seen(place, "cnn-adam-s0", picture=negative, invert=True)
    assert back["maps"] == own["maps"] and back["inverted"]


def test_the_images_of_a_cell_are_those_that_are_counted_in_it(page: Asking, made: Path):
    from passo.analysis.answers import answers
    from passo.store import open_study

    seen = answers(open_study(made / "cnn").runs[0])
    true, given = next((int(a), int(b)) for a, b in zip(seen.labels, seen.predicted, strict=True) if a != b)
    places = np.flatnonzero((seen.labels == true) & (seen.predicted == given))
    part = json.loads(page.get(f"{INSIDE}/confused?true={true}&predicted={given}", accept="application/json").text)
    assert part["html"].count("<img") == min(len(places), SHOWN)
    shown = {int(place) for place in re.findall(r'data-image="(\d+)"', part["html"])}
    assert shown <= {*places.tolist()} and len(shown) == min(len(places), SHOWN)
    whole = page.get(f"{INSIDE}?true={true}&predicted={given}").text  # the same without scripts
    assert whole.count('data-image="') == min(len(places), SHOWN)


def test_without_scripts_a_test_image_has_its_answer_and_its_map_on_the_page(page: Asking):
    text = page.get(f"{INSIDE}?image=5&class=2&invert=1&layer=input").text
    assert "Test image 5:" in text and "It was inverted." in text and "The input&#39;s gradient" in text
    assert text.count('src="data:image/png;base64,') == 21  # the image, ten maps, and each small beside its name
    assert "<script>" not in text and " style=" not in text


def test_an_mlp_that_kept_no_predictions_has_its_confusions_and_gradients(page: Asking):
    text = page.get("/study/mlp/run/mlp-adam-s0/inside?image=0").text
    assert "mlp-adam-s0 names" in text and 'id="confusion"' in text and "The input&#39;s gradient" in text


def test_a_test_that_takes_long_is_left_to_a_process_of_its_own(made: Path, monkeypatch):
    place = str(made / "mlp"), "mlp-adam-s0"
    work_inside._warm.clear()
    monkeypatch.setattr(work_inside, "SOON", 0.0)
    assert work_inside.answered(*place, patient=False) == {"slow": True}
    found = work_inside.answered(*place, patient=True)
    assert len(found["labels"]) == len(found["predicted"]) == len(found["confidence"]) > 100
    assert work_inside.answered(*place, patient=False) == found  # once known, it is known


def test_a_model_that_diverged_is_said_to_have(made: Path):
    place = str(made / "mlp"), "mlp-adam-s0"
    work_inside._warm.clear()
    for parameter in work_inside._subject(*place).model.parameters():
        parameter.data.fill_(np.nan)
    with pytest.raises(UsageError, match="not finite"):
        work_inside.seen(*place, image=0)
    with pytest.raises(StoreError, match="predicts NaN"):
        work_inside.answered(*place, patient=True)
    work_inside._warm.clear()


def test_predictions_that_cannot_be_used_are_a_sentence_on_the_page(page: Asking):
    with Store.create(page.lab.root / "nan", name="nan", config={}) as study:
        run = study.add_run("nan", config={}, seed=0)
        run.array("test/probabilities", np.full((5, 3), np.nan))
        run.array("test/labels", np.zeros(5, np.int64))
        run.finish()
    answer = page.get("/study/nan/run/nan-s0/inside")
    assert answer.status == 200 and "predicts NaN for 5 of 5 images" in answer.text


class Busy:
    """A warm process for which every test takes long."""

    def __init__(self, warm: Worker) -> None:
        self.ask = lambda do, **given: {"slow": True} if do == "inside/answered" else warm.ask(do, **given)


@pytest.mark.slow
def test_confusions_that_take_long_come_when_they_are_there(opened, outside: Asking, warm: Worker):
    outside.lab.worker = Busy(warm)  # type: ignore[assignment]
    page = opened("/study/mlp/run/mlp-adam-s0/inside")
    assert "They are being computed again" in page.inner_text("#confusing")
    page.wait_for_selector("#confusion", timeout=60_000)
    page.click("#confusion td a >> nth=0")
    page.wait_for_selector(".thumbnails img")


def test_of_many_classes_the_most_frequent_mistakes_are_listed(page: Asking):
    rng, n = np.random.default_rng(0), 40
    with Store.create(page.lab.root / "many", name="many", config={}) as study:
        run = study.add_run("many", config={}, seed=0)
        labels = rng.integers(0, n, 3000)
        answered = np.where(rng.random(3000) < 0.5, labels, (labels * labels) % n)
        run.array("test/probabilities", np.eye(n)[answered])
        run.array("test/labels", labels)
        run.finish()
    text = page.get("/study/many/run/many-s0/inside").text
    counts = [int(one) for one in re.findall(r'<td class="number">(\d+)</td>', text)]
    assert 10 < len(counts) <= CELLS and counts == sorted(counts, reverse=True)
    assert "kept no trained model" in text and 'id="look"' not in text  # and why there is no more than this


def test_where_the_data_are_gone_a_picture_is_answered_all_the_same(page: Asking):
    colour = "/study/colour/run/cnn-adam-s0/inside"
    text = page.get(colour).text
    assert "Its data cannot be opened here" in text and 'name="image"' not in text
    red = np.full((40, 80, 3), (200, 30, 30), np.uint8)
    answer = send(page, png(red), inside=colour)
    told = json.loads(answer.text)["html"]
    assert (
        answer.status == 200
        and "80 × 40 pixels and was made 16 × 16, in colour. Its sides were stretched" in " ".join(told.split())
    )


def test_a_run_without_weights_says_why_there_is_nothing_inside(page: Asking):
    assert "/inside" not in page.get("/study/first/run/adam-s0").text
    answer = page.get("/study/first/run/adam-s0/inside")
    assert (answer.status == 200 and "kept no weights" in answer.text) or "kept no trained model" in answer.text
    assert f'href="{INSIDE}"' in page.get(RUN).text


# ── Attacks ───────────────────────────────────────────────────────────────────────────────────────────────


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """A PNG of some hundred bytes that says it has side × side pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def swollen() -> bytes:
    """A PNG of one pixel with a text that unpacks to 50 MB."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000)))
    small = png(np.zeros((1, 1), np.uint8))
    return small[:33] + text + small[33:]


WHOLE = png(np.zeros((28, 28), np.uint8))
MALFORMED = {
    "nothing": (b"", "no picture was sent"),
    "words": (b"hello", "not an image in a known format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not an image in a known format"),
    "html": (b"\xef\xbb\xbf<!DOCTYPE html><script>alert(1)</script>", "not an image in a known format"),
    "a zip": (b"PK\x03\x04" + bytes(100), "not an image in a known format"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
    "an icon": (b"\0\0\1\0\1\0" + bytes(60), "not an image in a known format"),
    "half a PNG": (WHOLE[: len(WHOLE) // 2], "this picture cannot be used"),
    "a damaged PNG": (WHOLE[:40] + b"\xff" * 20 + WHOLE[60:], "this picture cannot be used"),
    "a bomb": (bomb(100_000), "more than 16,000,000 pixels"),
    "a small bomb": (bomb(4_001), "more than 16,000,000 pixels"),
    "a text that unpacks to much": (swollen(), "this picture cannot be used"),
    "an empty PNG": (bomb(0), "this picture cannot be used"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_file_that_is_no_picture_is_a_sentence(page: Asking, warm: Worker, name: str):
    body, said = MALFORMED[name]
    for kind in ("application/octet-stream", "image/png", "text/html"):
        answer = send(page, body, content_type=kind)
        assert answer.status == 400 and said in json.loads(answer.text)["error"]
        assert answer.headers["content-type"] == "application/json" and str(page.lab.root) not in answer.text
    assert send(page, WHOLE).status == 200


def test_a_bomb_is_refused_before_it_is_decoded(made: Path, monkeypatch):
    from PIL.ImageFile import ImageFile

    def loaded(self: ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile, "load", loaded)

    def ask(content: bytes) -> None:
        work_inside.seen(str(made / "cnn"), "cnn-adam-s0", picture=base64.b64encode(content).decode())

    with pytest.raises(AssertionError, match="decoded"):
        ask(WHOLE)
    for side in (4_001, 8_001, 100_000):
        with pytest.raises(UsageError, match="more than 16,000,000 pixels"):
            ask(bomb(side))


def test_a_picture_has_a_megabyte_at_most(page: Asking):
    answer = send(page, WHOLE + b"\0" * 1_000_000)
    assert answer.status == 413 and json.loads(answer.text)["error"] == "what was sent is too large"


def test_a_picture_needs_the_key_of_the_forms_and_a_page_of_this_site(page: Asking):
    for key in ("", "0" * 64):
        assert send(page, WHOLE, x_passo_form=key).status == 403
    assert send(page, WHOLE, origin="http://evil.example").status == 403
    assert send(page, WHOLE, sec_fetch_site="cross-site").status == 403
    assert send(Asking(page.port, page.lab), WHOLE, x_passo_form=page.key).status == 401


def test_a_picture_leaves_no_file_behind(page: Asking, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(path for path in tmp_path.rglob("*"))
    assert send(page, WHOLE).status == 200 and send(page, b"hello").status == 400
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "query",
    ["?class=99", "?class=-1", "?class=1e9", "?class=99999999999", "?layer=__class__", "?layer=..%2F..", "?layer="],
)
def test_what_is_asked_of_a_picture_may_be_anything(page: Asking, query: str):
    answer = send(page, WHOLE, query)
    assert answer.status == (200 if query == "?layer=" else 404 if "layer" in query else 400)
    assert "Traceback" not in answer.text and str(page.lab.root) not in answer.text


@pytest.mark.parametrize("name", ["%2e%2e", "first%2f..%2f..", "nowhere"])
def test_nothing_outside_the_root_is_looked_into(page: Asking, name: str):
    for part in ("", "/seen?image=0", "/confused?true=0&predicted=1", "/mapped?images=100", "/trusted"):
        assert page.get(f"/study/{name}/run/cnn-adam-s0/inside{part}").status == 404


def test_names_of_classes_are_text(page: Asking, root: Path):
    from passo.store import open_study

    script = "<img src=x onerror=alert(1)>"
    _rename(root / "cnn", script)
    assert open_study(root / "cnn").runs[0].info["data"]["classes"][0] == script
    for path in (INSIDE, f"{INSIDE}/confused?true=0&predicted=0"):
        text = page.get(path).text
        assert script not in text and "onerror" in text


def _rename(study: Path, name: str) -> None:
    import sqlite3

    file = sqlite3.connect(study / "study.sqlite")
    (info,) = file.execute("SELECT info FROM runs").fetchone()
    known = json.loads(info)
    known["data"]["classes"][0] = name
    file.execute("UPDATE runs SET info = ?", (json.dumps(known),))
    file.commit()
    file.close()


@pytest.mark.parametrize(("part", "given"), [("mapped", "1e9"), ("mapped", "5"), ("trusted", "99999")])
def test_a_map_has_a_bounded_number_of_images(made: Path, part: str, given: str):
    with pytest.raises(UsageError, match="a page (maps|checks)"):
        getattr(work_inside, part)(str(made / "cnn"), "cnn-adam-s0", images=int(float(given)))


# ── In Chromium ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("locale", "title", "taken"), [("en-US", "Look inside", "taken for"), ("pt-BR", "Olhar por dentro", "tomada por")]
)
def test_a_cell_shows_its_images_and_an_image_shows_where_the_model_looks(opened, locale: str, title: str, taken: str):
    page = opened(RUN, locale)
    page.click(f"a:has-text('{title}')")
    page.wait_for_selector("#confusion")
    page.wait_for_selector("html[data-inside=ready]")
    page.focus("#confusion td.wrong a >> nth=0")
    first = page.evaluate("document.activeElement.href")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.href") != first
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-confused]")
    page.click(".thumbnails a >> nth=0")
    page.wait_for_selector("html[data-seen='1']")
    assert page.locator(".verdict").inner_text() == page.locator("#told").text_content()
    assert "image=" in page.url and page.locator(".looked figure:not([hidden]) img").count() == 2
    shown = page.locator("figure.large:not([hidden])").get_attribute("data-class")
    page.click(".probabilities a >> nth=4")
    assert page.locator("figure.large:not([hidden])").get_attribute("data-class") != shown


def test_a_drawn_and_a_sent_picture_are_answered(opened, tmp_path: Path):
    page = opened(INSIDE)
    page.locator("#drawn").scroll_into_view_if_needed()
    box = page.locator("#drawn").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 150, steps=4)
    page.mouse.up()
    page.wait_for_selector("html[data-seen='1']")
    assert "280 × 280 pixels and was made 28 × 28, in grey" in page.locator("#seen").inner_text()
    drawn = page.locator(".looked img").first.get_attribute("src")
    assert drawn != "data:image/png;base64," + base64.b64encode(WHOLE).decode()
    (tmp_path / "light.png").write_bytes(png(np.full((50, 60), 255, np.uint8)))
    page.set_input_files("#file", str(tmp_path / "light.png"))
    page.wait_for_selector("html[data-seen='2']")
    assert (
        "60 × 50 pixels" in page.locator("#seen").inner_text()
        and "It was not inverted" in page.locator("#seen").inner_text()
    )
    page.check("[name=invert]")
    page.wait_for_selector("html[data-seen='3']")
    assert "It was inverted" in page.locator("#seen").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en-US", "pt-BR"])
def test_a_map_shows_each_image_to_the_pointer_and_to_the_keyboard(opened, locale: str):
    page = opened(INSIDE, locale)
    page.fill("#map [name=images]", "60")
    page.click("#map button")
    page.wait_for_selector("html[data-mapped='60']", timeout=60_000)
    assert (
        page.locator(".maps svg").count() == 2
        and page.locator(".maps svg >> nth=0").locator("[role=option]").count() == 60
    )
    page.focus(".maps svg >> nth=0")
    told = [page.inner_text("#pointed")]
    for key in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        told.append(page.inner_text("#pointed"))
    assert all(told) and len(set(told)) > 1
    active = page.get_attribute(".maps svg >> nth=0", "aria-activedescendant")
    assert page.get_attribute(f"#{active}", "aria-label") == told[-1]
    place = page.locator(".maps svg >> nth=1").locator("[role=option] >> nth=0").bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    assert page.evaluate(
        "document.querySelector('.pointed canvas').getContext('2d').getImageData(0, 0, 112, 112).data.some((v) => v)"
    )
    page.select_option("[name=what]", "hidden")
    assert page.locator(".maps svg").count() == 1


@pytest.mark.slow
def test_whether_maps_can_be_trusted_is_said_and_stands_beside_the_next_answer(opened):
    page = opened(f"{INSIDE}?image=1")
    page.click("#trust button")
    page.wait_for_selector("html[data-trusted=true]", timeout=60_000)
    said = page.locator("#trust .told p").first.inner_text()
    assert page.text_content("#told") == said
    assert "be trusted here, over" in said and page.locator("#trust svg.marks").count() == 1
    page.fill("[name=image]", "2")
    page.press("[name=image]", "Enter")
    page.wait_for_selector("html[data-seen]")
    assert said in page.locator("#seen").inner_text()
