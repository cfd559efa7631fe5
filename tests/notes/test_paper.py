"""A note on paper: its pages, its letters, its fonts, its tags."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

sys.path.append(str(Path(__file__).parent))

from papers import LOREM, lines

from passo.errors import ConfigError
from passo.notes.content import Byline, Code, Equation, FigureBlock, Note, Prose, Section, Source, Table
from passo.notes.pdf import LONG, MARGIN, Layout, Paper, paper, pdf, pictures
from passo.notes.printed import LEAST, printed

TABLE = Table(("model", "parameters"), (("a", "1,234"), ("b", "1,250")), "What they cost.")


@pytest.fixture(scope="module")
def note() -> Note:
    first, second = lines("first", "The first alt text."), lines("second", "The second alt text.")
    return Note(
        "A title",
        "A subtitle",
        "en",
        (Prose("### Before all sections\n\n" + LOREM * 4 + r" See [Figure 1](#figure-first) and \[[1](#source-a)\]."),),
        (
            Section("one", "One", (Prose(LOREM * 14), FigureBlock(1, first), TABLE, Code("python", "x = 1"))),
            Section("two", "Two", (Prose(LOREM * 30), FigureBlock(2, second, "Own *words*.", wide=True))),
            Section("three", "Three", (Prose("- a point\n- another\n\n### Below\n\n" + LOREM * 20),)),
        ),
        byline=Byline(("Ana Lima", "Rui Sá"), "A course", "1 May 2026", "https://example.org"),
        sources=(Source(1, "a", "A. Author, *A paper*, 1998."),),
        keywords=("networks",),
    )


@pytest.fixture(scope="module")
def made(note: Note) -> Paper:
    return paper(note)


def test_the_pages_that_are_counted_are_those_of_the_file(made: Paper) -> None:
    assert made.pages == len(re.findall(rb"/Type ?/Page\b", pdf(made))) == 2


def test_every_page_has_ink_and_its_margins_have_none(made: Paper) -> None:
    ppi = 60
    for content in pictures(made, ppi):
        page = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L"))
        assert page.shape == pytest.approx((297 / 25.4 * ppi, 210 / 25.4 * ppi), abs=1)
        margin = int((MARGIN - 1) / 25.4 * ppi)  # punctuation may hang out by less than a millimetre
        assert (page[:, :margin] == 255).all() and (page[:, -margin:] == 255).all()
        assert (page[margin:-margin, margin:-margin] < 128).mean() > 0.01


def with_a_rule(made: Paper, least: float) -> Paper:
    """The same file, which refuses to be compiled where a letter is smaller."""
    source = made.files["note.typ"].decode()
    rule = f"#show text: it => context {{ assert(text.size >= {least}pt, message: repr(it)); it }}\n"
    place = source.index("#heading-block")
    return replace(made, files={**made.files, "note.typ": (source[:place] + rule + source[place:]).encode()})


def test_no_letter_of_the_text_is_below_ten_points(made: Paper, note: Note) -> None:
    pdf(with_a_rule(made, 10))
    with pytest.raises(Exception, match="assert"):
        pdf(with_a_rule(paper(note, Layout(size=9)), 10))


@pytest.mark.parametrize("width", [240, 300, 496])
def test_letters_of_a_chart_stay_legible_however_narrow_it_is(width: float) -> None:
    drawn = printed(lines(), width)
    assert drawn.width == width and drawn.smallest >= LEAST
    assert "A title" not in drawn.svg, "the caption says it"


def test_a_chart_is_laid_out_anew_and_not_scaled_down() -> None:
    narrow, wide = (printed(lines(), width) for width in (240, 480))
    assert narrow.smallest == pytest.approx(wide.smallest, rel=0.02)
    assert narrow.height > 0.55 * wide.height
    assert printed(lines(), 240, 0.6).height < 0.75 * narrow.height


def test_fonts_are_those_that_typst_carries_and_are_embedded(made: Paper) -> None:
    content = pdf(made)
    descriptors = re.findall(rb"/Type/FontDescriptor.*?endobj", content, re.DOTALL)
    assert descriptors and all(b"/FontFile" in found for found in descriptors)
    names = {name.decode() for name in re.findall(rb"/FontName/\w+\+([\w-]+)", content)}
    assert names and all(re.match("Libertinus|DejaVuSansMono|NewCM", name) for name in names), names


def test_every_figure_has_its_alt_text_and_the_file_is_tagged(made: Paper) -> None:
    content = pdf(made)
    assert b"/StructTreeRoot" in content and b"/Alt" in content
    for sentence in (b"The first alt text.", b"The second alt text."):
        assert sentence in content


def test_title_authors_language_and_keywords_are_in_the_file(made: Paper) -> None:
    content = pdf(made)
    for wanted in ("A title", "Ana Lima", "Rui Sá", "networks"):
        assert wanted.encode() in content
    assert re.search(rb"/Lang ?\(en\)", content)


def test_the_same_note_gives_the_same_bytes(note: Note, made: Paper) -> None:
    assert pdf(paper(note), when=1.7e9) == pdf(made, when=1.7e9)
    assert pdf(made, when=1.7e9) != pdf(made, when=1.6e9)


def test_a_note_without_authors_is_set_without_a_gap(note: Note) -> None:
    alone = paper(replace(note, byline=Byline()))
    assert ", none, none)" in alone.files["note.typ"].decode() and pdf(alone)


def test_an_equation_has_its_number_its_place_and_words_for_the_ear(note: Note) -> None:
    lead = (Prose("So $x^2$ in [(3)](#equation-half)."), Equation(r"y = \frac{1}{2}", 3, "half"))
    made = paper(replace(note, lead=lead))
    source, content = made.files["note.typ"].decode(), pdf(made)
    assert "numbering: _ => [(3)]" in source and "<equation-half>" in source
    assert b"/Formula" in content and b"(x^2)" in content
    assert "y = 1 / 2" in source and b"y = 1 / 2" in content


def test_one_column_takes_figures_as_wide_as_the_page(note: Note) -> None:
    found = paper(note, LONG).figures
    assert found["first"].width == found["second"].width == Layout().width(True)
    with pytest.raises(ConfigError, match="one or two columns, got 3"):
        Layout(columns=3)
