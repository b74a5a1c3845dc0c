# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the objects that PowerShell answers: each kind of value, what stands for none, and what is wrong."""

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.fields import Fields, fields_of

ROW = Fields(
    "services", 3, {"text": "a", "number": 7, "words": "12", "yes": True, "none": None, "nothing": {}, "list": []}
)


@pytest.mark.parametrize(
    ("name", "text"), [("text", "a"), ("number", "7"), ("none", ""), ("nothing", ""), ("gone", "")]
)
def test_a_text_is_empty_where_there_is_none(name, text):
    assert ROW.text(name) == text


def test_a_number_is_one_or_the_default_stands():
    assert (ROW.whole("number"), ROW.whole("words"), ROW.whole("gone", 0), ROW.whole("none", 5)) == (7, 12, 0, 5)


@pytest.mark.parametrize("name", ["text", "yes", "gone", "list"])
def test_what_is_no_number_is_named_with_query_object_and_property(name):
    with pytest.raises(ParseError, match=f"the query 'services', line 3: {name}: expected a number"):
        ROW.whole(name)


def test_only_true_is_true():
    assert [ROW.flag(name) for name in ("yes", "text", "number", "gone")] == [True, False, False, False]


DATES = [
    ("2026-11-22T12:00:00.000Z", 1795348800.0),
    ("2026-11-22T12:00:00.250Z", 1795348800.25),
    ("2026-11-22T12:00:00Z", 1795348800.0),
    (None, None),
    ({}, None),
]


@pytest.mark.parametrize(("value", "moment"), DATES)
def test_a_date_is_read_in_utc(value, moment):
    assert Fields("q", 1, {"when": value}).when("when") == moment


@pytest.mark.parametrize("value", ["22.11.2026 12:00:00", "/Date(1705559214000)/", "2026-11-22", 5])
def test_a_date_of_another_form_is_an_error(value):
    with pytest.raises(ParseError, match="expected a date"):
        Fields("q", 1, {"when": value}).when("when")


def test_what_is_no_object_is_named_by_its_place():
    with pytest.raises(ParseError, match="the query 'tcp', line 2"):
        fields_of("tcp", [{}, "text"])
