# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import registry
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, Check, Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import (
    Outcome,
    Rules,
    finding_of,
    first_sentence,
)


class Subject(NamedTuple):
    """A context of one subject."""

    name: str
    manager: str = "systemd"

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        return finding_of(check, outcome, self.name, self.manager)


def some_rules() -> Rules:
    rules = Rules()

    @rules.rule("door.shut", procedure="D1.2", remedy={"systemd": "Shut it.", "windows": "Close it."}, vital=True)
    def judge_shut(context: Subject) -> Iterator[Outcome]:
        """A door is shut. Nobody knows why."""
        yield Outcome(CRITICAL, f"{context.name} is open")
        yield Outcome(OK, "the other is shut", subject="other")

    @rules.rule("door.house", procedure="D1.2", remedy="Look.", per="host", title="The house. All of it.")
    def judge_house(context: Subject) -> Iterator[Outcome]:
        """Whatever."""
        yield Outcome(CRITICAL, "the house is open", remedy="")

    return rules


def test_a_rule_is_declared_where_it_judges() -> None:
    check = some_rules()["door.shut"]
    assert (check.summary, check.procedure, check.remedy) == ("A door is shut.", "D1.2", "Shut it.")
    assert some_rules()["door.house"].summary == "The house. All of it."
    assert some_rules().vital == {"door.shut"}


def test_only_the_rules_for_that_kind_of_context_judge() -> None:
    found = some_rules().judge(Subject("front"))
    assert [(each.check, each.subject, each.status) for each in found] == [
        ("door.shut", "front", CRITICAL),
        ("door.shut", "other", OK),
    ]
    assert [each.check for each in some_rules().judge(Subject("front"), "host")] == ["door.house"]


@pytest.mark.parametrize(
    ("manager", "remedy"), [("systemd", "Shut it."), ("windows", "Close it."), ("launchd", "Shut it.")]
)
def test_the_remedy_is_that_of_the_manager_or_the_documented_one(manager: str, remedy: str) -> None:
    assert some_rules().judge(Subject("front", manager))[0].remedy == remedy


def test_an_outcome_may_say_that_there_is_nothing_to_do() -> None:
    assert some_rules().judge(Subject("front"), "host")[0].remedy == ""


def test_rules_are_joined_in_their_order_and_an_id_stands_once() -> None:
    other = Rules()
    other.check("door.other", "Another.", "D1.2", "Look.")
    joined = Rules(some_rules(), other)
    assert list(joined.checks) == ["door.shut", "door.house", "door.other"]
    assert joined.vital == {"door.shut"}
    assert len(joined.judge(Subject("front"))) == 2
    with pytest.raises(ValueError, match=r"door\.shut is declared twice"):
        Rules(some_rules(), some_rules())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("Bounds of 1.5 and e.g. more\n    on the next line. Two.", "Bounds of 1.5 and e.g. more on the next line."),
        ("No end", "No end"),
        (None, ""),
        ("In systemctl(1). `that` is why.", "In systemctl(1)."),
    ],
)
def test_the_title_is_the_first_sentence(text: str | None, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_areas_are_found_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("services", "AREA = Area()\n"), ("linux", ""), ("words", "# AREA is not here\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(content, "utf-8")
    monkeypatch.setattr(registry, "area", lambda name: name)
    assert list(registry.areas(tmp_path)) == ["services"]


IMPORTED = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.cryptobot.maintenance.plugins.module_utils import registry
area = registry.area("resources")
core = registry.__name__.rpartition(".")[0]
print(area.name, *sorted(name[len(core) + 1 :] for name in sys.modules if name.startswith(core + ".resources")))
"""


def test_who_asks_what_an_area_is_does_not_import_what_it_does() -> None:
    tests = str(Path(__file__).resolve().parents[3])
    asked = subprocess.run([sys.executable, "-c", IMPORTED, tests], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["resources", "resources"]


def test_an_area_runs_what_its_folder_has(monkeypatch: pytest.MonkeyPatch) -> None:
    package = f"{registry.__package__}.parrot"
    for name, content in (("", {}), (".run", {"run": lambda *given: given, "RULES": "rules"})):
        module = types.ModuleType(package + name)
        vars(module).update(content, __path__=[])
        monkeypatch.setitem(sys.modules, module.__name__, module)
    parrot = registry.declare(package, module="parrot_check", spec={}, procedures=("D1.1",), force={"mode": "plan"})
    assert (parrot.name, parrot.force, parrot.plan_only) == ("parrot", {"mode": "plan"}, False)
    assert parrot.run({"word": "hello"}, None, True) == ({"word": "hello"}, None, True)  # type: ignore[arg-type,comparison-overlap]
    assert parrot.rules() == "rules"
