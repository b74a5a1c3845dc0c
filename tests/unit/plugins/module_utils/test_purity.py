# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The core is pure: no file of it reaches for Ansible or a shell, nor, where it judges, for the host."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from . import purity

CORE = Path(__file__).resolve().parents[4] / "plugins" / "module_utils"
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"
FILES = sorted(path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py"))


def _tree(text: str) -> ast.Module:
    return ast.parse(text, feature_version=(3, 9))


def _tree_of(name: str) -> ast.Module:
    return _tree((CORE / name).read_text(encoding="utf-8"))


def test_the_core_is_found() -> None:
    assert {"finding.py", "host.py", "_ansible_module.py"} <= set(FILES)


def complaints(rule: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """Given a rule that takes a file's name, return what it says of each file of the core that breaks it."""
    return {name: said for name in FILES if (said := rule(name))}


def test_the_core_imports_the_standard_library_and_itself_alone() -> None:
    assert complaints(lambda name: purity.foreign_imports(_tree_of(name), name)) == {}


def test_the_core_contains_nothing_forbidden() -> None:
    assert complaints(lambda name: purity.forbidden_words(_tree_of(name), name)) == {}


def test_no_parser_judge_or_planner_touches_the_host() -> None:
    assert complaints(lambda name: purity.impurities(_tree_of(name), name)) == {}


def test_the_core_does_not_evaluate_its_annotations() -> None:
    assert complaints(lambda name: purity.annotations_are_read(_tree_of(name))) == {}


def import_of(name: str) -> list[str]:
    """Given a file of the core, import it, and return why this Python cannot."""
    parts = Path(name).with_suffix("").parts
    try:
        importlib.import_module(".".join((PACKAGE, *(part for part in parts if part != "__init__"))))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return [repr(error)]
    return []


def test_the_core_can_be_imported_on_this_python() -> None:
    assert complaints(import_of) == {}


def test_importing_the_whole_core_brings_in_neither_ansible_nor_a_driver() -> None:
    before = {name for name in sys.modules if name.split(".")[0] in ("ansible", "psycopg2")}
    complaints(import_of)
    after = {name for name in sys.modules if name.split(".")[0] in ("ansible", "psycopg2")}
    assert after == before


# The rules themselves: what each must see, and what it must leave alone. (rule, file name, code, whether it complains)
Rule = Callable[[ast.AST, str], list[str]]
RULES: list[tuple[Rule, str, str, bool]] = [
    (purity.foreign_imports, "a.py", "import ansible.module_utils.basic", True),
    (purity.foreign_imports, "a.py", "from ansible.module_utils import basic", True),
    (purity.foreign_imports, "a.py", "def f():\n    import yaml", True),
    (purity.foreign_imports, "a.py", "import tests.unit", True),
    (purity.foreign_imports, "a.py", "import json, os.path\nfrom collections.abc import Mapping", False),
    (purity.foreign_imports, "a.py", "from ..finding import Finding\nfrom . import judge", False),
    (purity.foreign_imports, "a.py", "import winreg, fcntl, msvcrt", False),
    (purity.foreign_imports, "a.py", "def f():\n    import psycopg2", True),
    (purity.foreign_imports, purity.PSYCOPG2_HOME, "import psycopg2", True),
    (purity.foreign_imports, purity.PSYCOPG2_HOME, "def f():\n    import psycopg2.extras", False),
    (purity.forbidden_words, "a.py", "assert 1", True),
    (purity.forbidden_words, "a.py", "module.fail_json(msg='x')", True),
    (purity.forbidden_words, "a.py", "stop = module.exit_json", True),
    (purity.forbidden_words, purity.SHELL, "module.fail_json(msg='x')", False),
    (purity.forbidden_words, "a.py", "os.system('ls')", True),
    (purity.forbidden_words, "a.py", "os.popen('ls')", True),
    (purity.forbidden_words, "a.py", "subprocess.run('ls', shell=True)", True),
    (purity.forbidden_words, "a.py", "subprocess.run('ls', shell=wanted)", True),
    (purity.forbidden_words, "a.py", "subprocess.getoutput('ls')", True),
    (purity.forbidden_words, "a.py", "subprocess.run(['ls'], shell=False)", False),
    (purity.forbidden_words, "a.py", "platform.system()", False),
    (purity.forbidden_words, "a.py", "eval('1')", True),
    (purity.forbidden_words, "a.py", "print('x')", True),
    (purity.impurities, "x/judge.py", "import os", True),
    (purity.impurities, "x/judge.py", "import os.path", True),
    (purity.impurities, "x/judge_disks.py", "import os", True),
    (purity.impurities, "x/judge.py", "from os import path", True),
    (purity.impurities, "x/plan.py", "import subprocess", True),
    (purity.impurities, "x/parse.py", "import time", True),
    (purity.impurities, "x/parse.py", "from ..host import Host", True),
    (purity.impurities, "x/parse.py", "from .. import host", True),
    (purity.impurities, "x/judge.py", "from .gather import look", True),
    (purity.impurities, "x/judge.py", "open('/etc/passwd')", True),
    (purity.impurities, "x/judge.py", "from pathlib import Path\nPath('/etc').exists()", True),
    (purity.impurities, "x/judge.py", "from pathlib import PurePosixPath\nimport posixpath, re", False),
    (purity.impurities, "x/judge.py", "from ..finding import Finding\nfrom .parse import Disk", False),
    (purity.impurities, "x/gather.py", "import os\nopen('/etc/passwd')", False),
]


@pytest.mark.parametrize(("rule", "name", "code", "complains"), RULES)
def test_a_rule_sees_what_it_is_for_and_nothing_else(rule: Rule, name: str, code: str, complains: bool) -> None:
    assert bool(rule(_tree(code), name)) is complains


FIRST = [
    ("", True),
    ('"""What it is."""\n\nfrom __future__ import annotations\n', True),
    ("from __future__ import annotations\nimport os\n", True),
    ("import os\n", False),
    ('"""What it is."""\n\nimport os\n', False),
]


@pytest.mark.parametrize(("text", "good"), FIRST)
def test_a_file_that_evaluates_its_annotations_is_seen(text: str, good: bool) -> None:
    assert (purity.annotations_are_read(_tree(text)) == []) is good


def test_a_statement_that_python_39_does_not_know_is_seen() -> None:
    with pytest.raises(SyntaxError):
        _tree("match x:\n    case 1:\n        pass\n")
