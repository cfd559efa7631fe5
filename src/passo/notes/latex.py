r"""The grammar of the LaTeX that an equation may hold: what is misspelt, unclosed or lacks an argument is refused here.

`latex2mathml` reads leniently: `\foo` becomes a letter called \foo, and `\frac{a}` half a fraction. So the source is
read once before it, with the commands of `latex2mathml` and how many arguments each takes. Everything else is refused,
macros and colours among it.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NoReturn

from passo.errors import ConfigError, require


def _commands(names: str) -> tuple[str, ...]:
    return tuple(f"\\{name}" for name in names.split())


_ACCENTS = "hat widehat check bar overline underline tilde widetilde vec dot ddot acute grave breve mathring"
_FONTS = "mathbb mathbf mathcal mathfrak mathit mathrm mathscr mathsf mathtt boldsymbol bm"
ARGUMENTS = {
    **dict.fromkeys(_commands(f"{_ACCENTS} {_FONTS} overbrace underbrace sqrt substack"), 1),
    **dict.fromkeys(_commands("frac dfrac tfrac binom overset underset stackrel"), 2),
}
WORDS = _commands("text textrm textnormal operatorname operatorname*")
DELIMITED = _commands("left middle big bigl bigm bigr Big Bigl Bigm Bigr bigg biggl biggm biggr Bigg Biggl Biggm Biggr")
ENVIRONMENTS = ("aligned", "split", "cases", "array", "smallmatrix", *(f"{kind}matrix" for kind in ("", *"pbBvV")))
STYLES = _commands("displaystyle textstyle scriptstyle limits nolimits dots arg bmod")
SPACES = _commands("quad qquad enspace space thinspace thickspace negthinspace negmedspace negthickspace nobreakspace")
DEEPEST = 40
SIGNS = tuple(f"\\{sign}" for sign in "{}|,:;!>_%#$& ")  # a backslash before one sign
_DELIMITER = re.compile(r"[()\[\]|/.<>]|\\[{}|]|\\[lr]?(?:vert|Vert)|\\[lr](?:floor|ceil|angle|brace|brack|paren)")
_TOKEN = re.compile(r"\\operatorname\*|\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
_NAMED = re.compile(r"\s*\{([^{}]*)\}")


@dataclass
class _Reader:
    """Reads one equation from left to right; `place` is the character at which it stands."""

    latex: str
    place: int = 0
    opened: list[tuple[str, int]] = field(default_factory=list)
    depth: int = 0

    def fail(self, what: str, place: int) -> NoReturn:
        told = " ".join(self.latex.split())
        shown = told if len(told) <= 60 else f"{told[:57]}…"
        near = " ".join(self.latex[max(0, place - 12) : place + 16].split())
        if not near:
            raise ConfigError(f"the equation ${shown}$ does not parse: {what}, between its dollars")
        raise ConfigError(f"the equation ${shown}$ does not parse at character {place + 1}, near “{near}”: {what}")

    def token(self) -> tuple[str, int]:
        """The next token that is no space, and where it begins; empty at the end."""
        while found := _TOKEN.match(self.latex, self.place):
            self.place = found.end()
            if not found[0].isspace():
                return found[0], found.start()
        return "", len(self.latex)

    def peek(self) -> str:
        before = self.place
        token, self.place = self.token()[0], before
        return token

    def row(self, closing: str = "", *, cells: bool = False) -> None:
        """Everything up to `closing`, which is taken."""
        scripts: set[str] = set()
        while True:
            token, place = self.token()
            if token == closing:
                return
            if token in ("", "}", r"\right", r"\end"):
                self._unbalanced(token, place)
            if token in ("^", "_"):
                if token in scripts and token == "^":
                    self.fail("a second superscript on one sign: use braces", place)
                if token in scripts:
                    self.fail("a second subscript on one sign: use braces", place)
                scripts.add(token)
                self.argument(token, place, f"{token} lacks what stands there")
            elif token in ("&", r"\\"):
                if not cells:
                    self.fail(f"{token} outside of aligned, cases or a matrix", place)
                self._no_option(token, place)
                scripts = set()
            else:
                scripts = scripts if token in (r"\limits", r"\nolimits", "'") else set()
                self.one(token, place)

    def _unbalanced(self, token: str, place: int) -> NoReturn:
        opened, began = self.opened[-1] if self.opened else ("", 0)
        if opened and token:
            self.fail(f"{opened} is not closed before {token}", began)
        if opened:
            self.fail(f"{opened} is not closed", began)
        self.fail(f"{token} closes nothing", place)

    def _no_option(self, token: str, place: int) -> None:
        if token == r"\\" and self.latex[self.place : self.place + 1] == "[":
            self.fail(r"\\ takes no distance here", place)

    def one(self, token: str, place: int) -> None:
        """One sign, or a command with its arguments."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} groups one in the other", place)
        self._one(token, place)
        self.depth -= 1

    def _one(self, token: str, place: int) -> None:
        if token == "{":
            self._inside(token, place, "}")
        elif token in "%#$":
            self.fail(f"a bare {token} (write \\{token})", place)
        elif token in ("~", "\\"):
            self.fail(f"a bare sign {token}", place)
        elif not token.startswith("\\") or token in SIGNS:
            return
        elif token == r"\begin":
            self._environment(place)
        elif token in DELIMITED:
            self._delimited(token, place)
        elif token in WORDS:
            self._words(token, place)
        elif token in ARGUMENTS:
            if token == r"\sqrt" and self.peek() == "[":
                self._inside(*self.token(), "]")
            for number in range(ARGUMENTS[token]):
                lacks = (f"{token} lacks its first argument", f"{token} lacks its second argument")[number]
                lacks = f"{token} lacks its argument" if ARGUMENTS[token] == 1 else lacks
                self.argument(token, place, lacks, cells=token == r"\substack")
        elif token not in known():
            near = difflib.get_close_matches(
                token, sorted({*known(), *ARGUMENTS, *WORDS, *DELIMITED}, key=len), 1, 0.75
            )
            if near:
                self.fail(f"unknown command {token} (did you mean {near[0]}?)", place)
            self.fail(f"unknown command {token}", place)

    def argument(self, of: str, place: int, lacks: str, *, cells: bool = False) -> None:
        """A group in braces, or one sign; `lacks` is told where there is none."""
        token, start = self.token()
        if token in ("", "}", "]", "^", "_", "&", r"\\", r"\right", r"\end") and not (token == "]" and of != r"\sqrt"):
            self.fail(lacks, place)
        if token == "{":
            self._inside(token, start, "}", cells=cells)
        else:
            self.one(token, start)

    def _inside(self, token: str, place: int, closing: str, *, cells: bool = False) -> None:
        self.opened.append((token, place))
        self.row(closing, cells=cells)
        self.opened.pop()

    def _environment(self, place: int) -> None:
        name = self._name(r"\begin", place)
        if name not in ENVIRONMENTS:
            self.fail(f"unknown environment {name!r}: give one of {', '.join(ENVIRONMENTS)}", place)
        if name == "array" and re.fullmatch("[lcr]+", self._name(r"\begin{array}", place)) is None:
            self.fail("an array begins with its columns, such as {lcr}", place)
        self._inside(rf"\begin{{{name}}}", place, r"\end", cells=True)
        if (other := self._name(r"\end", place)) != name:
            self.fail(rf"\begin{{{name}}} is closed by \end{{{other}}}", place)

    def _name(self, of: str, place: int) -> str:
        found = _NAMED.match(self.latex, self.place)
        if found is None:
            self.fail(f"{of} lacks its name in braces", place)
        self.place = found.end()
        return found[1].strip()

    def _delimited(self, token: str, place: int) -> None:
        if token == r"\middle" and not any(opened == r"\left" for opened, _ in self.opened):
            self.fail(r"\middle outside of \left and \right", place)
        self._delimiter(token, place)
        if token == r"\left":
            self._inside(token, place, r"\right")
            self._delimiter(r"\right", self.place)

    def _delimiter(self, of: str, place: int) -> None:
        token, _ = self.token()
        if not _DELIMITER.fullmatch(token):
            self.fail(f"{of} lacks its delimiter", place)

    def _words(self, token: str, place: int) -> None:
        words = self._name(token, place)
        wrong = r"[^a-zA-Z\s]" if token.startswith(r"\operatorname") else r"[\\$]"
        if found := re.search(wrong, words):
            self.fail(f"{token} holds {found[0]!r}, which it cannot", place)


