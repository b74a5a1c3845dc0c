# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new area, added to a copy of the tree as docs/extending.md says: three checks, three systems.

Its files are in tests/fixtures/new-area. Nothing else is written by hand; all else is made by `make docs`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("ansible", reason="modules and action plugins need ansible-core")

CHECKOUT = Path(__file__).resolve().parents[2]
FIXTURES = CHECKOUT / "tests" / "fixtures" / "new-area"
NEW = sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*") if path.is_file())
# What is added at the end of a file that is there.
VARIABLES = """
- name: cryptobot_time_zone
  description: The time zone that the hosts are meant to have.
- name: cryptobot_time_servers
  description: The time servers that the hosts may ask.
"""
DEFAULTS = """
# The time zone that the hosts are meant to have (UTC), and the time servers that they may ask; empty for any.
cryptobot_time_zone: ""
cryptobot_time_servers: []
"""
CHANGED = {
    "docs/inventory.yml": VARIABLES,
    "roles/inventory/defaults/main.yml": DEFAULTS,
}
TOUCHED = 10  # files that are written or changed by hand for it; 12 are allowed
COPIED = (
    "docs",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "pyproject.toml",
    "roles",
    "scripts",
    "tests/conftest.py",
)
TESTS = ("tests/cases.tsv", "tests/unit")


class Tree(NamedTuple):
    """A copy of the checkout to which the area was added, and which files `make docs` made or changed."""

    root: Path
    made: list[str]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy."""
        environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *argv]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


def texts(root: Path) -> dict[str, str]:
    paths = [path for top in ("docs", "meta", "plugins", "roles") for path in (root / top).rglob("*") if path.is_file()]
    kinds = (".json", ".md", ".py", ".yml")
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in paths if path.suffix in kinds}


def added(root: Path) -> None:
    """Write the new files, and change those that are there."""
    for name in NEW:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIXTURES / name, root / name)
    for name, text in CHANGED.items():
        (root / name).write_text((root / name).read_text("utf-8") + text.lstrip("\n"), "utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    there = CHECKOUT / "plugins" / "module_utils" / "clocks"
    assert not there.exists(), f"{there} is an area of this tree: the example that is added here needs another name"
    root = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in (*COPIED, *TESTS):
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(source, target)
    added(root)
    before, copy = texts(root), Tree(root, [])
    ended = copy.run("scripts/docs/generate.py")
    assert ended.returncode == 0, ended.stderr
    after = texts(root)
    return copy._replace(made=sorted(name for name in after if after[name] != before.get(name)))


def test_a_new_area_touches_at_most_twelve_files() -> None:
    assert len(NEW) + len(CHANGED) == TOUCHED <= 12


def test_all_else_is_made(tree: Tree) -> None:
    assert tree.made == [
        "docs/checks.md",
        "docs/inventory.md",
        "docs/procedures.md",
        "meta/runtime.yml",
        "plugins/action/clock_check.py",
        "plugins/modules/checkup.py",
        "plugins/modules/clock_check.py",
        "plugins/modules/validate.py",
        "plugins/plugin_utils/report/checks.json",
        "roles/inventory/meta/argument_specs.yml",
        "roles/recover/vars/main/looks.yml",
        "roles/weekly/vars/main/looks.yml",
    ]
    assert not set(tree.made) & {*NEW, *CHANGED}
    assert tree.run("scripts/docs/generate.py", "--check").returncode == 0


def test_the_pages_tell_of_it(tree: Tree) -> None:
    pages = {name: (tree.root / name).read_text("utf-8") for name in tree.made}
    rules = (tree.root / "plugins/module_utils/clocks/rules_clocks.py").read_text("utf-8").splitlines()
    (line,) = re.findall(
        r"\[`clocks\.kept`\]\(\.\./plugins/module_utils/clocks/rules_clocks\.py#L(\d+)\)", pages["docs/checks.md"]
    )
    assert rules[int(line) - 1].strip() == '"clocks.kept",'
    assert "## cryptobot_time_zone" in pages["docs/inventory.md"]
    assert "    - clock_check\n" in pages["meta/runtime.yml"]
    assert "V(clocks) those of M(cryptobot.maintenance.clock_check)" in " ".join(
        pages["plugins/modules/checkup.py"].split()
    )


RUN = """
import contextlib, io, json, sys
sys.path.insert(0, "tests")
import conftest
from ansible.module_utils.testing import patch_module_args
from fake_host import FakeHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils import _ansible_module
from ansible_collections.cryptobot.maintenance.plugins.modules import checkup, clock_check

