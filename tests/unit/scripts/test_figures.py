# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest

CORE = "plugins/module_utils/"
LICENCE = "# Copyright\n# GNU\n# SPDX\n\n"
# A tree in small: files, and what is found in it below.
TREE = {
    CORE + "services/run.py": LICENCE + "class Plan(NamedTuple):\n    a: int\n\n\ndef run():\n    return 1\n",
    CORE + "services/spec.py": 'SPEC = {"units": {"type": "list", "options": {"port": {"type": "int"}}}}\n',
    CORE
    + "backup/run.py": "@dataclass(frozen=True)\nclass Plan:\n    a: int\n\n\n@dataclass\nclass Look:\n    b: int\n",
    CORE + "firewall/run.py": "class Outer:\n    class Look:\n        pass\n" + "x = 1\n" * 400,
    CORE + "other/a.py": "class Plan(typing.NamedTuple):\n    # said\n    noun: int\n",
    "plugins/modules/check.py": 'DOCUMENTATION = r"""\noptions:\n  port:\n    type: int\n"""\n' + "x = 1\n" * 398,
    "plugins/action/check.py": "class ActionModule: pass\n",
    "plugins/action/act.py": "class ActionModule: pass\n",
    "plugins/action/third.py": "class ActionModule: pass\n",
    "README.md": "A noun.\n",
}


@pytest.fixture
def figures(load):
    return load("lint/figures")


def value(figures, files, scope, name):
    found = figures.figures(files)[scope, name]
    return found.value, found.named


# a figure of TREE, and what it comes to
FIGURES = {
    ("core", "files"): (5, ()),
    ("core", "lines"): (10 + 1 + 8 + 403 + 3, ()),
    ("core", "lines of code"): (4 + 1 + 6 + 403 + 2, ()),
    ("core", "median lines of a file"): (8, ()),
    ("core", "files under 80 lines"): (4, ()),
    ("core", "files over 400 lines, documentation apart"): (1, (CORE + "firewall/run.py",)),
    ("core", "functions"): (1, ()),
    ("core", "classes"): (6, ()),
    ("core", "records: NamedTuple"): (2, ()),
    ("core", "records: dataclass"): (2, ()),
    ("core", "class names for two things"): (1, ("Look",)),
    ("core", "class names for three things"): (1, ("Plan (3)",)),
    ("core", "names with `noun`"): (1, ()),
    ("core", "names with `look`"): (2, ()),
    ("core", "retired words in names"): (3, ()),
    ("plugins", "files"): (9, ()),
    ("plugins", "files over 400 lines, documentation apart"): (1, (CORE + "firewall/run.py",)),
    ("plugins", "class names for three things"): (1, ("Plan (3)",)),
    ("house", "options typed again"): (1, ("port",)),
    ("house", "files that a new area touches"): (None, ()),
    ("house", "hand-kept lists of areas"): (0, ()),
    ("house", "retired words in pages"): (1, ()),
}


@pytest.mark.parametrize(("figure", "expected"), FIGURES.items(), ids=map(" ".join, FIGURES))
def test_a_figure_is(figures, figure, expected):
    assert value(figures, TREE, *figure) == expected


def test_functions_are_measured_without_their_docstrings(figures):
    bodies = (1, 1, 1, 1, 1, 1, 1, 1, 30, 50)
    text = "".join(f'def f{number}():\n    """Given\n\n    x."""\n' + "    x = 1\n" * number for number in bodies)
    found = {figure.name: figure.value for figure in figures.measure.functions({"plugins/a.py": text})}

    assert found == {
        "functions": 10,
        "median lines of a function": 1,
        "lines of 90 % of the functions": 30,
        "lines of the longest function": 50,
        "functions over 25 lines": 2,
    }


@pytest.mark.parametrize(("lines", "long"), [(200, ()), (201, ("a.py Long",))])
def test_a_class_is_long_above_200_lines(figures, lines, long):
    found = figures.measure.classes({"a.py": "class Long:\n" + "    x = 1\n" * (lines - 1)})

    assert [figure.named for figure in found if figure.name.startswith("classes over")] == [long]


A, B, LOW = CORE + "backup/a.py", CORE + "backup/b.py", CORE + "low.py"
# what the two import, and whether they import each other
IMPORTS = {
    "one way": ("from ..low import X", "from .a import Y", ()),
    "both ways": ("from .b import X", "from .a import Y", (A, B)),
    "the module by its name": ("from . import b", "from . import a", (A, B)),
    "in a function": ("def f():\n    from .b import X", "from .a import Y", (A, B)),
    "for its types alone": ("if TYPE_CHECKING:\n    from .b import X", "from .a import Y", (A, B)),
    "by the collection's name": (
        "from ansible_collections.cryptobot.maintenance." + "plugins.module_utils.backup.b import X",
        "from .a import Y",
        (A, B),
    ),
    "from what the package defines": ("from . import SPEC", "from .a import Y", ()),
}


