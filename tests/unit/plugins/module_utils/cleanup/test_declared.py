# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared rules: one that could delete too much is refused by name, before anything is looked at."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.declared import (
    matches_everything,
    read_options,
    read_rules,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.linux import LINUX
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import CleanupRule
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.paths import is_within

from .examples import DAY, declared, parameters

INSTALL = "/opt/cryptobot"
PROTECTED = ["/srv/backups", "/opt/cryptobot/database/cryptobot.db"]


def read(*rules: dict[str, Any]) -> tuple[CleanupRule, ...]:
    return read_rules(rules, PROTECTED, INSTALL, LINUX)


@pytest.mark.case("CL2")
@pytest.mark.parametrize("option", ["age", "min_size"])
def test_a_rule_with_a_bare_number_is_refused_before_anything_is_looked_at(option: str) -> None:
    with pytest.raises(InputError, match=rf"rules\[logs\]\.{option} is '35', expected a unit: 35 what\? write 35"):
        read(declared(**{option: "35"}))


def test_a_rule_without_a_least_size_speaks_of_empty_files_too() -> None:
    (rule,) = read(declared())
    assert rule.min_size == 0


def test_a_rule_is_read_with_its_units() -> None:
    (rule,) = read(declared(age="2w", min_size="10M", keep=3, owner="cryptobot", recurse=True, empty_dirs=True))
    assert rule == CleanupRule(
        name="logs",
        path="/opt/cryptobot/logs",
        patterns=("*.log.*",),
        age=14 * DAY,
        owner="cryptobot",
        keep=3,
        recurse=True,
        min_size=10 << 20,
        empty_dirs=True,
    )


PATHS_REFUSED = [
    ("logs", "absolute path"),
    ("./logs", "absolute path"),
    ("", "absolute path"),
    ("~/logs", "absolute path"),  # Ansible has expanded it by now; what it could not is no path
    ("/opt/cryptobot/logs/../../..", "without '..'"),
    ("/opt/cryptobot/logs\0", "absolute path"),
    ("/", "protected"),
    ("//", "protected"),
    ("/etc", "in or above /etc"),
    ("/etc/", "in or above /etc"),
    ("/etc/cryptobot", "in or above /etc"),
    ("/usr/lib/python3", "in or above /usr"),
    ("/usr", "in or above /usr"),
    ("/boot", "/boot"),
    ("/proc/1", "/proc"),
    ("/var", "protected"),
    ("/var/lib", "protected"),
    ("/var/lib/postgresql/15/main", "/var/lib/postgresql"),
    ("/opt", "above"),
    ("/opt/cryptobot", "above"),  # the root of the installation
    ("/opt/cryptobot/", "above"),
    ("/home", "below /home, not itself"),
    ("/home/alice", "within a home"),
    ("/Users/alice", "within a home"),
    ("/root", "below /root, not itself"),
    ("/srv/backups", "/srv/backups"),
    ("/srv/backups/daily", "/srv/backups"),
    ("/srv", "protected"),
    ("/opt/cryptobot/database", "in or above /opt/cryptobot/database/cryptobot.db"),
    ("/opt/cryptobot/database/cryptobot.db", "/opt/cryptobot/database/cryptobot.db"),
]
PATHS_ALLOWED = [
    "/opt/cryptobot/logs",
    "/opt/cryptobot/data/tmp/",
    "/opt//cryptobot/./logs",
    "/tmp",
    "/var/tmp",
    "/var/log/cryptobot",
    "/home/alice/.cache/cryptobot",
    "/root/.cache/cryptobot",
    "/srv/backups-old",  # a name that begins like a protected one
    "/etcetera",
    "/private/tmp",
]


@pytest.mark.parametrize(("path", "expected"), PATHS_REFUSED)
def test_a_folder_that_must_not_be_cleaned_is_refused(path: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"rules\[logs\]\.path is .*") as refused:
        read(declared(path=path))
    assert expected in str(refused.value)


