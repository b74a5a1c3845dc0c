# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "scripts" / "mutate"))
pytest.importorskip("cosmic_ray", reason="mutation testing is the controller's: the core's own environments lack it")

import area  # noqa: E402
import mutants  # noqa: E402
import planted  # noqa: E402
import run  # noqa: E402
import trial  # noqa: E402
from operators import chosen  # noqa: E402

RULE = """\
def judge(value, bound, *, strict=False):
    if value in (None, 7) and not strict:
        return UNKNOWN
    return CRITICAL if value > bound else OK
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one rule, in which mutants are looked for."""
    for module in (mutants, trial, area, run):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    for module in (mutants, trial):
        monkeypatch.setattr(module, "CORE", tmp_path / "plugins" / "module_utils")
    monkeypatch.setattr(mutants, "REPORT", tmp_path / "plugins" / "plugin_utils" / "report")
    monkeypatch.setattr(trial, "UNIT", tmp_path / "tests")
    monkeypatch.setattr(run, "_DIGESTS", {})
    rule = tmp_path / "plugins" / "module_utils" / "area" / "judge.py"
    rule.parent.mkdir(parents=True)
    rule.write_text(RULE)
    return rule


def sources(rule):
    return {(mutant.operator, mutant.line): mutants.source_with(mutant) for mutant in mutants.mutants_of(rule)}


def test_each_decision_of_a_rule_is_changed_once_and_nothing_else(checkout):
    found = sources(checkout)
    assert sorted(name for name, _line in found) == [
        "AddNot",
        "AddNot",
        "NumberReplacer",
        "ReplaceAndWithOr",
        "ReplaceComparisonOperator_Gt_GtE",
        "ReplaceComparisonOperator_Gt_LtE",
        "ReplaceFalseWithTrue",
        "ReplaceInWithNotIn",
        "ReplaceUnaryOperator_Delete_Not",
        "Replace_CRITICAL_With_WARNING",
        "Replace_OK_With_UNKNOWN",
        "Replace_UNKNOWN_With_OK",
    ]
    assert "value not in (None, 7)" in found["ReplaceInWithNotIn", 2]
    assert "value >= bound" in found["ReplaceComparisonOperator_Gt_GtE", 4]
    assert "WARNING if value > bound else OK" in found["Replace_CRITICAL_With_WARNING", 4]


def test_the_name_of_a_mutant_stays_when_other_lines_move(checkout):
    before = [mutant.key for mutant in mutants.mutants_of(checkout)]
    checkout.write_text(f'"""A line more."""\n\nOTHER = True\n\n\n{RULE}')
    after = [mutant.key for mutant in mutants.mutants_of(checkout)]
    assert len(set(before)) == len(before)
    assert set(before) < set(after)


def test_every_operator_does_what_its_example_says():
    for operator in chosen().values():
        for example in operator.examples():
            mutated = mutants.mutate_code(example.pre_mutation_code, operator, example.occurrence)
            assert "".join(mutated.split()) == "".join(example.post_mutation_code.split())


