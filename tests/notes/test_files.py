from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shlex
from html.parser import HTMLParser

import pytest

from passo.errors import ConfigError, FolderInUse
from passo.notes import note as note_of
from passo.notes import write
from passo.notes.colophon import command
from passo.notes.content import Code, Equation, Note, Prose, Section, Table
from passo.notes.html import block_html, inline, mathml, slimmed
from passo.notes.markdown import block_markdown
from passo.notes.values import Values


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(written):
    return written.html.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_asks_for_nothing_from_outside(page, text):
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "action", "data"):
            if attributes.get(key) and tag != "math":
                assert re.match(r"#|figures/|data:,", attributes[key] or ""), (tag, attributes)
    assert "@import" not in text and "url(" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_policy_names_exactly_the_scripts_of_the_page(page, text):
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert policy is not None and digests == set(re.findall(r"'sha256-([^']+)'", policy))
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy


def test_the_page_is_below_three_megabytes(text):
    assert len(text.encode()) < 3_000_000


def test_every_figure_has_its_number_its_caption_and_its_sentence_as_label(page, text, note):
    labels = [d["aria-label"] for d in page.all("div") if d.get("role") == "img"]
    assert labels == [block.figure.sentence for block in note.figures()]
    assert all(label and len(label) > 30 for label in labels)
    assert re.findall(r"<strong>Figure (\d+)\.</strong>", text) == [str(n + 1) for n in range(len(labels))]


def test_the_contents_lead_to_every_section(page):
    anchors = {a["id"] for _, a in page.tags if a.get("id")}
    links = [a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")]
    assert len(links) > 10
    assert {(link or "")[1:] for link in links} <= anchors


def test_every_equation_is_mathml(page, note):
    displayed = sum(isinstance(block, Equation) for block in note.blocks())
    assert sum(m.get("display") == "block" for m in page.all("math")) == displayed >= 10


def test_equations_are_converted_whole(text):
    math = re.findall(r"<math.*?</math>", text, flags=re.DOTALL)
    assert math and not any("\\" in m or "&amp;" in m or re.search(r"<mi>&</mi>", m) for m in math)
    assert "$" not in re.sub(r"<script.*?</script>|<math.*?</math>|<pre.*?</pre>", "", text, flags=re.DOTALL)


def test_the_embedded_sample_is_told_at_the_top(text, written):
    for whole in (text, written.markdown.read_text(encoding="utf-8")):
        notice = whole.index("embedded sample of 3,000 real images")
        assert notice < whole.index("Training a neural network")


def test_the_colophon_says_versions_data_seeds_and_the_command(text):
    repeat = "passo note optimizers --dataset fashion-mnist-sample"
    for wanted in ("torch 2.13.0", "ab" * 32, "seeds 0, 1 and 2", repeat):
        assert wanted in text


def test_the_command_that_repeats_a_note_says_what_was_changed(build, tmp_path):
    model = {"name": "mlp", "hidden": [8, 8]}
    base = {"dataset": {"name": "my photos"}, "epochs": 2, "model": model}
    changed = build(tmp_path / "study", seeds=(0, 5), base=base)
    told = shlex.split(command(Values(changed)))  # what a shell makes of it
    assert told[:5] == ["passo", "note", "optimizers", "--dataset", "my photos"]
    assert told[6::2] == ["epochs=2", f"model={json.dumps(model)}", "seeds=[0,5]"]


def test_without_scripts_the_page_leads_to_the_pictures(text, written):
    fallbacks = re.findall(r"<noscript>(.*?)</noscript>", text, flags=re.DOTALL)
    assert "scripts are switched off here" in fallbacks[0]
    targets = re.findall(r'href="([^"]+)"', " ".join(fallbacks))
    assert len(targets) == len(written.figures) // 2
    assert all((written.html.parent / target).is_file() for target in targets)


def test_the_language_is_said(page):
    assert page.all("html")[0]["lang"] == "en"


def test_words_from_the_data_cannot_become_markup():
    table = Table(("<b>",), (("<script>alert(1)</script>",),))
    assert "<script" not in block_html(table) and "&lt;script" in block_html(table)
    assert "<i>" not in inline("<i>x</i>")
    assert block_html(Code("python", "a < b")) == '<pre><code class="language-python">a &lt; b</code></pre>\n'


def test_aligned_equations_become_a_table_of_two_columns():
    math = mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)
    assert math.count("<mtr>") == 2 and math.count("<mtd") == 4


