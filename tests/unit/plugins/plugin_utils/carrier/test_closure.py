# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an area needs of the core: found by its imports, all of them, and nothing that only others need."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.closure import closure

CORE = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"
AREAS = sorted(path.parent.name for path in CORE.glob("*/run.py"))


def core(folder: Path, **files: str) -> Path:
    """Write a core: file names with ``__`` for each slash, and sources."""
    start = {"entry": "", "trusted": ""}
    for name, source in {**start, **files}.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return folder


# (what run.py of the area a says, which files it needs beside those that all need)
IMPORTS = [
    ("from ..shared import x", {"shared.py"}),
    ("from .. import shared", {"shared.py"}),
    ("from .part import x", {"a/part.py"}),
    ("from . import part", {"a/part.py"}),
    ("from .inner import x", {"a/inner/deep.py", "a/inner/one.py"}),
    ("from .inner.one import (  # a comment\n    x,\n    y,\n)", {"a/inner/deep.py", "a/inner/one.py"}),
    ("def f():\n    from ..b.other import x", {"b/other.py"}),
    ("if True:\n    from ..b import (\n        other,\n    )", {"b/other.py"}),
    ("import json\nfrom os import path", set()),
    ('"""It comes\nfrom ..b, which does not import it, (see there\n"""', set()),
]


@pytest.mark.parametrize(("source", "needed"), IMPORTS)
def test_a_file_brings_what_it_imports_wherever_that_stands(source: str, needed: set[str], tmp_path: Path) -> None:
    files = {"shared": "", "a__part": "", "b__other": "", "b__run": "", "a__inner__one": "", "a__inner__deep": ""}
    (tmp_path / "a" / "inner").mkdir(parents=True)
    (tmp_path / "a" / "inner" / "__init__.py").write_text("from .deep import x\nfrom . import one", "utf-8")
    found = closure(core(tmp_path, a__run=source, **files), ["a"])
    assert set(found) - {"entry.py", "trusted.py", "a/run.py", "a/inner/__init__.py"} == needed


def test_the_rest_of_an_area_is_brought_only_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "__init__.py").write_text("from ..shared import x\nAREA = declare(__name__)\n", "utf-8")
    made = core(tmp_path, shared="", a__run="from ..b.model import x", b__model="", b__run="")
    assert "b/run.py" not in closure(made, ["a"])
    assert {"b/__init__.py", "shared.py"} <= set(closure(made, ["a"]))
    assert "b/run.py" in closure(made, ["a", "b"])


def by_the_compiler(areas: list[str]) -> set[str]:
    """Return the same by a second route: each file whole, by Python's own parser."""
    todo = [CORE / name for name in ("entry.py", "trusted.py")]
    todo += [CORE / area / name for area in areas for name in ("run.py", "__init__.py")]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                places = [
                    base,
                    *(base / alias.name for alias in node.names),
                    *(at for at in base.parents if CORE in at.parents),
                ]
                todo += [path for place in places for path in (place.with_suffix(".py"), place / "__init__.py")]
    return {path.relative_to(CORE).as_posix() for path in seen}


@pytest.mark.parametrize("areas", [*([area] for area in AREAS), ["checkup", "services", "backup"]], ids=",".join)
def test_the_imports_are_those_that_python_sees(areas: list[str]) -> None:
    assert set(closure(CORE, areas)) == by_the_compiler(areas)


@pytest.mark.parametrize("area", [area for area in AREAS if area != "checkup"])
def test_an_area_is_less_than_the_whole(area: str) -> None:
    assert len(closure(CORE, [area])) < len(list(CORE.rglob("*.py"))) / 1.5


@pytest.mark.parametrize("area", AREAS)
def test_every_file_of_a_closure_can_be_imported_from_it_alone(area: str, tmp_path: Path) -> None:
    others = [name for name in AREAS if name != area] if area == "checkup" else []
    found = closure(CORE, [area, *others])
    for name, content in found.items():
        path = tmp_path / "core" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    modules = sorted({name[:-3].replace("/", ".").removesuffix(".__init__") for name in found} - {"__init__"})
    words = [f"core.{name}" for name in modules if "windows" not in name and "macos" not in name]
    script = f"import importlib\nfor name in {words!r}: importlib.import_module(name)"
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
