r"""An equation as a tree of MathML, tidied so that browsers, Typst and words for the ear all read the same from it.

`latex2mathml` writes what browsers drew long ago. Here names of functions become operators with their spaces, limits
stand where LaTeX has them, letters of other alphabets become those of Unicode, accents and fences say what they are.
"""

from __future__ import annotations

import html
import re
import unicodedata
from xml.etree.ElementTree import Element

from passo.errors import ConfigError, require
from passo.notes.latex import check

SCRIPTS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
ACCENTS = {"ˆ": "hat", "¯": "macron", "˜": "tilde", "˙": "dot", "¨": "dot.double", "→": "arrow", "ˇ": "caron"}
ACCENTS |= {"˘": "breve", "´": "acute", "`": "grave", "˚": "circle", "‾": "overline", "⏞": "overbrace"}
BELOW = {"_": "underline", "⏟": "underbrace"}
CLOSING = ")]}⌋⌉⟩"
_ARITY = {**dict.fromkeys(("msub", "msup", "mover", "munder"), 2), "msubsup": 3, "munderover": 3}
_ROWS = ("math", "mrow", "mstyle", "mtd", "msqrt")
_MARKS = {"mover": {"^": "ˆ", "~": "˜", "―": "‾"}, "munder": {"―": "_"}}  # those of the library are large and low
_STRETCHED = "‾⏞_⏟"
_LARGE = frozenset("∑∏∐⋂⋃⋀⋁⨁⨂⨀⨄⨆")
_LIMITS = frozenset(["lim", "max", "min", "sup", "inf", "det", "gcd"])
_ORDINARY = frozenset("∞∅ℓ∂∇∀∃")
THIN = "0.167em"
_SPACES = {"negativethin": -3, "negativemedium": -4, "negativethick": -5, "thin": 3, "medium": 4, "thick": 5}
_ALPHABETS = {"bold": "BOLD", "double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "fraktur": "FRAKTUR"}
_ALPHABETS |= {"bold-italic": "BOLD ITALIC", "sans-serif": "SANS-SERIF", "monospace": "MONOSPACE"}
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_TEXT = re.compile(r"(\\text(?:rm|normal)?\s*\{[^}]*\})")
_UNITS = re.compile(r"(?<=\d)(?=\s*(?:in|mm|cm|pt|em|ex|pc|bp|dd|cc|sp|mu))")  # 2sp is a product here, and no length


def tree(latex: str, *, display: bool) -> Element:
    """An equation's MathML. Raises `ConfigError` where it does not parse: which, what is wrong, and where."""
    check(latex)
    convert = require("latex2mathml.converter", "notes").convert_to_element
    try:
        math: Element = convert(_plain(latex), display="block" if display else "inline")
    except (Exception, RecursionError) as error:  # whatever the library raises: it has thirteen kinds, without a word
        shown = " ".join(latex.split())[:60]
        raise ConfigError(f"the equation ${shown}$ does not parse: {type(error).__name__}") from error
    for node in list(math.iter()):
        _leaf(node)
        _whole(node)
    _tidy(math, display)
    return math


def _plain(latex: str) -> str:
    """What a computed number brings (`3 × 10⁻⁵`, `0,9`) as LaTeX; `aligned` by the name that the library knows."""
    parts = _TEXT.split(latex.replace("{aligned}", "{align*}"))
    for place in range(0, len(parts), 2):  # every other part is words, which stay as they are
        part = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: f"^{{{found[0].translate(_RAISED)}}}", parts[place])
        part = re.sub(r"(?<=\d),(?=\d)", "{,}", part.replace("\N{NO-BREAK SPACE}", r"\,"))
        parts[place] = _UNITS.sub("{}", part)
    return "".join(parts)


# ── Leaves ────────────────────────────────────────────────────────────────────────────────────────────────