@pytest.mark.parametrize("path", PATHS_ALLOWED)
def test_a_folder_beside_what_is_protected_is_allowed(path: str) -> None:
    (rule,) = read(declared(path=path))
    assert rule.path == os.path.normpath(path).replace("//", "/")


PATTERNS_REFUSED: list[tuple[list[str], str | None]] = [
    ([], None),
    (["*"], None),
    (["*.log", "*"], None),
    (["*.*"], None),
    (["?*"], None),
    (["**"], None),
    (["[!.]*"], None),
    (["[a-z]*"], None),
    ([".*"], None),
    ([], "0"),  # an age of 0 guards nothing
    (["*"], "0d"),
    ([""], "7d"),
    (["sub/*.log"], "7d"),
    (["/tmp/*.log"], "7d"),
]
PATTERNS_ALLOWED: list[tuple[list[str], str | None]] = [
    ([], "7d"),
    (["*"], "7d"),
    (["*.log"], None),
    (["core.*"], None),
    (["*.log.[0-9]*"], None),
    (["ü*"], None),
]


@pytest.mark.parametrize(("patterns", "age"), PATTERNS_REFUSED)
def test_patterns_that_leave_nothing_out_need_an_age(patterns: list[str], age: str | None) -> None:
    with pytest.raises(InputError, match=r"rules\[logs\]\.patterns is "):
        read(declared(patterns=patterns, age=age))


@pytest.mark.parametrize(("patterns", "age"), PATTERNS_ALLOWED)
def test_patterns_with_an_age_or_with_a_letter_are_allowed(patterns: list[str], age: str | None) -> None:
    (rule,) = read(declared(patterns=patterns, age=age))
    assert rule.patterns == tuple(patterns)


OTHERS_REFUSED = [
    ({"age": "soon"}, r"rules\[logs\]\.age is 'soon'"),
    ({"min_size": "big"}, r"rules\[logs\]\.min_size is 'big'"),
    ({"keep": -1}, r"rules\[logs\]\.keep is -1"),
    ({"empty_dirs": True}, r"rules\[logs\]\.empty_dirs is True, expected recurse"),
    ({"empty_dirs": True, "recurse": True, "age": None}, r"rules\[logs\]\.empty_dirs is True"),
    ({"name": ""}, "a name for each rule"),
]


@pytest.mark.parametrize(("changes", "message"), OTHERS_REFUSED)
def test_any_other_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(declared(**changes))


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"rules\[logs\].name is 'logs', expected a name for each rule that no other rule has"
    ):
        read(declared(), declared(path="/tmp"))


@pytest.mark.parametrize("path", ["backups", "../x", "/srv/../etc"])
def test_a_protected_path_that_is_not_clear_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="protected"):
        read_rules([declared()], [path], None, LINUX)


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "."]), max_size=4)


@given(SEGMENTS, SEGMENTS)
def test_a_path_is_within_a_folder_exactly_when_its_names_begin_with_the_folders(
    path: list[str], folder: list[str]
) -> None:
    assert is_within("/" + "/".join(path), "/" + "/".join(folder)) is (path[: len(folder)] == folder)


@given(st.text(st.sampled_from("*?.[]!-_ a9"), min_size=1, max_size=8))
def test_a_pattern_that_needs_no_letter_counts_as_everything(pattern: str) -> None:
    if not any(letter in pattern for letter in "a9_["):
        assert matches_everything(pattern)


@pytest.mark.parametrize("option", ["max_files", "max_entries"])
def test_a_bound_is_one_at_least(option: str) -> None:
    assert getattr(read_options(parameters(declared(), state_dir="/srv/state", **{option: 1}), LINUX), option) == 1
    with pytest.raises(InputError, match=f"{option} is 0, expected 1 or more"):
        read_options(parameters(declared(), state_dir="/srv/state", **{option: 0}), LINUX)
