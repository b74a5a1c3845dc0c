# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a host: which of them are known, which are a slip of the hand, which are somebody else's."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("ansible", reason="the controller's side")

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation import hosts, names, variables

SOURCE = {"name": "config", "type": "files", "path": "/opt/cryptobot/config"}
SOUND: dict[str, Any] = {
    "cryptobot_backup": {"dir": "/backups", "sources": [SOURCE]},
    "cryptobot_databases": [],
    "cryptobot_cleanup_rules": [],
}


def said(given: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return what is said of variables beside sound ones, and whether it counts."""
    found = variables.check({**SOUND, **given}, hosts.own(given), "linux", ("backup",))
    return [(str(each.mistake), each.counts) for each in found]


# Names that somebody else gave a meaning: none of them is a slip of the hand.
OTHERS = ["env", "quux", "api_url", "user", "site", "version", "owner", "group", "region", "stage", "port", "venv", "x"]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.case("L11b")
def test_a_variable_that_looks_like_no_known_one_is_only_named(name: str) -> None:
    assert said({f"cryptobot_{name}": 1}) == [(f"cryptobot_{name}: no variable of this collection", False)]


# (what was written, what was meant)
SLIPS = [
    ("cryptobot_servics", "cryptobot_services"),
    ("cryptobot_service", "cryptobot_services"),
    ("cryptobot_host", "cryptobot_hosts"),
    ("cryptobot_backups", "cryptobot_backup"),
    ("cryptobot_bakcup", "cryptobot_backup"),
    ("cryptobot_fail_no", "cryptobot_fail_on"),
    ("cryptobot_instal_dri", "cryptobot_install_dir"),
    ("Cryptobot_services", "cryptobot_services"),
    ("CRYPTOBOT_SERVICES", "cryptobot_services"),
    ("cryptobot-services", "cryptobot_services"),
    ("cryptobot-servcies", "cryptobot_services"),
]


@pytest.mark.parametrize(("name", "meant"), SLIPS)
def test_a_slip_of_the_hand_is_a_mistake(name: str, meant: str) -> None:
    assert said({name: 1}) == [(f"{name}: no variable of this collection; did you mean {meant}?", True)]


@pytest.mark.parametrize("name", ["report_textfile_dir", "report_keep", "hosts", "backup_name", "result_x"])
def test_a_variable_that_a_documented_place_names_is_known(name: str) -> None:
    assert said({f"cryptobot_{name}": "/x" if name.endswith("dir") else "7"}) == []


def test_one_that_another_is_made_of_is_known() -> None:
    given = {"cryptobot_root": "/x", "cryptobot_state_dir": "{{ cryptobot_root }}/state"}
    found = variables.check({**SOUND, "cryptobot_state_dir": "/x/state"}, given, "linux", ("backup",))
    assert found == []


# (variable, value, what is expected of it)
PLAIN = [
    ("cryptobot_report_keep", 0, "1 or more"),
    ("cryptobot_report_keep", "many", "a whole number"),
    ("cryptobot_report_keep_size", "much", "a size such as 500M or 1.5GiB"),
    ("cryptobot_report_keep_size", "500", "a unit: 500 what? write 500G (500M or 500B)"),
    ("cryptobot_report_textfile_dir", "x", "an absolute path, such as /opt/cryptobot"),
    ("cryptobot_serial", "many", "a number of hosts such as 2, a share of them such as 20%"),
    ("cryptobot_serial", "-1", "a number of hosts such as 2, a share of them such as 20%"),
]


@pytest.mark.parametrize(("name", "value", "expected"), PLAIN)
def test_a_value_that_no_run_can_use_is_a_mistake(name: str, value: object, expected: str) -> None:
    assert said({name: value}) == [(f"{name} is {value!r}: expected {expected}", True)]


SOUND_VALUES = [
    ("cryptobot_report_keep", 1),
    ("cryptobot_report_keep_size", "1.5GiB"),
    ("cryptobot_serial", "30%"),
    ("cryptobot_serial", 2),
    ("cryptobot_serial", [1, "30%"]),
    ("cryptobot_report_textfile_dir", ""),
]


@pytest.mark.parametrize(("name", "value"), SOUND_VALUES)
def test_a_value_that_is_right_is_none(name: str, value: object) -> None:
    assert said({name: value}) == []


# Names whose prefix is a slip of the hand, and what they are but for it
PREFIXES = [
    ("crytobot_services", "cryptobot_services"),
    ("cryptobotservices", "cryptobot_services"),
    ("crpytobot_backup", "cryptobot_backup"),
    ("crypto_bot_fail_on", "cryptobot_fail_on"),
    ("CRYTOBOT_SERVICES", "cryptobot_services"),
]


@pytest.mark.parametrize(("name", "meant"), PREFIXES)
def test_a_slip_in_the_prefix_is_named_and_no_mistake(name: str, meant: str) -> None:
    assert said({name: 1}) == [(f"{name}: no variable of this collection; did you mean {meant}?", False)]


@pytest.mark.parametrize(
    "name", ["my_cryptobot_services", "services", "crypto_services", "other_backup", "rocketbot_hosts"]
)
def test_a_variable_of_somebody_else_is_not_named(name: str) -> None:
    assert said({name: 1}) == []


def test_hosts_that_differ_in_such_a_name_are_not_alike() -> None:
    alike = hosts.alike({"a": {"cryptobot_fail_on": "never"}, "b": {"cryptobot_fail_on": "never", "crytobot_hosts": 1}})
    assert [group.hosts for group in alike] == [("a",), ("b",)]


# By variable: what may be written in place of nothing
NOTHING = {
    "[]": [
        "services",
        "databases",
        "cleanup_rules",
        "firewall_policy",
        "firewall_exceptions",
        "firewall_probe_addresses",
        "pitr",
    ],
    "{}": ["thresholds", "trading", "pitr_thresholds"],
    "''": ["report_textfile_dir"],
}


@pytest.mark.case("RP3")
@pytest.mark.parametrize("name", sorted(names.KNOWN))
def test_a_variable_without_a_value_is_one_mistake_whatever_it_expects(name: str) -> None:
    nothing = [text for text, names in NOTHING.items() if name.partition("_")[2] in names]
    cure = f", or write {nothing[0]} where there is none" if nothing else ""
    line = f"{name}: has no value: remove the line, and its default holds{cure}"
    found = variables.check({**SOUND, name: None}, hosts.own({name: None}), "linux", list(names.OPTIONS))
    assert [(str(each.mistake), each.counts) for each in found] == [(line, True)]


@pytest.mark.parametrize(("name", "counts"), [("cryptobot_services", False), ("cryptobot_backup", True)])
def test_one_without_a_value_counts_where_the_run_uses_it(name: str, counts: bool) -> None:
    found = variables.check({**SOUND, name: None}, {}, "linux", ("backup",))
    assert [each.counts for each in found] == [counts]


@pytest.mark.parametrize("name", ["services", "databases", "cleanup_rules", "firewall_policy", "thresholds", "trading"])
def test_an_empty_text_is_no_list_and_no_mapping(name: str) -> None:
    found = variables.check({**SOUND, f"cryptobot_{name}": ""}, {}, "linux", list(names.OPTIONS))
    assert ["has no value" in str(each.mistake) for each in found] == [True]


@pytest.mark.case("RP4")
def test_what_nobody_foresaw_is_a_line_without_a_value_and_counts_where_the_run_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(area: str, *_more: object) -> list[object]:
        if area in {"backup", "services"}:
            raise ValueError("hunter2")
        return []

    monkeypatch.setattr(variables, "mistakes_in", broken)
    lines = said({"cryptobot_fail_on": "x"})
    assert [counts for _text, counts in lines] == [False, True, True]
    assert re.fullmatch(
        r"the variables of backup: cannot be looked at: a defect of the collection"
        r" \(ValueError at validation/test_misspelt\.py:\d+\), please report it",
        lines[1][0],
    )
    assert lines[2][0].startswith("cryptobot_fail_on is 'x'")