def test_near_tests_are_those_named_after_the_file_or_naming_it(checkout, tmp_path):
    folder = tmp_path / "tests" / "module_utils" / "area"
    folder.mkdir(parents=True)
    texts = {"test_judge_more.py": "", "test_a.py": "from x.area.judge import judge", "test_b.py": "import b"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    near, others = trial.tests_of(checkout)
    assert [path.name for path in near] == ["test_a.py", "test_judge_more.py"]
    assert [path.name for path in others] == ["test_b.py"]


LIVE = """\
from functools import cache

LIMIT = 5
TABLE = {"double": lambda value: value * 2}


def plain(value, most=3):
    return value > most


@cache
def kept(value):
    return [each for each in (value, 1) if each]


class Rule:
    bound = 4

    @property
    def name(self):
        return "a" + "b"

    @staticmethod
    def fits(value):
        return value == 2
"""


@pytest.fixture
def live(tmp_path, monkeypatch):
    """A module that is loaded, and a function that plants a change of its text in it."""
    path = tmp_path / "live_rule.py"
    path.write_text(LIVE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("live_rule")
    yield module, lambda old, new: planted.plant("live_rule", str(path), LIVE, LIVE.replace(old, new))
    del sys.modules["live_rule"]


@pytest.mark.parametrize(
    ("old", "new", "told", "value"),
    [
        ("value > most", "value >= most", lambda module: module.plain(3), True),
        ("(value, 1) if", "(value, 2) if", lambda module: module.kept(0), [2]),
        ('"a" + "b"', '"a" * 2', lambda module: module.Rule().name, "aa"),
        ("value == 2", "value != 2", lambda module: module.Rule.fits(2), False),
    ],
)
def test_a_mistake_in_a_function_is_planted_without_an_import(live, old, new, told, value):
    module, plant = live
    taken_before = module.plain
    assert plant(old, new)
    assert told(module) == value
    assert module.plain is taken_before


@pytest.mark.parametrize(
    ("old", "new"),
    [("LIMIT = 5", "LIMIT = 6"), ("most=3", "most=4"), ("value * 2", "value / 2"), ("bound = 4", "bound = 5")],
    ids=["constant", "default", "lambda in a table", "body of a class"],
)
def test_what_only_an_import_computes_is_not_planted(live, old, new):
    module, plant = live
    assert not plant(old, new)
    assert (module.LIMIT, module.plain(3), module.TABLE["double"](2), module.Rule.bound) == (5, False, 4, 4)


def test_a_fork_tells_its_text_and_code_and_ends_when_its_time_is_up():
    assert area.fork(lambda: (1, "which"), 60.0) == (1, "which")
    assert area.fork(lambda: (0, "x" * 200_000), 60.0) == (0, "x" * 200_000)
    assert area.fork(lambda: 1 / 0, 60.0) == (1, "")
    assert area.fork(lambda: time.sleep(60), 0.2) == (-signal.SIGKILL, "")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_a_trial_ends_with_whoever_began_it(tmp_path):
    """However that ended: a run that is killed leaves nothing at work."""
    told = tmp_path / "pid"

    def trial():
        told.write_text(str(os.getpid()))
        time.sleep(60)
        return 0, ""

    killed = os.fork()
    if not killed:
        area.fork(trial, 60)
        os._exit(0)
    deadline = time.monotonic() + 10
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    state = Path("/proc", told.read_text(), "stat")
    while state.exists() and " Z " not in state.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not state.exists() or " Z " in state.read_text()


def test_a_result_holds_while_its_file_and_the_noticing_test_stay(checkout, tmp_path):
    folder = tmp_path / "tests" / "module_utils" / "area"
    folder.mkdir(parents=True)
    for name in ("test_judge.py", "test_other.py"):
        (folder / name).write_text("")
    mutant = next(iter(mutants.mutants_of(checkout)))
    noticed = "tests/module_utils/area/test_judge.py::test_it"
    killed = [mutant.key, *run.evidence(mutant, noticed), "killed", noticed]
    survived = [mutant.key, *run.evidence(mutant, ""), "survived", ""]
    assert run.still_holds(mutant, killed)
    assert run.still_holds(mutant, survived)

    run._DIGESTS.clear()
    (folder / "test_other.py").write_text("# a new test")
    assert run.still_holds(mutant, killed)
    assert not run.still_holds(mutant, survived)

    run._DIGESTS.clear()
    checkout.write_text(RULE + "\n")
    assert not run.still_holds(mutant, killed)


def test_the_sample_is_spread_over_the_areas_and_filled_up_where_a_line_was_changed(checkout, tmp_path, monkeypatch):
    other = tmp_path / "plugins" / "module_utils" / "other" / "judge.py"
    other.parent.mkdir()
    other.write_text("def small(value):\n    return value > 1\n")
    monkeypatch.setattr(run, "SAMPLE", tmp_path / "mutants.tsv")
    monkeypatch.setattr(run, "KNOWN", tmp_path / "survivors.tsv")
    by_area = run.chosen_mutants([], {})
    outcomes = {m.key: run.Outcome("killed", "tests/test_x.py::test_y") for found in by_area.values() for m in found}
    run.draw(by_area, outcomes, 6)
    hints = run.read_sample()
    assert len(hints) == 6
    assert set(hints.values()) == {"tests/test_x.py::test_y"}
    assert {area: len(found) for area, found in run.chosen_mutants([], hints).items()} == {"area": 3, "other": 3}

    gone = min(m.key for m in by_area["area"] if m.key in hints)
    hints[f"not {gone}"] = hints.pop(gone)
    assert {area: len(found) for area, found in run.chosen_mutants([], hints).items()} == {"area": 3, "other": 3}


def test_the_sample_of_this_checkout_has_at_least_150_over_all_areas():
    by_area = run.chosen_mutants([], run.read_sample())
    assert sum(map(len, by_area.values())) >= 150
    assert {path_area for path_area, found in by_area.items() if found} == {
        mutants.area_of(path) for path in mutants.files_that_decide() if any(mutants.mutants_of(path))
    }


def test_everything_that_decides_is_found():
    found = {str(path.relative_to(CHECKOUT / "plugins")) for path in mutants.files_that_decide()}
    assert {"module_utils/services/rules_state.py", "module_utils/backup/retention.py"} <= found
    assert {"module_utils/firewall/model/evaluate.py", "plugin_utils/report/build.py"} <= found
    assert not any("gather" in name or "queries" in name for name in found)


@pytest.mark.parametrize(
    ("profile", "content", "told"),
    [
        ("--hypothesis-profile=no-such", "def test_it(): pass", "pytest did not come to run them"),
        ("-q", "import no_such_module", "1 files could not be collected"),
    ],
    ids=["pytest refuses an option", "an import fails"],
)
def test_tests_that_do_not_run_notice_nothing(checkout, tmp_path, monkeypatch, profile, content, told):
    near = tmp_path / "tests" / "module_utils" / "area" / "test_judge.py"
    near.parent.mkdir(parents=True)
    near.write_text(content)
    monkeypatch.setattr(run, "PLACE", tmp_path)
    monkeypatch.setattr(run, "PLAIN", ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", profile])

    problem = run.try_area("area", list(mutants.mutants_of(checkout)), {}, tmp_path / "results", time.monotonic() + 60)

    assert told in problem
    assert not (tmp_path / "results").exists()