@functools.lru_cache(4096)
def check(latex: str) -> None:
    r"""Raise `ConfigError` for an equation that does not parse: which, what is wrong with it, and where.

    >>> check(r"\frac{a}{b}")
    >>> check(r"\frac{a}")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    passo.errors.ConfigError: the equation $\frac{a}$ does not parse at character 1, near ...
    """
    reader = _Reader(latex)
    if not latex.strip():
        reader.fail("there is nothing in it", 0)
    reader.row()


@functools.cache
def known() -> frozenset[str]:
    """Commands without an argument: symbols, names of functions, spaces. Signs that lie upon others are none."""
    commands = require("latex2mathml.commands", "notes")
    symbols = require("latex2mathml.symbols_parser", "notes").SYMBOLS
    taken = {*commands.CONVERSION_MAP, *commands.COMMANDS_WITH_ONE_PARAMETER, *commands.COMMANDS_WITH_TWO_PARAMETERS}
    signs = {
        name
        for name, code in symbols.items()
        if re.fullmatch(r"\\[a-zA-Z]+", name) and name not in taken and not unicodedata.combining(chr(int(code, 16)))
    }
    named = require("latex2mathml.converter", "notes").MOVABLE_LIMIT_TEXTS
    return frozenset({*signs, *commands.FUNCTIONS, *commands.LIMIT, *named, *STYLES, *SPACES})
