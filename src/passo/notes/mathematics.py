r"""Mathematics in every format: LaTeX is the source, MathML its tree, and from that tree come HTML, PDF and pictures.

LaTeX is what people know and what Markdown and notebooks need. `mathtree.tree` reads it once; so all formats show the
same equation, and refuse the same.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from xml.etree.ElementTree import tostring

from passo.errors import require
from passo.notes import mathset
from passo.notes.mathtree import tree

PPI = 192  # pixels to the inch: double resolution
INK = "#1f2328"


@functools.lru_cache(4096)
def mathml(latex: str, *, display: bool) -> str:
    """LaTeX as MathML, which browsers draw by themselves. Raises `ConfigError` where it does not parse.

    >>> print(mathml("x^2", display=False)[-53:])
    <mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>
    """
    return tostring(tree(latex, display=display), encoding="unicode")


@functools.lru_cache(4096)
def typst(latex: str, *, display: bool, number: int = 0) -> str:
    r"""LaTeX as an equation of Typst's, in markup; with its number, where it has one. Raises `ConfigError` as above.

    >>> print(typst("x^2", display=False))
    #math.equation(alt: "x^2", $attach(scripts(\u{78}),t:"2")$.body);
    """
    made = tree(latex, display=display)
    block = "block: true, " if display else ""
    counted = f"numbering: _ => [({number})], " if number else ""
    told = mathset.literal(mathset.words(made))
    return f"#math.equation({block}{counted}alt: {told}, ${mathset.typst(made)}$.body);"


@functools.lru_cache(4096)
def words(latex: str) -> str:
    r"""An equation on one line, for those who hear it: an alternative text.

    >>> print(words(r"\sqrt{\hat v_t} + \varepsilon"))
    √v̂_t + ε
    """
    return mathset.words(tree(latex, display=True))


def pictures(latex: Sequence[str], *, display: bool = True, size: float = 14, ppi: float = PPI) -> list[bytes]:
    """Each equation as a PNG on white, its letters `size` pt, cut close. All are set at once, which is fast."""
    return _set(latex, display, size, "png", ppi) if latex else []


def drawings(latex: Sequence[str], *, display: bool = True, size: float = 14) -> list[str]:
    """Each equation as an SVG."""
    return [drawn.decode() for drawn in _set(latex, display, size, "svg", PPI)] if latex else []


def _set(latex: Sequence[str], display: bool, size: float, format: str, ppi: float) -> list[bytes]:
    lines = [
        "#set page(width: auto, height: auto, margin: 3pt, fill: white)",
        f'#set text(font: "Libertinus Serif", size: {size}pt, fill: rgb("{INK}"))',
        "#pagebreak()\n".join(f"{typst(one, display=display)}\n" for one in latex),
    ]
    compiler = require("typst", "notes").Compiler("\n".join(lines).encode(), ignore_system_fonts=True)
    found = compiler.compile(format=format, ppi=ppi)
    return found if isinstance(found, list) else [found]
