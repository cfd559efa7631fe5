"""Whatever a study, a configuration, data or an author is called: it is printed as it stands, in every format."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

sys.path.append(str(Path(__file__).parent))

import any_study

from passo.errors import FolderInUse
from passo.notes import make, write
from passo.notes.content import Byline, Table
from passo.notes.markdown import block_markdown, plainly
from passo.notes.placing import MARK

NAMES = {
    "html": "<img src=x onerror=alert(1)>",
    "typst": '#read("note.typ") ] #{',
    "jinja": "{{ 7*7 }}{% for %}",
    "mathematics": "$$x$$ $x",
    "markdown": "[a](javascript:alert(1)) a|b *c* &lt;",
}


class _Tags(HTMLParser):
    """The elements of a page, each with its attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_printed_as_it_stands_in_every_format(kind: str, tmp_path: Path) -> None:
    name = NAMES[kind]
    study = any_study.study(tmp_path / "s", title=name, description=name, called=name)
    by = Byline((name,), name, "", name)
    written = write(study, tmp_path / "note", formats=("html", "pdf", "medium"), byline=by)
    page = _Tags(written.html.read_text(encoding="utf-8"))
    article = _Tags(written.files["medium"].read_text(encoding="utf-8"))
    for tags in (page, article):
        assert not [tag for tag, given in tags.found if "onerror" in given or "javascript" in (given.get("href") or "")]
        assert name in tags.words
    assert "img" not in [tag for tag, _ in page.found] and "math" not in [tag for tag, _ in article.found]
    read = MarkdownIt("commonmark", {"html": True}).enable("table").parse(written.markdown.read_text(encoding="utf-8"))
    inline = [one for token in read for one in token.children or ()]
    assert name in "".join(one.content for one in inline if one.type == "text")
    html = [one.content for one in (*read, *inline) if one.type.startswith("html")]
    assert not [one for one in html if not re.fullmatch(r'<a id="[\w-]+">|</a>', one)]


def test_tags_of_a_text_are_printed_and_code_mathematics_and_addresses_stay() -> None:
    assert plainly("a <img src=x> `b <i>` ``c ` <i>``") == r"a \<img src=x> `b <i>` ``c ` <i>``"
    assert plainly("$x<y$, $5 <b> $6, <https://x.org>, 3 < 4") == r"$x<y$, $5 \<b> $6, <https://x.org>, 3 < 4"
    assert plainly("a` <b>x` <!-- y --> </p>") == r"a` <b>x` \<!-- y --> \</p>"


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    line = block_markdown(Table(("a", "b"), ((r"x\|y", "`p|q`"),))).splitlines()[-1]
    assert line == r"| x\|y | `p\|q` |"


def test_a_title_of_two_lines_is_one_title(tmp_path: Path) -> None:
    note = make(any_study.study(tmp_path / "s", title="Two\nlines", description="What it is.\n\nAnd more."))
    assert (note.title, note.subtitle) == ("Two lines", "What it is.")


def test_a_mark_that_is_damaged_is_another_note_s(tmp_path: Path) -> None:
    study = any_study.study(tmp_path / "s")
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / MARK).write_bytes(b"\xff\xfe")
    with pytest.raises(FolderInUse, match="holds the note on"):
        write(study, tmp_path / "note")
