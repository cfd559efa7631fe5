r"""An equation's tree as Typst's markup, and as words on one line.

Every sign is written as an escape (`\u{3b8}`) and every word as a string, so that nothing in an equation is ever code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

from passo.errors import ConfigError
from passo.notes.mathtree import ACCENTS, BELOW

EMPTY = '""'
_ROWS = ("math", "mrow", "mstyle", "mtd")
_STYLES = {("true", "0"): "display", ("false", "0"): "inline", ("false", "1"): "script", ("false", "2"): "sscript"}
_COMBINING = {"ˆ": "\u0302", "¯": "\u0304", "˜": "\u0303", "˙": "\u0307", "¨": "\u0308", "→": "\u20d7", "ˇ": "\u030c"}
_CLOSE = "()[]{}|‖⌊⌋⌈⌉⟨⟩!/.:′"


def literal(text: str) -> str:
    r"""A string of Typst's code: quotes and backslashes escaped, control characters as spaces.

    >>> print(literal('a "b" \\ #c'))
    "a \"b\" \\ #c"
    """
    plain = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", " ", text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ── Typst ─────────────────────────────────────────────────────────────────────────────────────────────────


def typst(node: Element) -> str:
    r"""A tree in Typst's mathematical mode, without the dollars. Raises `ConfigError` for an element it lacks.

    >>> from passo.notes.mathtree import tree
    >>> print(typst(tree(r"\frac{x}{2}", display=True)))
    frac(\u{78},"2")
    """
    if node.tag not in _TYPST:
        raise ConfigError(f"a PDF has no way to set {node.tag!r} of MathML: give --format html")
    return _TYPST[node.tag](node)


def _row(node: Element) -> str:
    if node.tag == "mstyle" and len(node) == 1 and node[0].tag == "mtable":
        return _table(node[0], "script")
    inside = "".join(map(typst, node)) or EMPTY
    if any(child.get("fence") == "true" and child.get("form") for child in node):
        inside = f"lr({inside})"
    style = _STYLES.get((node.get("displaystyle", ""), node.get("scriptlevel", "")))
    return f"{style}({inside})" if style else inside


def _sign(node: Element) -> str:
    """A letter, or several that are a word. Single ones are slanted by Typst itself where mathematics has them so."""
    text = node.text or ""
    if len(text) != 1:
        return literal(text) if text else ""
    sign = f"\\u{{{ord(text):x}}}"
    return f"upright({sign})" if node.get("mathvariant") == "normal" else sign


def _operator(node: Element) -> str:
    text = node.text or ""
    if text[:1].isalpha():
        return f"op({literal(text)})"
    sign = _sign(node) if text else ""
    if node.get("minsize"):
        return f"lr(size:#{node.get('minsize')},{sign})"
    return f"mid({sign})" if sign and node.get("fence") == "true" and not node.get("form") else sign


def _space(node: Element) -> str:
    return f"#h({float(node.get('width', '0em').removesuffix('em') or 0):.3f}em)"


def _script(node: Element) -> str:
    where = {"msub": "b", "msup": "t", "munder": "b", "mover": "t"}.get(node.tag, "bt")
    base, *rest = node
    kind = "scripts" if node.tag.startswith("ms") else "limits"
    told = ",".join(f"{side}:{typst(child)}" for side, child in zip(where, rest, strict=True))
    return f"attach({kind}({typst(base) or EMPTY}),{told})"


def _over(node: Element) -> str:
    """An accent, a brace with what is said of it, or what stands above or below."""
    base, mark = node
    names = ACCENTS if node.tag == "mover" else BELOW
    if node.get("accent" if node.tag == "mover" else "accentunder"):
        narrow = "size:#0%," if mark.get("stretchy") == "false" else ""
        return f"{names[mark.text or '']}({narrow}{typst(base)})"
    if base.get("accent", base.get("accentunder")) and base[1].text in ("⏞", "⏟"):
        return f"{typst(base).removesuffix(')')},{typst(mark)})"
    return _script(node)


def _fraction(node: Element) -> str:
    above, below = map(typst, node)
    if node.get("linethickness") == "0":
        return f"mat(delim:#none,{above};{below})"
    return f"frac({above},{below})"


def _table(node: Element, style: str = "") -> str:
    style = "display" if node.get("displaystyle") == "true" else style
    rows = ";".join(_cells(row, style) for row in node)
    sides = [cell.get("columnalign") for cell in node[0]]
    gap = "2em" if sides[:2] == ["right", "left"] else "1em"
    return f"mat(delim:#none,row-gap:#0.6em,column-gap:#{gap},{rows})"


def _cells(row: Element, style: str) -> str:
    """The cells of a row. Two sides of an equation are one cell, since Typst aligns them at the sign between them."""
    sides = [cell.get("columnalign") for cell in row]
    told = [f"{style}({typst(cell)})" if style else typst(cell) for cell in row]
    if sides[:2] == ["right", "left"] or sides == ["right"]:
        return ",".join("&".join(told[place : place + 2]) for place in range(0, len(told), 2))
    around = {"left": "&{}", "right": "{}&"}
    return ",".join(around.get(side or "", "{}").format(cell) for side, cell in zip(sides, told, strict=True))


_TYPST: dict[str, Callable[[Element], str]] = {
    **dict.fromkeys(_ROWS, _row),
    **dict.fromkeys(("msub", "msup", "msubsup", "munderover"), _script),
    **dict.fromkeys(("mover", "munder"), _over),
    "mi": _sign,
    "mn": lambda node: literal(node.text or ""),
    "mo": _operator,
    "mtext": lambda node: literal(node.text or ""),
    "mspace": _space,
    "mfrac": _fraction,
    "msqrt": lambda node: f"sqrt({_row(node)})",
    "mroot": lambda node: f"root({typst(node[1])},{typst(node[0])})",
    "mtable": _table,
}


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────


def words(node: Element) -> str:
    r"""A tree on one line, for those who hear it or whose device draws no mathematics.

    >>> from passo.notes.mathtree import tree
    >>> print(words(tree(r"\hat m_t = \frac{m_t}{1-\beta^t}", display=True)))
    m̂_t = m_t / (1 − β^t)
    """
    return _one_line(_told(node))


def _told(node: Element) -> str:
    if node.tag in ("msub", "msup", "msubsup", "munderover"):
        return _indexed(node)
    if node.tag in ("mover", "munder"):
        return _marked(node)
    if node.tag == "mfrac":
        return f" {(' over ' if node.get('linethickness') == '0' else ' / ').join(map(_grouped, node))} "
    if node.tag == "msqrt":
        return "√" + _bracketed("".join(map(_told, node)))
    if node.tag == "mroot":
        return f" root {_grouped(node[1])} of {_grouped(node[0])} "
    if node.tag == "mtable":
        return "; ".join(" ".join(map(_told, row)) for row in node)
    if node.tag == "mspace":
        return "" if node.get("width", "").startswith("-") else " "
    return _operation(node) if node.tag == "mo" else (node.text or "") + "".join(map(_told, node))


def _operation(node: Element) -> str:
    """An operator with spaces around it, where it is none that stands close."""
    text = node.text or ""
    if text in _CLOSE or (node.get("form") == "prefix" and not text.isalpha()):
        return text
    return f"{text} " if text in ",;" else f" {text} "


def _indexed(node: Element) -> str:
    told = words(node[0])
    for mark, child in zip("^" if node.tag == "msup" else "_^", node[1:], strict=False):
        prime = words(child)
        told += prime if not prime.strip("′″‴") else mark + _grouped(child)
    return f"{' ' if node[0].tag == 'mo' else ''}{told} "


def _marked(node: Element) -> str:
    base, mark = node
    if node.get("accent") and mark.text in _COMBINING and len(words(base)) == 1:
        return words(base) + _COMBINING[mark.text]
    if node.get("accent") or node.get("accentunder"):
        return f"{_grouped(base)} with {words(mark)} "
    return f" {words(base)}{'^' if node.tag == 'mover' else '_'}{_grouped(mark)} "


def _grouped(node: Element) -> str:
    return _bracketed(_told(node))


def _bracketed(told: str) -> str:
    """In parentheses, where there is more than a sign, a number or a word with what hangs on it."""
    told = _one_line(told)
    return f"({told})" if any(sign in told for sign in " +−=/,(") else told


def _one_line(told: str) -> str:
    """Spaces where one would type them."""
    told = re.sub(r"\s+", " ", told).strip()
    return re.sub(r" (?=[),;\]])|(?<=[(\[]) ", "", told)
