# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "scripts" / "mutate"))
pytest.importorskip("cosmic_ray", reason="mutation testing is the controller's: the core's own environments lack it")

import mutants  # noqa: E402
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
    """A checkout with one rule and one test of it, in which trials run."""
    for module in (mutants, trial):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
        monkeypatch.setattr(module, "CORE", tmp_path / "plugins" / "module_utils")
    monkeypatch.setattr(trial, "UNIT", tmp_path / "tests")
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


def test_everything_that_decides_is_found():
    found = {str(path.relative_to(CHECKOUT / "plugins")) for path in mutants.files_that_decide()}
    assert {"module_utils/services/rules_state.py", "module_utils/backup/retention/policy.py"} <= found
    assert {"module_utils/firewall/model/evaluate.py", "plugin_utils/report/build.py"} <= found
    assert not any("gather" in name or "queries" in name for name in found)
