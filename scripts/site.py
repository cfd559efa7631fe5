"""The site of the documentation, from the repository: `make docs` writes out/docs; it works from the disk, offline.

The pages of `docs/` are taken as they are. Made here, from the source: a page for each room with its modules, and the
equations of every optimizer as their docstrings say them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "passo"
FLOOR = "floor"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?:\.\./)*([\w./-]+)(#[\w-]+)?\)")


def main(out: Path = ROOT / "out" / "docs") -> int:
    """Gather the pages, then let Sphinx build them; every warning is an error."""
    from sphinx.cmd.build import build_main

    pages = out.with_name(f"{out.name}-pages")
    shutil.rmtree(pages, ignore_errors=True)
    gather(pages)
    return build_main(
        ["-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), "-d", str(pages / ".doctrees"), str(pages), str(out)]
    )


def gather(pages: Path) -> None:
    """All pages of the site in one folder: those of `docs/`, the repository's own, and those made from the source."""
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("conf.py", "__pycache__"))
    for path in [*ROOT.glob("*.md"), *pages.glob("*.md")]:
        (pages / path.name).write_text(linked(path.read_text(encoding="utf-8")), encoding="utf-8")
    (pages / "rooms").mkdir()
    for room in rooms():
        (pages / "rooms" / f"{room}.md").write_text(room_page(room), encoding="utf-8")
    listing = "\n".join(["# Room by room", "", "```{toctree}", *(f"rooms/{room}" for room in rooms()), "```", ""])
    (pages / "rooms.md").write_text(listing, encoding="utf-8")
    (pages / "equations.md").write_text(equations_page(), encoding="utf-8")


def linked(text: str) -> str:
    """A page with its links: modules have a place on their room's page; of other files only the name stays."""

    def target(found: re.Match[str]) -> str:
        mark, words, path, place = found[1], found[2], found[3], found[4] or ""
        if path.startswith("docs/"):
            path = path.removeprefix("docs/")
        if path.endswith((".md", ".png")) and "/" not in path.removeprefix("images/"):
            return f"{mark}[{words}]({path}{place})"
        if (module := path.removeprefix("src/passo/")) != path and module.endswith(".py"):
            return f"{mark}[{words}](rooms/{room_of(Path(module))}.md#{anchor(Path(module))})"
        return words if words.startswith("`") else f"`{path}`" if words == path else words

    return _LINK.sub(target, text)


# ── Rooms ─────────────────────────────────────────────────────────────────────────────────────────────────


def room_of(module: Path) -> str:
    return module.parts[0] if len(module.parts) > 1 else FLOOR


def anchor(module: Path) -> str:
    """The name of a module's place on its room's page."""
    return "module-" + "-".join(module.with_suffix("").parts).replace("_", "-").rstrip("-").replace("--", "-")


def rooms() -> list[str]:
    """Every room, in the order of data: those of docs/modules.md."""
    told = re.findall(
        r"^- \[[^\]]+\]\(\.\./src/passo/([\w/]+)\.py\)", (ROOT / "docs" / "modules.md").read_text(), re.MULTILINE
    )
    return list(dict.fromkeys(room_of(Path(f"{path}.py")) for path in told))


def room_page(room: str) -> str:
    """A room: what it is for, and its modules with their public names."""
    parts = SOURCE.glob("*.py") if room == FLOOR else (SOURCE / room).rglob("*.py")
    modules = sorted(parts, key=lambda path: (path.name != "__init__.py", path))
    title = "The floor" if room == FLOOR else room
    return "\n\n".join([f"# {title}", *(section for path in modules for section in module_section(path))]) + "\n"


def module_section(path: Path) -> Iterator[str]:
    """A module: its docstring as it stands, then a line for each public name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = path.relative_to(SOURCE)
    name = str(module.with_suffix("")).replace("/__init__", "")
    yield f"({anchor(module)})=\n## {name}"
    yield prose(ast.get_docstring(tree) or "")
    listed = [line for node in tree.body for line in public(node)]
    if listed:
        yield "\n".join(listed)


def public(node: ast.stmt) -> Iterator[str]:
    """A public class or function as a line: its call and what it does."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
        told = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
        call = f"{node.name}({ast.unparse(node.args)})" if isinstance(node, ast.FunctionDef) else f"class {node.name}"
        yield f"- ``{call}``" + (f": {plain(told)}" if told else "")


def plain(words: str) -> str:
    """Words that Markdown prints as they stand; what is between backquotes stays code."""
    parts = re.split(r"(`[^`]*`)", words)
    return "".join(
        part if place % 2 else re.sub(r"([\\*_{}\[\]<>$|#])", r"\\\1", part) for place, part in enumerate(parts)
    )


def prose(doc: str) -> str:
    """A docstring as Markdown: paragraphs are prose; what is indented, or an example, stands as it was typed."""
    parts = []
    for part in re.split(r"\n{2,}", doc):
        typed = any(line.startswith((" ", ">>>")) for line in part.split("\n"))
        parts.append(f"```text\n{part}\n```" if typed else plain(part))
    return "\n\n".join(parts).replace("\n```\n\n```text\n", "\n\n")


# ── Equations ─────────────────────────────────────────────────────────────────────────────────────────────


def equations_page() -> str:
    """Every optimizer, by families that share their equations: what it is, its arguments, the equations of its step."""
    from passo.optim.catalogue import ABOUT, CLASSES

    parts = [
        "# The equations of every optimizer",
        "What `passo.watch` recomputes at every step and holds against the update that happened; "
        "[the proof](proof.md) holds both to an oracle of its own.",
    ]
    for family in families():
        named = [name for name in sorted(CLASSES) if CLASSES[name] in family.EXPLAINED]
        parts += [f"## {', '.join(named)}", "\n".join(f"- `{call(name)}`: {plain(ABOUT[name])}" for name in named)]
        parts += [prose(inspect.getdoc(family) or "")]
    return "\n\n".join(parts) + "\n"


def families() -> list[ModuleType]:
    """The modules of `optim.stages` that explain optimizers."""
    from passo.optim import stages

    names = sorted(path.stem for path in Path(stages.__path__[0]).glob("*.py") if path.stem != "__init__")
    found = [importlib.import_module(f"{stages.__name__}.{name}") for name in names]
    return [module for module in found if getattr(module, "EXPLAINED", None)]


def call(name: str) -> str:
    """An optimizer's name and arguments, with their defaults."""
    from passo.optim.catalogue import CLASSES

    given = list(inspect.signature(CLASSES[name].__init__).parameters.values())[2:]  # after self and params
    shown = [str(one.replace(annotation=inspect.Parameter.empty)) for one in given if one.kind is not one.VAR_KEYWORD]
    return f"{name}({', '.join(shown)})"


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
