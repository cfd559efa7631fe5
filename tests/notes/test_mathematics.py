"""LaTeX is read once; MathML, Typst and words come from the same tree; what is wrong is told with its place."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest

sys.path.append(str(Path(__file__).parent))

from papers import lines

from passo.errors import ConfigError, StoreError
from passo.notes import formulas, mathematics
from passo.notes.content import Equation, Prose, Table
from passo.notes.html import block_html
from passo.notes.markdown import block_markdown
from passo.notes.mathematics import mathml, typst, words
from passo.notes.mathset import typst as markup_of
from passo.notes.mathtree import tree
from passo.notes.text import TEXTS, compose

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"


def written_in_texts() -> list[tuple[str, bool]]:
    """Every equation of the texts, in every language; what Jinja puts in is a number here."""
    found: dict[tuple[str, bool], None] = {}
    for path in sorted(TEXTS.glob("*/*/*.md")):
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"\{%.*?%\}", "", re.sub(r"\{\{.*?\}\}", "1.5 × 10⁻⁸", text, flags=re.DOTALL), flags=re.DOTALL)
        found |= dict.fromkeys(formulas.equations(Prose(text)))
    return list(found)


WRITTEN = written_in_texts()
OTHERS = (
    r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{else} \end{cases}",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}^{-1} \begin{array}{lcr} a & b & c \end{array}",
    r"\min_{w} \underbrace{a+b}_{n} \overbrace{a}^{n} \hat m \bar g \overline{ab} \vec x \tilde x \dot x \widehat{xyz}",
    r"\operatorname{sign}(x) \operatorname*{arg max}_w \arg\max_w \sin^2 x \log\log x \Pr(x) a \bmod b",
    r"\mathbf{W} \mathbb{R} \mathbb{ER} \mathcal{L} \mathrm{KL} \mathfrak{g} \mathsf{x} \mathtt{x} \boldsymbol{\theta}",
    r"\bigl( x \Bigr) \binom{a}{b} \sqrt[3]{x} \dfrac12 \tfrac12 \overset{!}{=}",
    r"\underset{x}{a} \sum_{\substack{i \\ j}} ^2x",
    r"\left\{ \frac{x}{2} \right. \left.\frac{a}{b}\right|_{x=0} \left( \frac{a}{b} \middle| c \right)",
    r"\|x\| \lVert x\rVert \lfloor x \rfloor \langle x \rangle",
    r"x'_t f''(x) {}^2x \nabla_\theta \partial x : y \dots \infty \ell \odot \le \ne \to \sim \approx \% \_ \{ \}",
    r"\lim\limits_{t\to\infty} \prod_i \int_0^1 \textstyle\sum_k \displaystyle\sum\nolimits_k",
)
ALL = [*WRITTEN, *((latex, display) for latex in OTHERS for display in (True, False))]


def test_there_are_equations_to_try():
    assert sum(display for _, display in WRITTEN) >= 15 and len(WRITTEN) > 60


def test_every_equation_is_mathml_and_typst_and_words_without_anything_of_latex_left():
    for latex, display in ALL:
        root = ElementTree.fromstring(mathml(latex, display=display))
        assert root.tag == f"{NAMESPACE}math" and root.get("display") == ("block" if display else "inline")
        assert "\\" not in "".join(root.itertext()) and "\\" not in words(latex), latex
        signs = re.sub(r"\\u\{[0-9a-f]+\}", "", markup_of(tree(latex, display=display)))
        assert "\\" not in signs and "$" not in signs, latex


def test_typst_compiles_every_equation_and_every_picture_has_ink():
    for display in (True, False):
        chosen = [latex for latex, displayed in ALL if displayed is display]
        found = mathematics.pictures(chosen, display=display, ppi=120)
        assert len(found) == len(chosen)
        for latex, content in zip(chosen, found, strict=True):
            assert (np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L")) < 128).any(), latex


# ── What a tree is ────────────────────────────────────────────────────────────────────────────────────────


def signs(latex: str) -> str:
    """Typst's markup with the letters in the place of their escapes."""
    plain = markup_of(tree(latex, display=True))
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), plain)