def test_slimmed_numbers_keep_six_digits():
    assert slimmed({"a": [1.23456789, 5, "x", True, None]}) == {"a": [1.23457, 5, "x", True, None]}


# ── Markdown ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_link_of_the_markdown_leads_somewhere(written):
    whole = written.markdown.read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", whole)
    assert len(pictures) == len(written.figures) // 2 > 0
    for target in pictures:
        assert (written.markdown.parent / target).stat().st_size > 1000
    anchors = set(re.findall(r'<a id="([^"]+)">', whole))
    assert set(re.findall(r"\]\(#([^)]+)\)", whole)) <= anchors


def test_every_figure_is_there_as_png_and_svg(written):
    assert {path.suffix for path in written.figures} == {".png", ".svg"}
    for path in written.figures:
        start = path.read_bytes()[:4]
        assert start == b"\x89PNG" if path.suffix == ".png" else start == b"<svg"


def test_blocks_are_written_as_github_reads_them():
    assert block_markdown(Equation("x")) == "$$\nx\n$$"
    assert block_markdown(Code("python", "x")) == "```python\nx\n```"
    assert block_markdown(Table(("a", "b"), (("1|2", "3"),), "Of two.")) == (
        "*Of two.*\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 |"
    )


def test_a_table_whose_rows_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        Table(("a", "b"), (("1",),))


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────


def fake_note(made_up, **_):
    return Note("T", "S", "en", (Prose("Lead."),), (Section("a", "A", (Prose("x"),)),), "", (("k", "v"),))


def test_an_older_note_is_replaced_and_nothing_half_written_is_left(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr("passo.notes.make", fake_note)
    first = write(made_up, tmp_path / "out")
    first.html.write_text("old")
    again = write(made_up, tmp_path / "out")
    assert "Lead." in again.html.read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".passo-note",
        "figures",
        "note.html",
        "note.md",
    ]


def test_a_folder_with_other_things_is_refused_and_left_alone(made_up, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FolderInUse, match=r"holds other things \(thesis.tex\): give a folder of its own"):
        write(made_up, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_refused(made_up, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FolderInUse, match="is a file"):
        write(made_up, tmp_path / "out")


def test_a_note_can_be_had_as_text(made_up, monkeypatch):
    monkeypatch.setattr("passo.notes.make", fake_note)
    assert note_of(made_up).startswith("<!doctype html>")
    assert note_of(made_up, "markdown").startswith("# T\n\n*S*\n\nLead.\n\n## A")
    with pytest.raises(ConfigError, match="no format 'pdf': give one of html, markdown"):
        note_of(made_up, "pdf")


def test_titles_are_escaped_in_the_head(made_up, monkeypatch):
    def titled(*_, **__):
        return Note("a < b & `c`", "S", "en", (), ())

    monkeypatch.setattr("passo.notes.make", titled)
    assert f"<title>{html.escape('a < b & c')}</title>" in note_of(made_up)


def test_the_note_of_another_study_is_not_written_over(made_up, tmp_path):
    out = tmp_path / "note"
    out.mkdir()
    (out / ".passo-note").write_text("mine\n")
    with pytest.raises(FolderInUse, match="holds the note on mine: give a folder of its own to the note on optimizers"):
        write(made_up, out)
    assert [path.name for path in out.iterdir()] == [".passo-note"]
