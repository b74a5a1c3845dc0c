# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages for contributors name is there: `file`, `file:function`, links, ids of checks and make's targets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "tests" / "fixtures" / "new-area"  # the area that docs/extending.md adds
MADE = re.compile(r"plugins/(?:modules|action)/clock_check\.py")  # what `make docs` would make of it
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/carrier.md",
    "docs/extending.md",
    "docs/from-inventory-to-finding.md",
)
FILE = r"[\w.-]+(?:/[\w.-]+)+\.(?:json|md|ps1|py|sh|tsv|yml)"
NAMED = re.compile(rf"`({FILE})(?::([\w.]+))?`")
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
TARGET = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.M)
# The first part of an id: an area whose rules have it, or the run itself.
BEGINNINGS = sorted({check.partition(".")[0] for area in areas() for check in area.rules().checks} | {"run"})
CHECK = re.compile(rf"[`\"]((?:{'|'.join(BEGINNINGS)})\.[a-z][a-z0-9_]*)[`\"]")


def text_of(page: str) -> str:
    return (CHECKOUT / page).read_text("utf-8")


def is_there(path: str) -> bool:
    return (CHECKOUT / path).is_file() or (EXAMPLE / path).is_file() or MADE.fullmatch(path) is not None


def names_in(path: str) -> set[str]:
    """Given a file of Python or YAML, return the names that it defines: `name`, `Class.method`, a key at its left."""
    text = text_of(path)
    return set(_defined(ast.parse(text))) if path.endswith(".py") else set(re.findall(r"^(\w+):", text, re.M))


def _defined(node: ast.Module | ast.ClassDef, within: str = "") -> Iterator[str]:
    for each in node.body:
        if isinstance(each, (ast.FunctionDef, ast.ClassDef)):
            yield f"{within}{each.name}"
        if isinstance(each, ast.ClassDef):
            yield from _defined(each, f"{each.name}.")
        if isinstance(each, (ast.Assign, ast.AnnAssign)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            yield from (f"{within}{target.id}" for target in targets if isinstance(target, ast.Name))


def anchors_in(page: Path) -> set[str]:
    text = page.read_text("utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    given = re.findall(r'<a id="([^"]+)">', text)
    return {*given, *(re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles)}


@pytest.mark.parametrize("page", PAGES)
def test_each_file_and_function_that_a_page_names_is_there(page: str) -> None:
    named = NAMED.findall(text_of(page))
    gone = [path for path, _name in named if not is_there(path)]
    assert gone == []
    assert [f"{path}:{name}" for path, name in named if name and name not in names_in(path)] == []


def test_the_page_names_a_function_at_each_of_its_steps() -> None:
    steps = re.split(r"^(?=\*\*\d+\. )", text_of("docs/from-inventory-to-finding.md"), flags=re.M)[1:]
    assert len(steps) == 17 + 5
    assert [step.splitlines()[0] for step in steps if not any(name for _path, name in NAMED.findall(step))] == []
    assert [step.splitlines()[0] for step in steps if "\n    " not in step] == []  # what the value was there


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_page_leads_somewhere(page: str) -> None:
    here = CHECKOUT / page
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    links = [(here.parent / path if path else here, anchor) for path, anchor in LINK.findall(prose)]
    assert links
    assert [str(path) for path, _anchor in links if not path.exists()] == []
    assert [anchor for path, anchor in links if anchor and anchor not in anchors_in(path)] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_target_that_a_page_names_is_one_of_make(page: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M)
    assert set(TARGET.findall(text_of(page))) - set(targets) == set()


@pytest.mark.parametrize("page", PAGES)
def test_each_check_that_a_page_names_is_in_the_catalogue(page: str) -> None:
    named = {name for name in CHECK.findall(text_of(page)) if not name.endswith((".py", ".md"))}
    assert named - anchors_in(CHECKOUT / "docs" / "checks.md") == set()
