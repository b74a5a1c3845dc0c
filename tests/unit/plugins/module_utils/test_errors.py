# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors: each message names the thing, what was seen and what was expected."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import errors

MESSAGES = [
    (errors.InputError("age", "soon", "a duration"), ["age", "'soon'", "expected a duration"]),
    (errors.ToolMissing("pg_dump"), ["'pg_dump'", "not found"]),
    (errors.ToolFailed(["tar", "-c"], 2, "warning\ndisk full\n"), ["'tar'", "exit code 2", "disk full"]),
    (errors.ToolFailed(["tar"], 2, ""), ["exit code 2", "nothing on stderr"]),
    (errors.ToolTimeout("the command 'ls'", 30), ["the command 'ls'", "30 s"]),
    (errors.ToolTimeout("the command 'ls'", 0.5), ["0.5 s"]),
    (errors.SourceMissing("/etc/x"), ["/etc/x", "does not exist"]),
    (errors.SourceDenied("/etc/x"), ["/etc/x", "permission denied"]),
    (errors.SourceDenied("/etc/x", "is a directory"), ["/etc/x", "is a directory"]),
    (
        errors.ParseError("/proc/stat", 3, "cpu x", "expected numbers"),
        ["/proc/stat", "line 3", "expected numbers", "'cpu x'"],
    ),
]


@pytest.mark.parametrize(("error", "parts"), MESSAGES)
def test_a_message_names_the_thing_and_what_was_wrong(error: errors.CoreError, parts: list[str]) -> None:
    message = str(error)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("error", "_parts"), MESSAGES)
def test_every_error_of_the_core_is_caught_as_one_class(error: errors.CoreError, _parts: list[str]) -> None:
    with pytest.raises(errors.CoreError):
        raise error


def test_an_error_message_is_one_line_however_long_the_output_was() -> None:
    error = errors.ToolFailed(["pg_dump"], 1, "line\n" * 1000 + "the last word")
    assert str(error).count("\n") == 0
    assert "the last word" in str(error)


def test_a_parse_error_quotes_at_most_120_characters_of_hostile_input() -> None:
    assert len(str(errors.ParseError("log", 1, "x" * 100_000, "too long"))) < 200


def test_a_control_character_in_quoted_input_cannot_reach_the_terminal() -> None:
    assert "\x1b" not in str(errors.ParseError("log", 1, "\x1b[31mred", "bad"))
    assert "\x1b" not in str(errors.InputError("age", "\x1b[31m", "a duration"))


def test_the_facts_of_an_error_can_be_asked_for_by_name() -> None:
    failed = errors.ToolFailed(["tar", "-c"], 2, "disk full")
    assert (failed.argv, failed.rc, failed.stderr) == (("tar", "-c"), 2, "disk full")
    parse = errors.ParseError("/proc/stat", 3, "cpu x", "expected numbers")
    assert (parse.source, parse.line, parse.reason) == ("/proc/stat", 3, "expected numbers")
    assert errors.ToolMissing("pg_dump").tool == "pg_dump"
    assert errors.InputError("age", 1, "a duration").name == "age"
