"""What the code says through `passo.language`, and what the catalogues answer; both read without running anything."""

from __future__ import annotations

import ast
import itertools
import re
import string
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from passo import errors

_RAISED = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
_IN_TEMPLATES = re.compile(r"""\bt\((["'])(.+?)\1""")
_COUNTED_IN_TEMPLATES = re.compile(r"""\btn\((["'])(.+?)\1,\s*(["'])(.+?)\3""")
_COMMENTS = re.compile(r"  # (.+)$", re.MULTILINE)
_PASSAGES = re.compile(r'\bpassage\("([^"]+)"[,)]')  # a note says the names of those that it leaves out
SOURCE = Path(__file__).resolve().parents[2] / "src" / "passo"
BOUNDARY = (
    "errors.toml",
    "help.toml",
)  # what is raised, and help texts: told at the door


@dataclass(frozen=True)
class Said:
    """A message in the code: `many` is its plural, where it has one."""

    where: str
    message: str | None  # None: not a literal
    many: str | None = None


def said(source: Path = SOURCE) -> Iterator[Said]:
    """Every call of `t`, `tn` and `later` whose message is a literal, and every one whose message cannot be read.

    And what the notes' texts hold: names of passages in English, comments in listings; and what studies are.
    """
    for path in sorted(source.rglob("*.j2")):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(source))
        for match in _IN_TEMPLATES.finditer(text):
            yield Said(name, match[2])
        for match in _COUNTED_IN_TEMPLATES.finditer(text):
            yield Said(name, match[2], match[4])
    for path in sorted((source / "notes" / "text" / "en").rglob("*.md")):
        if path.parent.name.startswith("assignment"):  # a person's own text: its passages have names in its language
            continue
        for match in _PASSAGES.finditer(path.read_text(encoding="utf-8")):
            yield Said(str(path.relative_to(source)), match[1])
    for path in sorted((source / "studies").glob("*.toml")):
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        for found in filter(None, (told.get("description"), told.get("title"))):
            yield Said(str(path.relative_to(source)), found)
    for path in sorted((source / "notes" / "examples").glob("*.txt")):
        shown = path.read_text(encoding="utf-8").partition("# --- shown\n")[2].partition("# --- held\n")[0]
        for match in _COMMENTS.finditer(shown):
            yield Said(str(path.relative_to(source)), match[1])
    for path in sorted(source.rglob("*.py")):
        if path.name == "language.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            if node.func.id not in ("t", "tn", "later"):
                continue
            where = f"{path.relative_to(source)}:{node.lineno}"
            first = _literal(node.args[0])
            many = _literal(node.args[1]) if node.func.id == "tn" else None
            if first is not None:
                yield Said(where, first, many)
            elif isinstance(node.args[0], ast.JoinedStr) or node.func.id != "t":
                yield Said(where, None)


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def templates(source: Path = SOURCE) -> Iterator[tuple[str, str]]:
    """Where, and of what, a message is made that is told at the door: each error that is raised or built, each warning.

    A template has numbered fields; `unknown(kind, …)` says "unknown kind 'name'." first.
    """
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            made = template(node.args[0])
            if made is None or not (name in _RAISED or name in ("warn", "unknown")):
                continue
            where = f"{path.relative_to(source)}:{node.lineno}"
            yield where, f"unknown {made} {{{made.count('{')}}}." if name == "unknown" else made


def strings(source: Path = SOURCE) -> set[str]:
    """Every string of the source, as a template."""
    trees = (ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for path in source.rglob("*.py"))
    return {made for tree in trees for node in tree if (made := template(node)) is not None}


def template(node: ast.AST) -> str | None:
    """A string, or an f-string with its fields numbered; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "{{").replace("}", "}}")
    if not isinstance(node, ast.JoinedStr):
        return None
    numbers = itertools.count()
    parts = (template(part) if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values)
    return "".join(part for part in parts if part is not None)


def answers(folder: Path) -> dict[str, dict[str, str | list[str]]]:
    """The catalogues of a language by file name."""
    return {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.toml"))}


def fields(message: str) -> set[str]:
    """The names between braces; a message that is no format has none."""
    try:
        return {name for _, name, *_ in string.Formatter().parse(message) if name is not None}
    except ValueError:
        return set()
