"""A note as notebooks: the same text, every figure drawn anew, cells that run, and links that lead somewhere."""

import ast
import json
import re
from pathlib import Path

import pytest

from passo.language import LANGUAGES
from passo.notes import make
from passo.notes.content import Byline, FigureBlock, Prose
from passo.notes.notebook import OF_OPTIMIZERS, notebooks

nbformat = pytest.importorskip("nbformat")
COMMITTED = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module", params=LANGUAGES)
def both(request, made_up):
    """A note and its notebooks, in each language."""
    note = make(made_up, lang=request.param)
    return note, notebooks(note, "optimizers")


def words(notebook, kind: str = "markdown") -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == kind)


def plain(text: str) -> str:
    """Without links and space, which a notebook may write in another way."""
    return "".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).split())


def test_the_note_on_optimisers_makes_the_four_notebooks_and_each_is_valid(both):
    _, made = both
    assert list(made) == [part.name for part in OF_OPTIMIZERS]
    for notebook in made.values():
        nbformat.validate(notebook)


def test_all_sections_of_the_note_are_in_the_notebooks_word_for_word_and_once(both):
    note, made = both
    text = plain("".join(words(one) for one in made.values()))
    for section in note.sections:
        for block in section.blocks:
            if isinstance(block, Prose):
                assert text.count(plain(block.markdown)) == 1, block.markdown[:80]


def test_every_figure_is_drawn_by_a_cell_and_its_caption_stands_below(both):
    note, made = both
    drawn = [
        name for one in made.values() for name in re.findall(r'^show\("([\w-]+)"\)$', words(one, "code"), re.MULTILINE)
    ]
    placed = [b for section in note.sections for b in section.blocks if isinstance(b, FigureBlock)]
    assert sorted(drawn) == sorted(block.figure.name for block in placed)
    for block in placed:
        assert any(f"{block.number}.** {block.caption}"[:60] in words(one) for one in made.values())


def test_links_lead_to_places_of_the_same_notebook(both):
    _, made = both
    for notebook in made.values():
        text = words(notebook)
        places = set(re.findall(r'<a id="([\w-]+)"></a>', text))
        assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= places


def test_code_cells_are_python_and_short(both):
    _, made = both
    for notebook in made.values():
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ast.parse(cell.source)
                assert len(cell.source.splitlines()) <= 20, cell.source


def test_the_first_cell_installs_passo_without_naming_a_torch(both):
    _, made = both
    for notebook in made.values():
        first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert "passo[notes]" in first and "torch==" not in first


def test_badges_open_the_notebook_of_the_repository_that_is_given(made_up):
    note = make(made_up, byline=Byline(repository="https://github.com/someone/passo.git"))
    heading = words(notebooks(note, "optimizers")["02-sgd-variants"])
    assert "colab.research.google.com/github/someone/passo/blob/main/notebooks/en/02-sgd-variants.ipynb" in heading
    assert "Open in Kaggle" in heading
    assert "colab-badge" not in words(notebooks(make(made_up), "optimizers")["02-sgd-variants"])


@pytest.mark.parametrize(
    "repository", ['https://x.org/a", "b', "https://[x", "https://github.com/a) [b", "own machine"]
)
def test_a_repository_that_is_no_address_gets_into_no_cell(made_up, repository):
    notebook = notebooks(make(made_up, byline=Byline(repository=repository)), "optimizers")["02-sgd-variants"]
    assert 'install", "-q", "passo[notes]"]' in words(notebook, "code")
    assert repository not in words(notebook) + words(notebook, "code")


def test_any_other_study_makes_one_notebook(made_up):
    assert list(notebooks(make(made_up), "mine", ["epochs=2"])) == ["mine"]
    assert 'passo.study("mine", ["epochs=2"]).run()' in words(
        notebooks(make(made_up), "mine", ["epochs=2"])["mine"], "code"
    )


def test_the_committed_notebooks_are_executed_and_their_cells_are_those_of_the_text(both):
    note, made = both
    for name, notebook in made.items():
        path = COMMITTED / note.language / f"{name}.ipynb"
        there = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        cells = [cell for cell in there.cells if cell.cell_type == "code"]
        assert [c.source for c in cells] == [c.source for c in notebook.cells if c.cell_type == "code"], (
            "make notebooks"
        )
        assert all(cell.execution_count for cell in cells)
        assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
        pictures = sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
        assert pictures >= words(notebook, "code").count("show(") - 1, name
        assert path.with_suffix(".py").is_file()
        assert "/tmp/" not in json.dumps([cell.outputs for cell in cells])
