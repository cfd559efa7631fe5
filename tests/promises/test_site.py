"""The site of the documentation: pages are gathered from the repository; Sphinx builds them without a warning."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("sphinx")


@pytest.fixture(scope="module")
def site():
    """`scripts/site.py` as a module; its name is that of one of Python's own."""
    spec = importlib.util.spec_from_file_location("passo_site", ROOT / "scripts" / "site.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_of_the_documentation_is_in_the_tree_of_the_site(site):
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {line for tree in re.findall(r"```{toctree}(.*?)```", index, re.DOTALL) for line in tree.split("\n")}
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= listed, pages - listed


def test_every_room_has_a_page_with_all_of_its_modules(site):
    source = ROOT / "src" / "passo"
    assert {"floor", "data", "optim", "analysis", "notes", "cli"} <= set(site.rooms())
    for room in site.rooms():
        page = site.room_page(room)
        for path in source.glob("*.py") if room == site.FLOOR else (source / room).rglob("*.py"):
            assert f"({site.anchor(path.relative_to(source))})=" in page, path


def test_the_page_of_equations_has_every_optimizer_and_the_equations_of_its_docstring(site):
    from passo.optim.catalogue import CLASSES

    page = site.equations_page()
    for name in CLASSES:
        assert f"`{name}(" in page, name
    assert "m̂ / (√v̂ + ε)" in page and "b ← μb + (1−d)g" in page


def test_links_lead_to_pages_of_the_site_and_to_modules_and_other_files_are_only_named(site):
    text = (
        "[a](../README.md) ![b](docs/images/x.png) [c](../src/passo/optim/split.py) [d](../LICENSE) [e](store.md#rule)"
    )
    assert site.linked(text) == (
        "[a](README.md) ![b](images/x.png) [c](rooms/optim.md#module-optim-split) d [e](store.md#rule)"
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "site.py"), str(tmp_path / "docs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "docs").rglob("*.html"):
        fetched = re.findall(
            r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?:[^\"]+)", page.read_text(encoding="utf-8")
        )
        assert fetched == [], page
