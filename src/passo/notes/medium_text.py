r"""Words of a note for places that keep only letters, emphasis and links: mathematics in a line becomes Unicode.

Medium and Substack draw no mathematics and have no raised letters. Unicode has: most of what a sentence needs (θₜ₋₁,
βᵗ, √v̂) can be written as text, and is read aloud, found and copied as such.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from passo.notes.content import Block, Equation, Prose, Table
from passo.notes.html import plain
from passo.notes.markup import reader
from passo.notes.mathset import words
from passo.notes.mathtree import tree

_PLAIN = "0123456789+−=()aehijklmnoprstuvxβγρφχ"
LOWERED = dict(zip(_PLAIN, "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_PLAIN = "0123456789+−=()abcdefghijklmnoprstuvwxyzβγδθφχ′∗*"
RAISED = dict(zip(_PLAIN, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵝᵞᵟᶿᵠᵡ′**", strict=True))
_SIGNS = {"msub": (LOWERED,), "msup": (RAISED,), "msubsup": (LOWERED, RAISED)}
_SIGNS |= {"munder": (LOWERED,), "munderover": (LOWERED, RAISED)}
_SHORT = 24  # letters that stay on one line
_CODE_OR_MATH = re.compile(r"(```.*?```|`+[^`]*`+)|(?<![\\$])\$(?![\s$])((?:\\.|[^$\\])+?)(?<!\s)\$(?!\$)", re.DOTALL)
_CODE_OR_LINK = re.compile(r"(```.*?```|`+[^`]*`+)|(?<!!)\[((?:\\.|[^\[\]\\])*)\]\(([^()\s]+)\)", re.DOTALL)
_ADDRESS = re.compile(r"\barXiv:(\d{4}\.\d{4,5})|(?<![\w/.@])((?:[\w-]+\.)+(?:io|org|com|ai|dev|net)(?:/[\w./-]*\w)?)")


@functools.lru_cache(4096)
def readable(latex: str) -> str:
    r"""An equation as one line of Unicode. Raises `ConfigError` where it does not parse.

    >>> print(readable(r"\hat m_t/\sqrt{\hat v_t}"), readable(r"\theta_{t-1}"), readable("q_y"))
    m̂ₜ/√v̂ₜ θₜ₋₁ q_y
    """
    made = tree(latex, display=True)
    for node in reversed(list(made.iter())):  # the innermost first
        _scripted(node)
    line = re.sub(r"^− (?=\w)", "−", words(made))
    return line.replace(" ", "\N{NO-BREAK SPACE}") if len(line) <= _SHORT else line


def _scripted(node: Element) -> None:
    """A node whose lowered and raised parts Unicode can write becomes its base, followed by them."""
    written = _SIGNS.get(node.tag)
    if written is None or node.get("accentunder") or (len(node[0]) == 2 and node[0][1].text in ("⏞", "⏟")):
        return
    parts = [re.sub(r"\s", "", words(child)) for child in node[1:]]
    if all(sign in signs for part, signs in zip(parts, written, strict=True) for sign in part):
        tail = "".join(signs[sign] for part, signs in zip(parts, written, strict=True) for sign in part)
        base = node[0]
        node.clear()
        if base.tag == "mo":
            node.tag, node.text = "mo", f"{base.text or ''}{tail}"
        else:
            node.tag, node[:] = "mrow", [base, Element("mi")]
            node[1].text = tail


# ── Markdown ──────────────────────────────────────────────────────────────────────────────────────────────


def rewritten(markdown: str, base_url: str = "") -> str:
    """Markdown whose mathematics is text and whose links lead out of the note; those within it are words.

    >>> print(rewritten("the rate $\\\\eta_t$, see [Figure 3](#figure-a) and `$x$`"))
    the rate *ηₜ*, see Figure 3 and `$x$`
    """
    told = _CODE_OR_MATH.sub(lambda found: found[1] or _emphasised(readable(found[2].strip())), markdown)
    return led_out(told, base_url)


def led_out(markdown: str, base_url: str = "") -> str:
    """Markdown in which links within the note are words."""
    return _CODE_OR_LINK.sub(lambda found: found[1] or _led(found[2], found[3], base_url), markdown)


def _emphasised(line: str) -> str:
    """Letters of mathematics are slanted; signs that Markdown would read are not left to it."""
    safe = re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", line)
    return f"*{safe}*" if any(sign.isalpha() for sign in line) else safe


def _led(words: str, target: str, base_url: str) -> str:
    if target.startswith("#"):
        return words
    return f"[{words}]({urljoin(base_url, target) if base_url else target})"


def linked(source: str) -> str:
    """A source with its arXiv number and its address as links.

    >>> linked("*Titles*, arXiv:1910.05446, 2019.")
    '*Titles*, [arXiv:1910.05446](https://arxiv.org/abs/1910.05446), 2019.'
    """
    if "](" in source:
        return source

    def link(found: re.Match[str]) -> str:
        return f"[{found[0]}](https://{f'arxiv.org/abs/{found[1]}' if found[1] else found[2]})"

    return _ADDRESS.sub(link, source)


def spoken(markdown: str) -> str:
    """Inline Markdown as plain words, for an alternative text."""
    return " ".join(plain(rewritten(markdown)).split())


def unfolded(block: Block) -> Iterator[Block]:
    """A block in the order of its parts: tables and displayed equations of Markdown are blocks of their own."""
    if not isinstance(block, Prose):
        yield block
        return
    lines, last = block.markdown.split("\n"), 0
    tokens = reader().parse(block.markdown)
    for place, token in enumerate(tokens):
        if token.level == 0 and token.type in ("table_open", "math_block", "math_block_label"):
            if before := "\n".join(lines[last : token.map[0]]).strip():
                yield Prose(before)
            yield _table(tokens[place:]) if token.type == "table_open" else Equation(token.content.strip())
            last = token.map[1]
    if rest := "\n".join(lines[last:]).strip():
        yield Prose(rest)


def _table(tokens: list) -> Table:
    """The table that begins with the first of these tokens."""
    rows: list[list[str]] = []
    for place, token in enumerate(tokens):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(tokens[place + 1].content)
    return Table(tuple(rows[0]), tuple(tuple(row) for row in rows[1:]))
