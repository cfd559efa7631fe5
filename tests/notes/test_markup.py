"""Markdown becomes Typst markup, and nothing that a note says is ever taken for markup."""

from __future__ import annotations

import doctest

import pytest

from passo.errors import ConfigError
from passo.notes import formulas, latex, markup, mathematics, mathset, mathtree
from passo.notes.content import Byline, Note, Prose, Section, Table
from passo.notes.pdf import paper, pdf

NASTY = (
    '#panic("ran")',
    ']; #panic("ran"); [',
    '"; #panic("ran"); "',
    '\\"; #panic("ran"); #"',
    "a $ and #panic(1), unclosed",
    "*not bold* _not italic_ `not code`",
    "<label> @reference // comment /* comment */",
    "= heading",
    "a\nb\u2028c\x00d",
    "](javascript:x) [x](y)",
)


@pytest.mark.parametrize("module", [markup, formulas, latex, mathematics, mathset, mathtree])
def test_the_examples_are_true(module):
    failures, tried = doctest.testmod(module)
    assert tried >= 1 and failures == 0


@pytest.mark.parametrize("nasty", NASTY)
def test_what_looks_like_typst_is_printed_and_not_run(nasty):
    """`#panic` would end the compilation with its words, an unclosed bracket with a complaint."""
    note = Note(
        "T",
        "S",
        "en",
        (Prose(nasty),),
        (Section("a", nasty.replace("\n", " "), (Table((nasty, "b"), ((nasty, "1"),), nasty),)),),
        notice=nasty,
        colophon=((nasty, nasty),),
        byline=Byline((nasty, nasty), nasty, nasty, nasty),
        keywords=(nasty,),
    )
    assert paper(note).pages == 1


def test_an_author_stands_in_the_file_as_typed():
    note = Note("T", "S", "en", (), (), byline=Byline(('#eval("1/0") ]', "Zoe")))
    content = pdf(paper(note))
    assert b"#eval(&quot;1/0&quot;) ]" in content or b'#eval("1/0") ]' in content


@pytest.mark.parametrize(
    "markdown, typst",
    [
        ("*a* **b** `c`", '#emph[#"a";];#" ";#strong[#"b";];#" ";#raw("c");'),
        ("[a](https://x.org)", '#link("https://x.org")[#"a";];'),
        ("[Figure 1](#figure-x)", '#link(label("figure-x"))[#"Figure 1";];'),
        ('"quoted"', '#"“quoted”";'),
        ("<script>", '#"<script>";'),
    ],
)
def test_inline_markdown_has_its_typst(markdown, typst):
    assert markup.inline(markdown) == typst


def test_lists_headings_and_tables_have_their_typst():
    assert markup.blocks("- a\n- b") == '#list([#"a";\n\n],[#"b";\n\n],);\n\n'
    assert markup.blocks("### h") == '#heading(level: 2)[#"h";];\n\n'
    table = markup.blocks("| a | b |\n|---|---|\n| 1 | 2 |")
    assert table.startswith('#table(columns: 2,table.header([#"a";],[#"b";],\n),[#"1";],[#"2";],')


def test_mathematics_is_set_with_words_for_the_ear():
    assert markup.inline("so $x^2$") == ('#"so ";#math.equation(alt: "x^2", $attach(scripts(\\u{78}),t:"2")$.body);')
    assert markup.blocks("- a\n\n  $$x$$").count("math.equation(block: true, ") == 1


def test_what_a_pdf_cannot_show_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="no way to show 'image' of Markdown: give --format html"):
        markup.inline("![a](b.png)")
    with pytest.raises(ConfigError, match="does not parse"):
        markup.inline(r"so $\foo$ is")


def test_lines_of_a_listing_stay_lines():
    assert markup.code('a = "1"\nb', "python") == (
        '#raw(block: true, lang: "python", ("a = \\"1\\"", "b",).join("\\n"));\n\n'
    )