@pytest.mark.parametrize(
    "latex, wanted",
    [
        (r"\frac{x}{2}", 'frac(x,"2")'),
        (r"\hat m_t^2", 'attach(scripts(hat(size:#0%,m)),b:t,t:"2")'),
        (r"\sum_{k=0}^N k", 'attach(limits(∑),b:k="0",t:N)k'),
        (r"\frac{\sum_k k}{2}", 'frac(attach(scripts(∑),b:k)k,"2")'),
        (r"\max_w w", 'attach(limits(op("max")),b:w)w'),
        (r"\mathrm{KL}(p)", '"KL"(p)'),
        (r"\Delta\theta", "upright(Δ)θ"),
        (r"\mathbb{E}[g] \mathbb{R}", "𝔼[g]ℝ"),
        (r"\sqrt[3]{x}", 'root("3",x)'),
        (r"\left(\frac12\right)", 'lr((frac("1","2")))'),
        (r"a\,b\quad c", "a#h(0.167em)b#h(1.000em)c"),
        (
            r"\text{2 cm, 0,9 × 10⁻⁵}",
            '"2\N{NO-BREAK SPACE}cm,\N{NO-BREAK SPACE}0,9\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁵"',
        ),
        (r"a ± b ≤ c · d", "a±b≤c⋅d"),
        (r"\widehat{xyz}", "hat(xyz)"),
        (r"\underbrace{a}_{n}", "underbrace(a,n)"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "display(a)&display(=b);display(c)&display(=d)"),
        (r"2sp", '"2"sp'),
        (r"0,9", '"0,9"'),
        (r"0, 9", '"0","9"'),
        (r"3 × 10⁻⁵ = −1", '"3"×attach(scripts("10"),t:−"5")=−"1"'),
    ],
)
def test_an_equation_has_its_typst(latex, wanted):
    assert wanted in signs(latex)


def marks(latex: str) -> dict[str, ElementTree.Element]:
    return {node.text or "": node for node in tree(latex, display=True).iter("mo")}


def test_spaces_are_those_of_latex():
    assert marks(r"p \log q")["log"].attrib == {"form": "prefix", "lspace": "0.167em", "rspace": "0.167em"}
    assert marks(r"\max(a, b)")["max"].get("rspace") == "0em"
    assert marks("a = -b")["−"].get("form") == "prefix"
    assert marks("a - b")["−"].get("form") is None
    assert marks("|a| / b")["|"].get("lspace") == marks("a / b")["/"].get("rspace") == "0em"


def test_limits_stand_below_where_the_equation_is_displayed():
    for display, tag in ((True, "munder"), (False, "msub")):
        assert tree(r"\min_w w", display=display).find(f".//{tag}") is not None


def test_an_accent_says_that_it_is_one_and_only_wide_ones_stretch():
    found = {node[1].text: node for node in tree(r"\hat m \bar g \overline{ab}", display=True).iter("mover")}
    assert all(node.get("accent") == "true" for node in found.values())
    assert {mark: node[1].get("stretchy") for mark, node in found.items()} == {"ˆ": "false", "¯": "false", "‾": "true"}


def test_words_are_what_one_would_type():
    assert words(r"\theta_t = \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}") == (
        "θ_t = θ_(t − 1) − η m̂_t / (√v̂_t + ε)"
    )


# ── Nothing of an equation is ever code ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "latex",
    [
        r'\text{#panic("ran")}',
        r'\text{a" #panic("ran") "}',
        r'\text{]; #panic("ran"); [ */ // <label> @reference}',
        r'\#\text{panic}("ran") \$',
        "a\\_b \\& c ; d",
        r"\text{<script>alert(1)</script>} a < b",
    ],
)
def test_what_looks_like_typst_or_html_is_shown_and_not_run(latex):
    assert len(mathematics.pictures([latex], ppi=60)) == 1
    assert "<script" not in mathml(latex, display=True)
    ElementTree.fromstring(mathml(latex, display=True))


