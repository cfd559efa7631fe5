"""Which room imports which, read from the source with `ast`; run as a script, it prints what breaks the rules.

Imports inside functions count (they are as real, only later); those under `TYPE_CHECKING` do not.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"

FLOOR = frozenset({"errors", "language", "registry", "seeding", "store", "telling"})
READING = {
    "analysis": frozenset(),
    "diagnosis": frozenset({"analysis"}),
    "figures": frozenset({"analysis", "diagnosis"}),
    "notes": frozenset({"analysis", "diagnosis", "figures"}),
    "web": frozenset({"analysis", "diagnosis", "figures", "notes"}),
}
COMPUTING = {
    "data": frozenset(),
    "models": frozenset(),
    "optim": frozenset(),
    "training": frozenset({"data", "models", "optim"}),
    "recording": frozenset({"optim"}),
    "replicas": frozenset({"models", "optim", "training", "recording"}),
    "explaining": frozenset({"data", "models", "training"}),
    "experiments": frozenset({"data", "models", "optim", "training", "recording", "replicas", "explaining"}),
    "gallery": frozenset({"data", "recording", "experiments"}),
}
DATA_ONLY = {"samples": frozenset(), "studies": frozenset()}
ROOMS = {**COMPUTING, **READING, **DATA_ONLY}
DOORS = frozenset({"__init__", "__main__", "cli", "looking", "stepbystep"})  # these may import every room
EXCEPTIONS = {("passo.recording.microscope", "figures"), ("passo.recording.lens", "figures")}  # lens.chart, lazily


@dataclass(frozen=True)
class Import:
    """One import: `module` imports `target`; `late` where it happens inside a function."""

    module: str
    target: str
    late: bool
    line: int


def modules(source: Path = SOURCE) -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    names = {}
    for path in sorted((source / "passo").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(name: str, path: Path, known: set[str]) -> Iterator[Import]:
    """The imports of one module; `from passo.data import idx` is one of `passo.data.idx` where that is a module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, late in _walk(ast.parse(path.read_text(encoding="utf-8")), late=False):
        for target in _targets(node, package, known):
            yield Import(name, target, late, node.lineno)


def _walk(node: ast.AST, late: bool) -> Iterator[tuple[ast.stmt | ast.expr, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _walk(other, late)
            continue
        if isinstance(child, ast.stmt | ast.expr):
            yield child, late
        yield from _walk(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def _targets(node: ast.AST, package: str, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in known else origin
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "require")):
        yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def all_imports(source: Path = SOURCE) -> list[Import]:
    known = modules(source)
    return [found for name, path in known.items() for found in imports(name, path, set(known))]


def room(module: str) -> str:
    """`passo.data.idx` is in `data`; `passo` itself is the door `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def forbidden(found: Import) -> str | None:
    """Why this import is not allowed, or None."""
    here, where = room(found.module), f"{found.module}, line {found.line}"
    top = found.target.split(".")[0]
    if here not in FLOOR | DOORS | set(ROOMS):
        return f"{where}: passo.{here} is neither a room, nor the floor, nor a door"
    if top == "torch" and (here in READING or here in DATA_ONLY or (here in FLOOR and not found.late)):
        return f"{where}: {here} must do without torch"
    if top != "passo" or here in DOORS:
        return None
    there = room(found.target)
    if there == here or there in FLOOR:
        return None
    if here in ROOMS and there in ROOMS[here] | set(DATA_ONLY):
        return None
    if found.late and (found.module, there) in EXCEPTIONS:
        return None
    return f"{where}: {here} may not import {there}"


def violations(source: Path = SOURCE) -> list[str]:
    return [reason for found in all_imports(source) if (reason := forbidden(found))]


def cycle(source: Path = SOURCE) -> list[str]:
    """One cycle of imports at module level, or an empty list."""
    known = modules(source)
    edges: dict[str, set[str]] = {name: set() for name in known}
    for found in all_imports(source):
        if not found.late and found.target in known and found.target != found.module:
            edges[found.module].add(found.target)
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(edges[name]):
            if ring := visit(target, [*path, name]):
                return ring
        done.add(name)
        return []

    return next((ring for name in edges if (ring := visit(name, []))), [])


def main() -> int:
    wrong = violations()
    if ring := cycle():
        wrong.append("a cycle: " + " → ".join(ring))
    print("\n".join(wrong) or f"{len(modules())} modules, {len(all_imports())} imports: every room keeps to its own")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