@pytest.mark.parametrize(("a", "b", "expected"), IMPORTS.values(), ids=IMPORTS.keys())
def test_files_that_import_each_other_are_named(figures, a, b, expected):
    files = {A: a, B: b, LOW: "import os", CORE + "backup/__init__.py": "SPEC = {}"}
    assert figures.measure.circles(files).named == expected


def test_what_every_area_has_one_of_is_one_thing_until_an_area_has_two(figures):
    names = ("services/a.py", "backup/a.py", "firewall/a.py", "firewall/linux/b.py")
    files = {CORE + name: "class Context: pass\nclass Other: pass\n" for name in names}
    found = {figure.name: figure.named for figure in figures.measure.classes(files)}

    assert found["class names for two things"] == ("Context of firewall",)
    assert found["class names for three things"] == ("Other (4)",)


SPEC = 'SPEC = {"port": {"type": "int"}, "dir": {"type": "path"}}\n'
OPTIONS = "options:\n  port:\n    type: int\n    suboptions:\n      dir: {type: path}\n"
ROLE = "roles/a/meta/argument_specs.yml"
VARIABLES = "{main: {options: {dir: {type: path}, port: {default: 1}, own: {type: str}}}}"
MADE = "# Made by `make docs` from the options.\n"

# files, and the options that are typed in more than one of them
TYPED = {
    "once": ({CORE + "a/spec.py": SPEC}, []),
    "two options of one name in two specs": ({CORE + "a/spec.py": SPEC, CORE + "b/spec.py": SPEC}, []),
    "by a call": (
        {
            CORE + "a/__init__.py": 'X = {"port": option("int", "Its number.")}',
            "plugins/modules/a.py": f'D = """{OPTIONS}"""',
        },
        ["port"],
    ),
    "by a constant": (
        {
            CORE + "a/__init__.py": 'PORT: Any = option("int")\nDIR = {"type": "path"}',
            "plugins/modules/a.py": f'D = """\n{OPTIONS}"""',
        },
        ["dir", "port"],
    ),
    "by another call": (
        {CORE + "a/a.py": 'X = {"port": f("int")}', "plugins/modules/a.py": f'D = """\n{OPTIONS}"""'},
        [],
    ),
    "in a module": ({CORE + "a/spec.py": SPEC, "plugins/modules/a.py": f'D = """\n{OPTIONS}"""'}, ["dir", "port"]),
    "in an action": ({"plugins/action/a.py": SPEC, "plugins/modules/a.py": f'D = """\n{OPTIONS}"""'}, ["dir", "port"]),
    "in a module that is generated": (
        {CORE + "a/spec.py": SPEC, "plugins/modules/a.py": f'#!/usr/bin/python\n{MADE}D = """\n{OPTIONS}"""'},
        [],
    ),
    "in a fragment": (
        {CORE + "a/spec.py": SPEC, "plugins/doc_fragments/a.py": f'class A:\n    D = r"""\n{OPTIONS}"""\n'},
        ["dir", "port"],
    ),
    "in a role": ({CORE + "a/spec.py": SPEC, ROLE: f"argument_specs: {VARIABLES}"}, ["dir"]),
    "in a role that is generated": ({CORE + "a/spec.py": SPEC, ROLE: f"---\n{MADE}argument_specs: {VARIABLES}"}, []),
    "in a role that says so too late": (
        {CORE + "a/spec.py": SPEC, ROLE: "#\n" * 12 + f"{MADE}argument_specs: {VARIABLES}"},
        ["dir"],
    ),
    "in the list of the roles' variables": (
        {CORE + "a/spec.py": SPEC, "docs/roles.yml": "a: {options: {dir: {from: a.dir}, port: {type: int}}}"},
        ["port"],
    ),
    "in the list of variables": (
        {CORE + "a/spec.py": SPEC, "docs/inventory.yml": "- {name: dir, type: path}\n- {name: port, from: a.port}\n"},
        ["dir"],
    ),
    "in no spec": (
        {CORE + "a/spec.py": 'X = {"port": {"default": 1}}', "plugins/modules/a.py": f'D = """\n{OPTIONS}"""'},
        [],
    ),
}


@pytest.mark.parametrize(("files", "again"), TYPED.values(), ids=TYPED.keys())
def test_an_option_is_typed_again(figures, files, again):
    assert figures.typings.typed_again(files) == (len(again), again)


# what the test of a new area says, and how many files that is
TOUCHED = {
    "a number": ("TOUCHED = 11\n", 11),
    "a list": ('TOUCHED: tuple[str, ...] = ("a", "b")\n', 2),
    "nothing": ("OTHER = 3\n", None),
}