COMMANDS = {
    "linux": {"timedatectl show --property=Timezone": "Timezone=UTC", "timedatectl show --property=NTP": "NTP=no"},
    "darwin": {"systemsetup -gettimezone": "Time Zone: UTC", "systemsetup -getusingnetworktime": "Network Time: Off"},
    "windows": {"powershell.exe": json.dumps({"zone": {"value": ["UTC"]}, "service": {"value": ["Stopped"]}})},
}

def answer(module, system, **given):
    host = FakeHost(system, commands=COMMANDS[system])
    host.lower_priority = lambda: None
    _ansible_module.choose_host = lambda _timeout: host
    printed = io.StringIO()
    with patch_module_args({"state_dir": sys.argv[1], **given}), contextlib.redirect_stdout(printed):
        with contextlib.suppress(SystemExit):
            module.main()
    return json.loads(printed.getvalue())

options = {"zone": "UTC", "servers": ["ntp.example.org"]}
print(json.dumps({
    system: [answer(clock_check, system, **options), answer(checkup, system, checks={"clocks": options})]
    for system in COMMANDS
}))
"""


def test_it_runs_on_three_systems_by_its_own_module_and_through_a_checkup(tree: Tree, tmp_path: Path) -> None:
    ended = tree.run("-c", RUN, str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    answers = json.loads(ended.stdout)
    assert set(answers) == {"linux", "darwin", "windows"}
    for own, through in answers.values():
        assert through["areas"]["clocks"]["findings"] == own["findings"]
        assert [finding["status"] for finding in through["findings"]] == ["ok"]
        said = {finding["check"]: finding["status"] for finding in own["findings"]}
        assert said == {"clocks.zone": "ok", "clocks.kept": "warning", "clocks.server": "unknown"}
        assert (own["status"], own["zone"], own["changed"]) == ("unknown", "UTC", False)


HELD = (
    "tests/unit/plugins/module_utils/clocks",
    "tests/unit/contracts/test_registry.py",
    "tests/unit/contracts/test_mistakes.py",
    "tests/unit/contracts/test_platforms.py",
    "tests/unit/test_contracts.py",
)


def test_its_tests_and_the_contracts_of_every_area_hold(tree: Tree) -> None:
    ended = tree.run("-m", "pytest", "-q", "-p", "no:randomly", "-k", "clock or every or no_file or list", *HELD)
    assert ended.returncode == 0, ended.stdout
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) > 60


def test_none_of_it_has_a_retired_word(tree: Tree) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tree.root, check=True)  # it looks at what git would know
    ended = tree.run("scripts/lint/words.py")
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout


def test_the_walk_through_shows_these_files_and_no_others() -> None:
    page = (CHECKOUT / "docs" / "extending.md").read_text("utf-8")
    shown = dict(re.findall(r"\*\*`([^`]+)`\*\*.*?\n```\w*\n(.*?)```", page, re.S))
    assert sorted(shown) == sorted([*NEW, *CHANGED])
    for name in NEW:
        text = (FIXTURES / name).read_text("utf-8")
        assert shown[name].strip() == re.sub(r"\A(?:---\n)?(?:# .*\n)+\n", "", text).strip(), name
    for name, text in CHANGED.items():
        assert shown[name].strip() == text.strip(), name
