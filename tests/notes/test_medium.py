"""A note as an article for Medium: words and pictures only, and nothing that an import would drop."""

from __future__ import annotations

import functools
import io
import re
import sys
import threading
import tomllib
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from papers import composed, lines

from passo.errors import ConfigError
from passo.language import LANGUAGES
from passo.notes import Written, check_formats, medium, medium_pictures, medium_races, write
from passo.notes.content import Equation, Note, Prose, Table
from passo.notes.medium_text import led_out, linked, readable, rewritten, unfolded
from passo.notes.text import compose
from passo.store import StoredStudy

ADDRESS = "https://example.org/notes/one"
KEPT = {"h1", "h2", "h3", "p", "ul", "ol", "li", "blockquote", "pre", "code", "figure", "img", "figcaption", "a"}
KEPT |= {"em", "strong", "br", "hr", "article"}
PAGE = {"html", "head", "meta", "title", "link", "style", "body"}


class Read(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


Files = dict[str, bytes]


def told(study: StoredStudy, note: Note, drawn: Files) -> tuple[Note, Files, Read]:
    playing = functools.partial(medium_races.playing, study)
    files = medium.article(note, drawn, playing, ADDRESS)
    files |= {f"figures/{name}": content for name, content in drawn.items()}
    return note, files, Read(files["article.html"].decode())


@pytest.fixture(scope="module")
def article(made_up: StoredStudy, note: Note, written: Written) -> tuple[Note, Files, Read]:
    """The article of the made-up study, with the figures that its page has."""
    return told(made_up, note, {path.name: path.read_bytes() for path in written.figures})


def test_only_elements_that_an_import_keeps_are_in_it(article):
    _, _, page = article
    assert {tag for tag, _ in page.elements} <= KEPT | PAGE
    assert [tag for tag, _ in page.elements].count("h1") == 1


def test_every_figure_equation_table_and_race_is_a_picture_with_words_that_hold_its_numbers(article):
    note, files, page = article
    blocks = list(note.blocks())
    placed = [block for block in blocks if isinstance(block, Equation | Table)]
    pictures = page.all("img")
    races = [one for one in pictures if one["src"].endswith(".gif")]
    assert len(pictures) == len(note.figures()) + len(placed) + len(races) and len(races) == 2
    by = {one["src"].rpartition("/")[2]: one["alt"] for one in pictures}
    for block in note.figures():
        assert by[f"{block.figure.name}.png"] == " ".join(block.figure.sentence.split())
    for table in (block for block in placed if isinstance(block, Table)):
        digits = set(re.findall(r"\d+", " ".join(cell for row in table.rows for cell in row if "$" not in cell)))
        assert any(digits <= set(re.findall(r"\d+", alt)) for name, alt in by.items() if name.startswith("table-"))
    for one in pictures:
        path, _, ending = one["src"].removeprefix(f"{ADDRESS}/").rpartition(".")
        assert one["alt"] and files[f"{path}.{ending}"] and files[f"{path}.png"].startswith(b"\x89PNG")
        assert files[f"{path}.svg"].startswith(b"<svg")


def test_addresses_are_absolute_and_links_within_the_note_are_words(article):
    _, files, page = article
    assert all(one["src"].startswith(f"{ADDRESS}/figures/") for one in page.all("img"))
    assert all(re.match("https?://", one["href"]) for one in page.all("a"))
    assert page.all("link") == [{"rel": "canonical", "href": f"{ADDRESS}/article.html"}]
    text = files["article.md"].decode()
    assert "](#" not in text and "$" not in re.sub(r"```.*?```|`[^`]*`|^!.*$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"^!\[", text, flags=re.MULTILINE)) == len(page.all("img"))


def test_what_one_copies_into_an_editor_is_in_a_file_of_its_own(article):
    note, files, page = article
    told = tomllib.loads(files["article.toml"].decode())
    assert told["title"] == note.title and told["language"] == note.language
    assert 1 <= len(told["tags"]) <= 5 and all(len(tag) <= 25 for tag in told["tags"])
    assert set(told["alt"]) == {one["src"].rpartition("/")[2] for one in page.all("img")}


def test_no_word_of_the_note_is_lost(article):
    note, _, page = article
    for section in note.sections:
        assert section.title in page.text
    for block in note.blocks():
        if isinstance(block, Prose) and not re.search(
            r"[$*`\[\]\\\"'#>|&]|---|\.\.\.|^\d|^- ", block.markdown, re.MULTILINE
        ):
            assert " ".join(block.markdown.split()) in " ".join(page.text.split())


def test_figures_are_as_large_as_twice_their_size_and_equations_as_wide_as_two_columns(article):
    note, files, _ = article
    name = note.figures()[0].figure.name
    svg = re.search(r'width="(\d+)', files[f"figures/{name}.svg"].decode())
    assert svg and medium_pictures.size(files[f"figures/{name}.png"])[0] == 2 * int(svg[1])
    sizes = [
        medium_pictures.size(content) for path, content in files.items() if re.match(r"figures/equation-.*png", path)
    ]
    assert sizes and {wide for wide, _ in sizes} == {2 * medium_pictures.COLUMN}


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("latex", "told"),
    [
        (r"\hat m_1 = g_1", "m̂₁ = g₁"),
        (r"\theta_{t-1}", "θₜ₋₁"),
        (r"\sqrt{1-\beta_2^t}", "√(1 − β₂ᵗ)"),
        (r"(1-x)^2", "(1 − x)²"),
        (r"\sum_{i=1}^n x_i", "∑ᵢ₌₁ⁿ xᵢ"),
        (r"\eta_{\min}", "ηₘᵢₙ"),
        (r"-\log q_y", "−log q_y"),
        (r"e^{-x^2}", "e^(−x²)"),
        ("3 × 10⁻⁵", "3 × 10⁻⁵"),
    ],
)
def test_mathematics_within_a_line_is_unicode(latex, told):
    assert readable(latex).replace("\N{NO-BREAK SPACE}", " ") == told


def test_what_unicode_cannot_lower_or_raise_stays_readable_and_is_no_markup():
    assert rewritten("so $q_y$ and $E[g](x)$") == "so *q\\_y* and *E\\[g\\](x)*"
    assert rewritten("code `$x$` and $2$, $5 and 6$") == "code `$x$` and 2, 5and6".replace(
        "5and6", rewritten("$5 and 6$")
    )


def test_links_within_a_note_become_words_and_others_stay():
    text = "see [figure 3](#figure-a), \\[[1](#source-b)\\], [there](https://example.org/a) and `[x](#y)`"
    assert led_out(text) == "see figure 3, \\[1\\], [there](https://example.org/a) and `[x](#y)`"
    assert led_out("[data](data.csv)", "https://example.org/n/") == "[data](https://example.org/n/data.csv)"


def test_sources_lead_to_their_addresses():
    assert linked("arXiv:1910.05446, 2019") == "[arXiv:1910.05446](https://arxiv.org/abs/1910.05446), 2019"
    assert linked("docs, keras.io/api/optimizers.") == (
        "docs, [keras.io/api/optimizers](https://keras.io/api/optimizers)."
    )
    assert linked("G. Goh, *Distill*, 2017.") == "G. Goh, *Distill*, 2017."


def test_tables_and_displayed_equations_of_markdown_are_blocks_of_their_own():
    words = "One.\n\n| a | b |\n|---|---|\n| 1 | $x$ |\n\nTwo.\n\n$$\nx^2\n$$\n\nThree."
    one, table, two, equation, three = unfolded(Prose(words))
    assert (one, two, three) == (Prose("One."), Prose("Two."), Prose("Three."))
    assert table == Table(("a", "b"), (("1", "$x$"),)) and equation == Equation("x^2")


def test_whatever_a_text_holds_is_words_and_no_markup():
    texts = [
        ("00-title.md", '# <b>"A" & B</b>\n\nSub <script>.'),
        ("10-a.md", '# T\n\n<img src=x> {{ figure("lines") }}'),
    ]
    note = compose(texts, {}, draw=lambda name: lines(name, 'It "is" <1> & [2].'), tables={})
    image = b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + (100).to_bytes(4, "big") + (50).to_bytes(4, "big")
    files = medium.article(note, {"lines.png": image}, lambda name: None)
    page = Read(files["article.html"].decode())
    assert {tag for tag, _ in page.elements} <= KEPT | PAGE and len(page.all("img")) == 1
    assert page.all("img")[0]["alt"] == 'It "is" <1> & [2].' and page.all("img")[0]["src"] == "figures/lines.png"
    assert "<img src=x>" in page.text
    assert '![It "is" \\<1\\> & \\[2\\].](figures/lines.png)' in files["article.md"].decode()


def test_tags_are_what_the_note_is_about_and_then_what_all_are_about():
    note = composed(1)()
    assert medium.tags(note) == ("Neural Networks", "Deep Learning", "Machine Learning", "PyTorch", "Data Science")
    note = type(note)(note.title, note.subtitle, "en", (), (), keywords=("mlp", "x" * 26, "cnn", "more"))
    assert medium.tags(note)[:3] == ("mlp", "cnn", "Neural Networks") and len(medium.tags(note)) == 5


# ── Addresses and races ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address", ["example.org", "ftp://x.org/a", "https://", "http://[", 'https://a/"b', "https://a/?q", "https://a/b)c"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigError, match="is no address"):
        check_formats(("medium",), None, address)


def test_an_address_without_an_article_is_refused():
    with pytest.raises(ConfigError, match="give --format medium"):
        check_formats(("html",), None, ADDRESS)


def test_a_race_plays_the_paths_that_its_figure_shows(made_up):
    image = pytest.importorskip("PIL.Image")
    race = medium_races.playing(made_up, "sgd-paths")
    assert race is not None
    with image.open(io.BytesIO(race.gif)) as gif:
        assert gif.n_frames > 20 and gif.size[0] >= medium_pictures.COLUMN
    assert "nesterov" in race.alt and re.search(r"\d", race.alt)
    assert medium_races.playing(made_up, "sgd-curves") is None


# ── A browser ─────────────────────────────────────────────────────────────────────────────────────────────

CHROMIUM = Path("/usr/bin/chromium")


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_in_other_languages_the_command_writes_the_whole_folder(made_up, tmp_path, language):
    found = write(made_up, tmp_path / "out", formats=("medium", "notebook"), lang=language, base_url=ADDRESS)
    page = Read(found.files["medium"].read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.elements} <= KEPT | PAGE and page.all("html")[0]["lang"] == language
    assert all((tmp_path / "out/medium" / one["src"].removeprefix(f"{ADDRESS}/")).is_file() for one in page.all("img"))
    assert len(list(found.files["notebook"].glob("*.ipynb"))) == 4


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_from_a_public_address_the_article_loads_every_picture(made_up, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/medium"
    text = [("00-title.md", "# T\n\nS."), ("10-a.md", "# A\n\n$$\nx^2\n$$\n\n| a |\n|---|\n| 1 |\n")]
    write(made_up, tmp_path, formats=("medium",), base_url=base, own=text)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--headless", "--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{base}/article.html")
        page.wait_for_load_state("load")
        widths = page.evaluate("() => [...document.images].map((one) => [one.src, one.naturalWidth])")
        browser.close()
    server.shutdown()
    server.server_close()
    assert len(widths) == 2 and all(src.startswith(base) and wide > 0 for src, wide in widths)