def _leaf(node: Element) -> None:
    """Characters as themselves, and what they are: a letter, an operator, a word."""
    text = node.text = html.unescape(node.text) if node.text else ""
    if node.tag == "mi":
        _letter(node, text)
    elif node.tag == "mo":
        node.text = "−" if text == "-" else text
        if text in _ORDINARY:
            node.tag = "mi"
    elif node.tag == "mspace":
        name = node.get("width", "").removesuffix("mathspace")
        node.set("width", f"{_SPACES[name] / 18:.3f}em" if name in _SPACES else name)


def _whole(node: Element) -> None:
    """Something with an index has one base: of a matrix the library makes three, with its parentheses."""
    more = len(node) - _ARITY.get(node.tag, len(node))
    if more > 0:
        base = Element("mrow")
        base.extend(node[: more + 1])
        node[: more + 1] = [base]


def _letter(node: Element, text: str) -> None:
    variant = node.attrib.pop("mathvariant", "")
    if text == r"\arg" or (len(text) > 1 and text.isalpha()):
        node.tag, node.text = "mo", text.lstrip("\\")  # the name of a function
    elif text in (":", "~", "·") or (text not in _ORDINARY and unicodedata.category(text[:1] or " ") == "Sm"):
        node.tag, node.text = "mo", text.replace("~", "∼").replace("·", "⋅")
    elif variant in _ALPHABETS:
        node.text = _in_alphabet(text, _ALPHABETS[variant])
    elif variant == "normal" or re.fullmatch("[Α-Ω]", text):  # capitals of Greek stand upright
        node.set("mathvariant", "normal")


def _in_alphabet(letter: str, alphabet: str) -> str:
    """A letter of one of Unicode's mathematical alphabets; as it is where there is none.

    >>> _in_alphabet("E", "DOUBLE-STRUCK"), _in_alphabet("R", "DOUBLE-STRUCK"), _in_alphabet("+", "BOLD")
    ('𝔼', 'ℝ', '+')
    """
    name = unicodedata.name(letter[:1], "").replace("LATIN ", "").replace("GREEK ", "").replace(" LETTER", "")
    for full in (f"MATHEMATICAL {alphabet} {name}", f"{alphabet.replace('FRAKTUR', 'BLACK-LETTER')} {name}"):
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    return letter


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────────


def _tidy(node: Element, display: bool) -> None:
    """The node and all below it; `display` is whether sums are large and have their limits below and above."""
    display = _style(node, display)
    for place, child in enumerate(list(node)):
        first = node.tag in (*_ROWS, "mtable", "mtr") or place == 0
        _tidy(child, display and first and node.tag not in ("mfrac", "mroot"))
    if node.text in _LARGE and display:
        node.set("largeop", "true")
    if node.tag in SCRIPTS and display and _has_limits(node[0]):
        node.tag = SCRIPTS[node.tag]
    if node.tag in ("mover", "munder"):
        _accent(node)
    if node.tag in _ROWS:
        _joined(node)
        _fenced(node)
        _spaced(node)
    if node.tag == "mtr" and node[0].get("columnalign"):
        _aligned(node)


def _style(node: Element, display: bool) -> bool:
    if node.tag in ("mtable", "mstyle"):
        return node.get("displaystyle", "false" if node.tag == "mtable" else str(display).lower()) == "true"
    return display


def _has_limits(base: Element) -> bool:
    return base.text in _LARGE or base.text in _LIMITS or base.get("movablelimits") == "true"


def _accent(node: Element) -> None:
    """Signs upon a letter are accents, and only those that shall stretch do: hats and tildes over several letters."""
    base, mark = node
    if mark.tag != "mo":
        return
    mark.text = _MARKS[node.tag].get(mark.text or "", mark.text)
    if mark.text in (ACCENTS if node.tag == "mover" else BELOW):
        node.set("accent" if node.tag == "mover" else "accentunder", "true")
        wide = mark.text in _STRETCHED or (mark.text in ("ˆ", "˜", "ˇ") and len(base) > 1)
        mark.set("stretchy", str(wide).lower())