@pytest.mark.parametrize(("text", "expected"), TOUCHED.values(), ids=TOUCHED.keys())
def test_the_files_that_a_new_area_touches(figures, text, expected):
    assert figures.measure.new_area({"tests/unit/test_new_area.py": text}).value == expected


# a file, its text, and the lines on which a list of areas stands that somebody keeps
LISTS = {
    "names": ("plugins/plugin_utils/a.py", '\nAREAS = ("services", "backup", "firewall")', [2]),
    "two names": ("plugins/plugin_utils/a.py", 'AREAS = ("services", "backup", "backup", "other")', []),
    "the packages": ("plugins/module_utils/a.py", "AREAS = [services.AREA, backup.AREA, firewall.AREA]", [1]),
    "by key": ("scripts/docs/a.py", 'X = {"services": 1, "backup": 2, "firewall": 3}', [1]),
    "rows": ("scripts/docs/a.py", 'X = (("services", 1), ("backup", 2), ("firewall", 3))', [1]),
    "modules": ("plugins/action/check.py", 'X = {"check", "act", "third"}', [1]),
    "in a playbook": ("playbooks/a.yml", "- hosts: all\n  vars:\n    areas: [services, backup, firewall]\n", [3]),
    "in a role": ("roles/a/vars/main.yml", "---\nx:\n  services: 1\n  backup: 2\n  firewall: 3\n", [3]),
    "by result": (
        "roles/a/vars/main.yml",
        "[cryptobot_result_services, cryptobot_result_backup, cryptobot_result_firewall]",
        [1],
    ),
    "one that is generated": ("meta/runtime.yml", f"{MADE}[check, act, third]\n", []),
    "one whose key says so": ("meta/runtime.yml", "all: # made by `make docs`\n  - check\n  - act\n  - third\n", []),
    "one that is given": ("meta/runtime.yml", "# It is made by hand.\n[check, act, third]\n", [2]),
    "in a test": ("tests/unit/test_a.py", 'AREAS = ("services", "backup", "firewall")', []),
}


@pytest.mark.parametrize(("path", "text", "lines"), LISTS.values(), ids=LISTS.keys())
def test_a_list_of_areas_is_kept_by_hand(figures, path, text, lines):
    assert figures.measure.hand_kept({**TREE, path: text}).named == tuple(f"{path}:{line}" for line in lines)


# a bound, whether more is better, what is measured, and the lines that say so
BOUNDS = {
    "at its bound": (8, False, 8, []),
    "above it": (8, False, 9, ["core: lines: 9, at most 8 is wanted: why"]),
    "below it": (8, False, 7, []),
    "below the least": (8, True, 7, ["core: lines: 7, at least 8 is wanted: why"]),
    "above the least": (8, True, 9, []),
    "not measured": (8, False, None, ["core: lines: not measured, at most 8 is wanted: why"]),
    "not measured yet": (None, False, None, []),
}


@pytest.mark.parametrize(("bound", "least", "measured", "expected"), BOUNDS.values(), ids=BOUNDS.keys())
def test_a_figure_that_is_worse_than_its_bound_is_reported(figures, monkeypatch, bound, least, measured, expected):
    monkeypatch.setattr(figures, "AIM_OF", {("core", "lines"): figures.Aim("core", "lines", bound, 5, least)})

    assert list(figures.worse({("core", "lines"): figures.Figure("lines", measured, ("why",))})) == expected


def test_each_aim_is_of_a_figure_and_no_bound_is_better_than_it_or_forgotten(figures):
    found = figures.figures(TREE)

    assert [aim for aim in figures.AIMS if (aim.scope, aim.name) not in found] == []
    for aim in figures.AIMS:
        assert aim.bound is None or (aim.bound <= aim.aim if aim.least else aim.bound >= aim.aim)


def test_the_table_has_both_trees_and_the_difference(figures):
    before = {"plugins/module_utils/a.py": "x = 1\n" * 2000}
    lines = list(figures.table(figures.figures(TREE), figures.figures(before)))

    assert lines[0].split() == ["before", "now", "difference", "bound", "aim"]
    assert next(line.split() for line in lines if line.startswith("  lines ")) == [
        "lines", "2,000", "425", "-1,575", f"{figures.AIM_OF['core', 'lines'].bound:,}", "31,000",
    ]  # fmt: skip


def test_the_files_of_a_commit_are_read_without_writing_any(load, monkeypatch, tmp_path):
    tree = load("lint/tree")
    monkeypatch.setattr(tree.house_rules, "CHECKOUT", tmp_path)
    for name in ("a.py", "b.bin", "tests/fixtures/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("committed\n")
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "a")):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "a.py").write_text("changed\n")
    (tmp_path / "new.py").write_text("new\n")

    assert tree.files_of("HEAD", (".py",)) == {"a.py": "committed\n"}
    assert tree.files_here((".py",)) == {"a.py": "changed\n", "new.py": "new\n"}
