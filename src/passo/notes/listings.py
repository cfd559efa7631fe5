"""The listings that notes show: each is a program that its test runs, and its middle part is what is shown.

They are texts, `examples/NAME.txt`, and no modules: they train, and the reading half never imports torch.
"""

from __future__ import annotations

import re
from pathlib import Path

from passo.language import t
from passo.registry import unknown

FOLDER = Path(__file__).with_name("examples")
SHOWN, HELD = "# --- shown\n", "# --- held\n"
_COMMENT = re.compile(r"(?<=  # ).+$", re.MULTILINE)


def names() -> list[str]:
    """Every listing, by the name that a text gives it.

    >>> names()[0]
    'adam-in-ten-lines'
    """
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def program(name: str) -> str:
    """The whole program of a listing; raises `UnknownName` for one that is not there."""
    if name not in names():
        raise unknown("listing", name, names())
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def parts(name: str) -> tuple[str, str, str]:
    """A listing as three programs that follow each other: what it takes for granted, what is shown, what holds then."""
    before, _, rest = program(name).partition(SHOWN)
    shown, _, held = rest.partition(HELD)
    return before.strip(), _commented(shown), held.strip()


def listing(name: str) -> str:
    """What a note shows of it: from the line `# --- shown` to `# --- held`, or to the end; comments in its language.

    >>> print(listing("open-study").splitlines()[0])
    import passo
    """
    return parts(name)[1]


def _commented(code: str) -> str:
    return _COMMENT.sub(lambda comment: t(comment[0]), code.strip())