def _joined(row: Element) -> None:
    """Upright letters that stand together are a word, `0{,}9` is a number, and groups of nothing go."""
    kept: list[Element] = []
    for child in row if len(row) > 1 else ():
        if child.tag == "mrow" and len(child) == 0:
            continue
        if kept and kept[-1].get("mathvariant") == child.get("mathvariant") == "normal":
            kept[-1].text = f"{kept[-1].text}{child.text}"
        elif len(kept) > 1 and child.tag == kept[-2].tag == "mn" and [sign.text for sign in kept[-1]] == [","]:
            kept.pop()
            kept[-1].text = f"{kept[-1].text},{child.text}"
        else:
            kept.append(child)
    row[:] = kept or list(row)
    for child in row:
        if child.tag == "mi" and len(child.text or "") > 1:
            child.attrib.pop("mathvariant", None)  # words are upright by themselves


def _fenced(row: Element) -> None:
    """What stretches around a part of a row gets a row of its own with it: parentheses around a matrix."""
    for place in range(len(row) - 2):
        before, middle, after = row[place : place + 3]
        if middle.tag == "mtable" and before.tag == after.tag == "mo" and not before.get("fence"):
            for mark, form in ((before, "prefix"), (after, "postfix")):
                mark.attrib.update(stretchy="true", fence="true", form=form)
            fence = Element("mrow")
            fence.extend([before, middle, after])
            row[place : place + 3] = [fence]
            _fenced(row)
            return


def _spaced(row: Element) -> None:
    """The spaces of LaTeX, where browsers have others: around names of functions, a sign before a number, bars."""
    shown = [child for child in row if child.tag != "mspace"]
    for before, child, after in zip([None, *shown], shown, [*shown[1:], None], strict=False):
        mark = _core(child)
        if mark is None or mark.get("fence") == "true":
            continue
        if (mark.text or "") in "/|‖":
            mark.attrib.update(lspace="0em", rspace="0em")
        elif (mark.text or "") in "+−±∓" and not _is_operand(before):
            mark.set("form", "prefix")
        elif _is_name(mark):
            mark.set("form", "prefix")
            mark.set("lspace", THIN if _is_operand(before) else "0em")
            mark.set("rspace", THIN if after is not None and _takes_space(after) else "0em")


def _core(node: Element) -> Element | None:
    """The operator of a node, inside of its limits; None where it is none."""
    if node.tag in (*SCRIPTS, *SCRIPTS.values()):
        return _core(node[0])
    return node if node.tag == "mo" else None


def _is_name(mark: Element) -> bool:
    return re.sub("[\u2006\u2009]", "", mark.text or "").isalpha()


def _is_operand(node: Element | None) -> bool:
    """Whether a sign after it stands between two things, as in `a − b`, and not before one, as in `= −b`."""
    mark = None if node is None else _core(node)
    return node is not None and (mark is None or (mark.text or "") in f"{CLOSING}|‖!%")


def _takes_space(node: Element) -> bool:
    """Whether there is a space before it after the name of a function: none before `(` or what has its own."""
    mark = _core(node)
    opens = node.tag == "mrow" and len(node) > 0 and node[0].get("fence") == "true"
    return not opens and (mark is None or _is_name(mark))


def _aligned(row: Element) -> None:
    """Browsers no longer read how cells are aligned: it is said as style. Pairs of an equation's sides have no gap."""
    sides = [cell.get("columnalign") for cell in row]
    paired = sides[:2] == ["right", "left"]
    for place, cell in enumerate(row):
        gap = "0" if paired and place % 2 else ("2em" if paired and place else "")
        padding = f"; padding-left: {gap}" if gap else ""
        padding += "; padding-right: 0" if paired and place % 2 == 0 else ""
        side = cell.get("columnalign")
        cell.set("style", f"text-align: {side}; text-align: -webkit-{side}{padding}")