# ── What does not parse ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "latex, message",
    [
        (
            r"x = \foo + 1",
            r"the equation \$x = \\foo \+ 1\$ does not parse at character 5, near “.*”: unknown command \\foo",
        ),
        (r"\fracc{a}{b}", r"unknown command \\fracc \(did you mean \\frac\?\)"),
        (r"\alhpa", r"unknown command \\alhpa \(did you mean \\alpha\?\)"),
        (r"1 + \frac{a}", r"at character 5, .*: \\frac lacks its second argument"),
        (r"\sqrt[3]", r"\\sqrt lacks its argument"),
        (r"\hat", r"\\hat lacks its argument"),
        (r"{x^} + 1", r"at character 3, .*: \^ lacks what stands there"),
        (r"1 + {a", r"at character 5, .*: \{ is not closed"),
        (r"\frac{a}{b", r"at character 9, .*: \{ is not closed"),
        (r"a}", r"at character 2, .*: \} closes nothing"),
        (r"x_1_2", "at character 4, .*: a second subscript on one sign: use braces"),
        (r"a & b", "at character 3, .*: & outside of aligned, cases or a matrix"),
        (r"a \\ b", r"\\\\ outside of aligned"),
        (r"\left( x", r"at character 1, .*: \\left is not closed"),
        (r"x \right)", r"\\right closes nothing"),
        (r"\left x \right)", r"\\left lacks its delimiter"),
        (r"\begin{foo} a \end{foo}", "unknown environment 'foo': give one of aligned, split, cases"),
        (r"\begin{aligned} a \end{cases}", r"\\begin\{aligned\} is closed by \\end\{cases\}"),
        (r"\begin{aligned} a", r"\\begin\{aligned\} is not closed"),
        (r"5 %", r"at character 3, .*: a bare % \(write \\%\)"),
        (r"\text{a $x$}", r"\\text holds '\$'"),
        (r"\def\x{1}", r"unknown command \\def"),
        (r"\href{javascript:1}{x}", r"unknown command \\href"),
        ("", "there is nothing in it"),
        ("{" * 3000 + "}" * 3000, "at character 41, .*: more than 40 groups one in the other"),
    ],
)
def test_an_equation_that_does_not_parse_is_told_with_its_place(latex, message):
    with pytest.raises(ConfigError, match=message):
        mathml(latex, display=True)


@pytest.mark.parametrize("body", [r"So $\foo$ is.", "$$\n\\foo\n$$", r'{{ table("t") }}', r"- a list, $\foo$"])
def test_it_is_told_with_the_file_when_the_note_is_composed(body):
    told = r"section 10-part\.md of the note(, line \d)?: the equation \$\\foo\$ does not parse at"
    with pytest.raises(ConfigError, match=told):
        composed(body)


def test_an_element_that_no_writer_knows_names_itself():
    with pytest.raises(ConfigError, match="no way to set 'menclose' of MathML"):
        markup_of(ElementTree.Element("menclose"))


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────────


def composed(body):
    sources = [("00-title.md", "# Title\n\nA subtitle."), ("10-part.md", f"# Part\n\n{body}")]
    return compose(sources, {}, draw=lines, tables={"t": lambda: Table((r"$\foo$",), ())})


def test_displayed_equations_are_numbered_and_referred_to_by_name_before_or_after():
    blocks = (
        composed('See {{ equation("two") }}.\n\n$$\na\n$$\n\n$$ b $$ (two)\n\nAgain {{ equation("two") }}.')
        .sections[0]
        .blocks
    )
    assert blocks == (
        Prose("See [(2)](#equation-two)."),
        Equation("a", 1),
        Equation("b", 2, "two"),
        Prose("Again [(2)](#equation-two)."),
    )


def test_a_reference_to_no_equation_and_a_name_given_twice_are_errors():
    with pytest.raises(StoreError, match="refers to the equation 'x', which it does not place"):
        composed('{{ equation("x") }}')
    with pytest.raises(StoreError, match="the equation 'x' is placed twice"):
        composed("$$ a $$ (x)\n\n$$ b $$ (x)")


def test_the_number_and_the_place_are_in_every_format():
    equation = Equation("x", 3, "half")
    assert block_markdown(equation) == '<a id="equation-half"></a>\n\n$$\nx \\tag{3}\n$$'
    assert '<div class="equation" id="equation-half"><math' in block_html(equation)
    assert '<span class="tag">(3)</span>' in block_html(equation)
    assert "numbering: _ => [(3)]" in typst("x", display=True, number=3)


def test_pictures_are_cut_close_and_as_large_as_asked():
    small, large = (PIL.Image.open(io.BytesIO(mathematics.pictures(["x^2"], ppi=ppi)[0])) for ppi in (96, 192))
    assert small.width < 60 and small.height < 60
    assert large.width == pytest.approx(2 * small.width, abs=2)
    drawn = mathematics.drawings(["x^2", r"\frac12"])
    assert len(drawn) == 2 and all(one.startswith("<svg") for one in drawn) and mathematics.pictures([]) == []
