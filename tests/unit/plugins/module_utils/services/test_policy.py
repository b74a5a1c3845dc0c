# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thresholds as they are read from the options, and what an inventory that names none gets."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import (
    Pattern,
    Policy,
    read_policy,
)

from .parameters import check_params

HOUR, MIB = 3600.0, 1 << 20


def _read(platform="linux", **options):
    return read_policy(check_params("/s", [], **options), platform)


def test_without_a_word_the_thresholds_are_those_of_the_documentation():
    policy = _read()
    assert (policy.restarts_window, policy.restarts_warn, policy.restarts_crit) == (HOUR, 1, 3)
    assert (policy.open_files_warn, policy.open_files_crit) == (70, 90)
    assert (policy.leak_min_samples, policy.leak_min_span, policy.leak_warn) == (6, 6 * HOUR, 50 * MIB)
    assert policy == Policy(), "the defaults of the options and those of the core are two lists of the same"


def test_what_the_inventory_says_stands_with_its_units():
    policy = _read(restarts_window="1d", leak_min_span="90m", leak_warn="2G", restarts_warn=2, restarts_crit=9)
    assert (policy.restarts_window, policy.leak_min_span, policy.leak_warn) == (24 * HOUR, 1.5 * HOUR, 2048 * MIB)
    assert (policy.restarts_warn, policy.restarts_crit) == (2, 9)


@pytest.mark.parametrize(("warn", "crit"), [(1, 1), (1, 3), (3, 3)])
def test_the_warning_comes_before_or_with_the_critical_one(warn, crit):
    assert _read(restarts_warn=warn, restarts_crit=crit).restarts_warn == warn


@pytest.mark.parametrize(("warn", "crit"), [(-1, 3), (0, 3), (0, 0), (4, 3)])
def test_a_warning_after_the_critical_one_or_at_no_restart_is_a_mistake(warn, crit):
    with pytest.raises(InputError) as error:
        _read(restarts_warn=warn, restarts_crit=crit)
    assert (error.value.name, error.value.value) == ("restarts_warn", warn)
    assert f"between 1 and restarts_crit ({crit})" in str(error.value)


# The platform, a pattern of the inventory, and what it is read as: a bare name is one of a service where types are.
PATTERNS = [
    ("linux", {"pattern": "c-*"}, Pattern("c-*", 1, ())),
    ("linux", {"pattern": "c-*", "min_match": None, "expected": None}, Pattern("c-*", 1, ())),
    ("linux", {"pattern": "c-*", "min_match": 0}, Pattern("c-*", 0, ())),
    ("linux", {"pattern": "c-*", "min_match": 4}, Pattern("c-*", 4, ())),
    ("linux", {"pattern": "c-*", "expected": ["c-a", "c-b.timer"]}, Pattern("c-*", 1, ("c-a.service", "c-b.timer"))),
    ("darwin", {"pattern": "com.c.*", "expected": ["com.c.a", "plain"]}, Pattern("com.c.*", 1, ("com.c.a", "plain"))),
    ("windows", {"pattern": "c*", "expected": ["ca", "c.b"]}, Pattern("c*", 1, ("ca", "c.b"))),
]


@pytest.mark.parametrize(("platform", "raw", "pattern"), PATTERNS)
def test_a_pattern_must_match_one_unit_unless_it_says_otherwise(platform, raw, pattern):
    assert _read(platform, patterns=[raw]).patterns == (pattern,)
