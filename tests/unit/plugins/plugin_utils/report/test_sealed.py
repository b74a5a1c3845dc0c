# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An answer is known to be sealed without a seal, and none is that a seal would change."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import seal
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.sealed import is_sealed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(st.characters()), each, max_size=4),
    max_leaves=12,
)

FINDING = {
    "check": "a.b",
    "subject": "x",
    "status": "ok",
    "message": "said",
    "expected": None,
    "actual": [1, 2.5, True],
}


def holding(value: Any) -> dict[str, Any]:
    return {"changed": False, "findings": [FINDING, {**FINDING, "actual": value}]}


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "bottom"


class Told(str):
    """A text of another kind, such as one that Ansible has marked."""


# (a value in an answer, whether nothing would change)
SEALED = [
    ("said", True),
    ("line\n\tline \u00e9 \u65e5", True),
    ("x" * 1_500, True),
    ("x" * 1_501, False),
    ("\x1b[2J", False),
    ("a\u202eb", False),
    ("\ud800", False),
    ("a\rb", False),
    ({"odd key": "x"}, True),
    ({"odd\x1b": "x"}, False),
    ({"k" * 1_501: "x"}, False),
    ({"message": "DB_PASSWORD=hunter22"}, False),
    ({"message": "said", "stderr": "url postgresql://u:hunter22@h/db"}, False),
    ({"msg": "the password was changed"}, True),
    ({"message": ["DB_PASSWORD=hunter22"]}, True),  # no sentence
    ({"odd.message": "DB_PASSWORD=hunter22"}, False),
    ({"odd.key": "x"}, False),
    ({1: "x"}, False),
    ({"findings": 1, 2: "x"}, False),
    (float("inf"), False),
    (float("nan"), False),
    (10**17, True),
    (-(10**40), False),
    ((1, 2), False),
    ({1}, False),
    (b"x", False),
    (PurePosixPath("/x"), False),
    (Told("said"), False),
    (nested(17), True),
    (nested(18), False),
    (list(range(5_000)), True),
    (list(range(5_001)), False),
    ({str(at): at for at in range(5_001)}, False),
    (["x" * 1_000] * 400, False),  # may be larger than TOTAL as JSON
]


@pytest.mark.parametrize(("value", "expected"), SEALED)
def test_an_answer_that_needs_no_seal_is_known_without_one(value: Any, expected: bool) -> None:
    assert is_sealed(holding(value)) is expected
    if expected:
        assert seal(holding(value)) == holding(value)


def test_a_sentence_that_was_looked_at_is_not_looked_at_again() -> None:
    clean = {"DB_PASSWORD=hunter22"}
    assert is_sealed({"message": "DB_PASSWORD=hunter22"}, clean)
    assert is_sealed({"message": "all is well"}, clean)
    assert not is_sealed({"message": "DB_PASSWORD=hunter23"}, clean)
    assert clean == {"DB_PASSWORD=hunter22", "all is well"}


def test_an_answer_that_says_what_was_cut_is_sealed_again() -> None:
    assert not is_sealed({"cut": ["x"] * 60, "findings": []})
    assert not is_sealed([])  # type: ignore[arg-type]


KEYS = st.sampled_from(["findings", "cut", "status", "message", "x.message", "stderr"])
TOLD = st.sampled_from(["said", "DB_PASSWORD=hunter22", "a://u:hunter22@h", "the password was changed"])


@given(st.dictionaries(st.text(st.characters()) | KEYS, PLAIN | TOLD, max_size=5))
def test_what_is_called_sealed_is_not_changed_by_a_seal(answer: dict[str, Any]) -> None:
    assert not is_sealed(answer) or json.dumps(seal(answer)) == json.dumps(answer)
