# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What passes the seam can be written, shown and stored; secrets are hidden before anything is cut."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils import seam
from ansible_collections.cryptobot.maintenance.plugins.module_utils.masking import HIDDEN
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import cut, safe, seal, seal_text

SECRETS = frozenset({"hunter2", "hunter22"})

# (text, as it leaves)
TEXTS = [
    ("plain Überlauf 日本 95 %\n\ttwo lines\r\n", "plain Überlauf 日本 95 %\n\ttwo lines\r\n"),
    ("byte \udce9 end", "byte \\xe9 end"),
    ("low \udfff end", "low \\udfff end"),
    ("high \ud83d end", "high \\ud83d end"),
    ("both \ud83d\ude00 end", "both 😀 end"),
    ("wrong way \ude00\ud83d end", "wrong way \\ude00\\ud83d end"),
    ("\x1b[2J\x07\x00", "\\x1b[2J\\x07\\x00"),
    ("over\rwritten", "over\\rwritten"),
    ("C1 \x9b31m", "C1 \\x9b31m"),
    ("exe\u202egol", "exe\\u202egol"),
    ("\u2028\ufeff\uffff", "\\u2028\\ufeff\\uffff"),
]


@pytest.mark.case("BK8", "WN4")
@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_text_is_made_safe(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert seal({"a": [text], text: 1}) == {"a": [shown], shown: 1}


FORMAT = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]


@pytest.mark.case("L9b")
def test_no_format_character_leaves_in_any_text_of_a_finding() -> None:
    text = "".join(map(chr, FORMAT))
    finding = {"message": text, "expected": [text], "actual": {text: text}, "remedy": text, "subject": text}
    written = json.dumps(seal({"findings": [finding]}), ensure_ascii=False)
    assert len(FORMAT) > 150
    assert [hex(ord(letter)) for letter in written if unicodedata.category(letter) == "Cf"] == []


# (given, what of it may be shown), as ansible.module_utils.common.parameters.remove_values does
MASKS: list[tuple[Any, Any]] = [
    ("hunter2", HIDDEN),
    ("with hunter2 in it", "with ******** in it"),
    ({"a": ["hunter2", {"hunter22": "hunter22"}]}, {"a": [HIDDEN, {HIDDEN: HIDDEN}]}),
    ([True, None, 1, 1.5, "plain"], [True, None, 1, 1.5, "plain"]),
    ({"x hunter2": 1, "x hunter22": 2}, {"x ********": 1, "x ******** (2)": 2}),
    (("a", b"b\xff", PurePosixPath("/c")), ["a", "b\\xff", "/c"]),
    ([float("inf"), float("nan")], ["inf", "nan"]),
]


@pytest.mark.parametrize(("given", "shown"), MASKS)
def test_a_secret_is_masked_wherever_it_stands(given: Any, shown: Any) -> None:
    assert seal({"data": given}, SECRETS)["data"] == shown


def test_a_number_that_is_a_secret_is_hidden() -> None:
    assert seal({"pin": 1234, "on": True}, {"1234", "True"}) == {"pin": HIDDEN, "on": True}


def test_a_secret_that_is_a_word_of_ours_does_not_take_the_words_from_their_places() -> None:
    found = {"check": "services.state", "status": "ok", "message": "ok, said ok"}
    sealed = seal({"status": "ok", "findings": [found]}, {"ok", "services", "status"})
    assert sealed["status"] == "ok"
    assert sealed["findings"] == [{"check": "services.state", "status": "ok", "message": "********, said ********"}]


