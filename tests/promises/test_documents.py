"""The README and the pages beside it say what is so: links, code, commands, and one line for each module."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTUGUESE = (ROOT / "README.pt-BR.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BLOCKS = re.findall(r"(<!-- runs -->\n)?```python\n(.*?)```", README, flags=re.DOTALL)
TOLD = re.compile(r"(?:`|^\.venv/bin/)passo ([^`\n]+)", re.MULTILINE)
COMMANDS = sorted(set(TOLD.findall(README)))
BEGINNING = [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("getting-started", "recipes")]
LINE = re.compile(r"^ *passo ([^#\n]+?) *(?:#.*)?$", re.MULTILINE)
TYPED = sorted({line for page in BEGINNING for line in LINE.findall(page)})
MADE = {"equations.md"}  # pages that the site makes of the source
TREE = {
    "data": ["list", "info", "fetch", "where", "export"],
    "train": [],
    "inspect": [],
    "doctor": [],
    "export": [],
    "predict": [],
    "lr-range": [],
    "landscape": [],
    "descend": [],
    "schedule": [],
    "proof": [],
    "study": ["list", "show", "run", "chart", "weights"],
    "compare": [],
    "replicate": [],
    "claims": [],
    "explain": [],
    "note": [],
    "new": ["assignment"],
    "runs": ["list", "show", "stop"],
    "ui": [],
}


@cache
def passo(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = [t.partition("#")[0] for t in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]
    lost = [target for target in targets if target and not (page.parent / target).exists()]
    assert sorted({*lost} - MADE) == []


def test_every_module_has_one_line_and_every_line_a_module() -> None:
    listed = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    linked = re.findall(r"^- \[[^\]]+\]\(\.\./(src/passo/[^)]+\.py)\)[^\n]*\S", listed, flags=re.MULTILINE)
    modules = {str(p.relative_to(ROOT).as_posix()) for p in (ROOT / "src" / "passo").rglob("*.py")}
    modules = {name for name in modules if not name.endswith(("__init__.py", "__main__.py"))}
    assert sorted(linked) == sorted(set(linked)), "a module is listed twice"
    assert sorted(set(linked) - modules) == []
    assert sorted(modules - set(linked)) == []


@pytest.mark.parametrize(("marked", "code"), BLOCKS)
def test_the_python_in_the_readme_is_python_and_runs_where_it_says_so(marked: str, code: str, tmp_path: Path) -> None:
    compile(code, "README.md", "exec")
    if marked:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PASSO_ROOT": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr


def test_the_portuguese_readme_has_the_sections_commands_links_and_code_of_the_english_one() -> None:
    def built(text: str) -> tuple[list[str], list[str], list[str], list[str]]:
        rows = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
        code = re.findall(r"^```\w+\n.*?^```", re.sub(r" *# .*", "", text), re.MULTILINE | re.DOTALL)
        return re.findall(r"^#+(?= )", text, re.MULTILINE), rows, sorted(LINK.findall(text)), code

    english, portuguese = built(README), built(PORTUGUESE)
    assert portuguese[0] == english[0]
    assert portuguese[1] == english[1]
    between = {"README.md", "README.pt-BR.md"}
    assert [x for x in portuguese[2] if x not in between] == [x for x in english[2] if x not in between]
    assert portuguese[3] == english[3]
    assert README.startswith("English · [Português](README.pt-BR.md)\n")
    assert PORTUGUESE.startswith("[English](README.md) · Português\n")


def test_the_readme_has_python_that_is_run() -> None:
    assert any(marked for marked, _ in BLOCKS)


@pytest.mark.parametrize("name", sorted(TREE))
def test_the_promised_commands_are_there_and_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", passo("--help"))
    said = passo(name, "--help")
    for inner in TREE[name]:
        assert re.search(rf"\b{inner}\b", said), f"passo {name} {inner}"
    assert any(command.split()[0] == name for command in COMMANDS), f"the README does not tell of passo {name}"


@pytest.mark.parametrize("command", sorted({*COMMANDS, *TOLD.findall(PORTUGUESE), *TYPED}))
def test_every_command_and_option_that_a_reader_is_told_to_type_exists(command: str) -> None:
    words = command.split()
    name = words[:1] if words[0] in TREE else []
    if name and TREE[name[0]] and len(words) > 1:
        chosen = words[1].split("|") if "|" in words[1] else [words[1]]
        assert set(chosen) <= set(TREE[name[0]])
        name.append(chosen[0])
    assert name or words[0].startswith("--"), f"there is no passo {words[0]}"
    said = passo(*name, "--help")
    for option in re.findall(r"--[a-z][a-z-]+", command):
        assert re.search(rf"{option}\b", said), f"passo {' '.join(name)} has no {option}"


def test_the_command_line_tells_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert passo("--version").strip() == f"passo {project['version']}"
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_help_answers_without_torch() -> None:
    code = (
        "import sys; sys.argv = ['passo', '--help']\n"
        "from passo.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'altair', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_torch_is_pinned_in_the_constraints_alone() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = re.findall(r"^torch==\S+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(pins) == 1
    assert "torch==" not in project
    assert re.search(r'"torch>=[\d.]+"', project)


def test_every_dependency_has_a_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.split(r"[\[>=<~!]", entry)[0].lower() for entry in wanted} - {"passo"}
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert [name for name in sorted(names) if f"\n{name}==" not in text] == []