@pytest.mark.case("WN3", "WN5")
def test_a_secret_at_the_edge_of_what_is_cut_is_hidden_before_it_is_cut() -> None:
    for before in range(seam.MESSAGE * 2 // 3 - 60, seam.MESSAGE * 2 // 3 + 20):
        message = "x" * before + "hunter2" + "y" * 5_000
        shown = seal({"msg": message}, SECRETS)["msg"]
        assert not any(part in shown for part in ("hunter", "unter2", "hunt", "nter2"))


# (how long a text is, whether it is cut), at its bound and beside it
BOUNDS = [(99, False), (100, False), (101, True), (10_000, True)]


@pytest.mark.parametrize(("length", "shortened"), BOUNDS)
def test_a_text_is_cut_at_its_bound_and_keeps_both_ends(length: int, shortened: bool) -> None:
    text = "begin" + "." * (length - 8) + "end"
    shown = cut(text, 100)
    assert len(shown) <= 100
    assert (shown != text) is shortened
    assert shown.startswith("begin") and shown.endswith("end")
    assert ("characters left out" in shown) is shortened


@pytest.mark.case("WN5")
def test_a_message_of_three_megabytes_is_a_few_lines() -> None:
    assert len(seal({"msg": "z" * 3_000_000})["msg"]) <= seam.MESSAGE
    assert len(seal_text("z" * 3_000_000)) <= seam.MESSAGE


@pytest.mark.parametrize(("length", "left_out"), [(4_999, 0), (5_000, 0), (5_001, 1), (9_000, 4_000)])
def test_a_list_is_cut_at_its_bound_and_says_so(length: int, left_out: int) -> None:
    sealed = seal({"status": "critical", "findings": list(range(length))})
    assert len(sealed["findings"]) == length - left_out
    assert sealed.get("cut", []) == ([f"findings: {left_out} of {length} left out"] if left_out else [])
    assert sealed["status"] == "critical"


@pytest.mark.case("WN5")
def test_an_answer_is_bounded_as_a_whole_whatever_it_is_made_of() -> None:
    huge = {f"key {number}": ["\x1b" * 20_000] * 20 for number in range(24)}
    sealed = seal({"status": "ok", "data": huge, "findings": [{"actual": huge}] * 3})
    assert len(json.dumps(sealed)) <= seam.TOTAL
    assert sealed["status"] == "ok"
    assert len(sealed["findings"]) == 3
    assert len(sealed["cut"]) == seam.NOTES + 1


def test_what_has_no_bottom_ends() -> None:
    deep: list[Any] = []
    for _each in range(500):
        deep = [deep]
    sealed = seal({"deep": deep})
    assert json.dumps(sealed["deep"]).count("[") < seam.DEPTH + 1
    assert "deeper" in sealed["cut"][0]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("hunter2 \ud800"),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(st.characters()), each, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters()), PLAIN, max_size=5))
def test_what_was_sealed_can_be_written_and_is_not_changed_by_another_seal(answer: dict[str, Any]) -> None:
    sealed = seal(answer, SECRETS)
    written = json.dumps(sealed, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert b"hunter2" not in written
    assert seal(sealed, SECRETS) == sealed


@pytest.mark.parametrize("key", ["msg", "message", "reason", "stderr"])
def test_what_a_tool_says_in_a_sentence_leaves_without_what_looks_like_a_secret(key: str) -> None:
    """Nobody handed these secrets over: a program printed them, and a reason of an action quotes it."""
    said = "'stop.sh' ended with exit code 3: url postgresql://u:pgPlain-998877@h/db; DB_PASSWORD=tok-1"
    left = seal({"actions": [{key: said}]})["actions"][0][key]
    assert left == "'stop.sh' ended with exit code 3: url postgresql://u:********@h/db; DB_PASSWORD=********"


@pytest.mark.parametrize("middle", [10, 100_000])
def test_both_ends_of_a_huge_sentence_are_without_secrets(middle: int) -> None:
    login = "https://u:pgPlain-998877@h/ "
    left = seal({"reason": login + "x " * middle + login})["reason"]
    assert left.count("https://u:********@h/") == 2
    assert "pgPlain" not in left


def test_every_printable_character_may_leave_as_it_is() -> None:
    letters = map(chr, range(sys.maxunicode + 1))
    assert [letter for letter in letters if letter.isprintable() and safe(letter) != letter] == []
