# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area on Windows and macOS: the findings of Linux, and unknown where a source is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.collect import QUERIES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.windows_queries import QUERIES as SOCKETS

from . import macos_host, windows_host
from .macos_host import SOCKETFILTERFW, text
from .test_run import host as linux_host
from .windows_host import FIREWALL, raw

WINDOWS = [lambda system=system: windows_host.host(system) for system in (*windows_host.SYSTEMS, *windows_host.BASE)]
MACOS = [lambda system=system: macos_host.host(system) for system in macos_host.SYSTEMS]
POLICY = [{"port": "22", "proto": "tcp", "from": ["any"]}, {"port": "8000-8004", "proto": "tcp", "from": ["loopback"]}]


def audit(asked: FakeHost, **options: Any) -> dict[str, Any]:
    """Return what firewall_audit returns."""
    params = {name: option.get("default") for name, option in SPEC.items()}
    return run({**params, "state_dir": "/nonexistent", "policy": POLICY, **options}, asked, True).as_dict()


def statuses(result: dict[str, Any], check: str) -> dict[str, str]:
    """Return the statuses of a check by subject."""
    return {found["subject"]: found["status"] for found in result["findings"] if found["check"] == f"firewall.{check}"}


@pytest.mark.parametrize("make", [*WINDOWS, *MACOS])
def test_each_system_gets_the_findings_of_linux_and_every_one_is_plain_json(make: Any) -> None:
    result = audit(make())
    on_linux = audit(linux_host(("00000000", 8000)))
    assert (
        {found["check"] for found in result["findings"]}
        == {found["check"] for found in on_linux["findings"]}
        == set(RULES.checks)
    )
    assert set(result) == set(on_linux)
    assert json.loads(json.dumps(result, allow_nan=False))["changed"] is False


def test_windows_is_asked_in_one_powershell_per_area_and_by_no_query_per_rule() -> None:
    asked = windows_host.host("windows-11")
    audit(asked)
    assert [line.split()[0] for line in asked.ran] == ["powershell.exe", "powershell.exe"]  # sockets, firewall
    assert len(QUERIES) == 18


# How Windows leaves a question without its answer: refused, its provider missing (which is of the same category as that
# there is no such object), and an error beside what it had told before.
LEFT = {
    "refused": {"error": "Zugriff verweigert", "kind": "PermissionDenied"},
    "no such provider": {"error": "Zugriff verweigert: Ungültige Klasse", "kind": "ObjectNotFound"},
    "an error beside": {"error": "Zugriff verweigert", "kind": "PermissionDenied", "value": [{"Name": "half"}]},
}


@pytest.mark.case("WN1", "L8b")
@pytest.mark.parametrize("how", LEFT)
@pytest.mark.parametrize("query", sorted(QUERIES))
def test_each_answer_of_windows_that_is_missing_is_never_ok_nor_an_end(query: str, how: str) -> None:
    result = audit(windows_host.left_out("windows-server-2022", {query: LEFT[how]}))
    certain = ("resolvers", "adapters", "client_ports", "products")  # nothing here turns on these
    unknown = {found["check"] for found in result["findings"] if found["status"] == "unknown"}
    if query in certain:
        assert "firewall.rules_visible" not in unknown
    elif query == "folders":
        assert statuses(result, "unexpected_open")["tcp 0.0.0.0:135"] == "unknown"
    elif query == "routes":
        assert statuses(result, "blind") == {"routes": "unknown"}
    else:
        assert {"firewall.rules_visible", "firewall.unexpected_open"} <= unknown
        assert "Zugriff verweigert" in json.dumps(result["findings"], ensure_ascii=False)


@pytest.mark.case("WN1", "L8a")
@pytest.mark.parametrize("how", LEFT)
def test_a_firewall_of_which_nothing_is_told_is_unknown_as_a_whole(how: str) -> None:
    result = audit(windows_host.left_out("windows-server-2022", dict.fromkeys({*QUERIES, *SOCKETS}, LEFT[how])))
    assert result["status"] == "unknown"
    certain = [found["check"] for found in result["findings"] if found["status"] == "ok"]
    assert certain == ["firewall.policy_expired"]  # of the inventory alone
    assert (
        "Zugriff verweigert" in next(f for f in result["findings"] if f["check"] == "firewall.rules_visible")["message"]
    )


@pytest.mark.case("WN1")
def test_a_firewall_whose_service_is_not_there_is_unknown() -> None:
    result = audit(windows_host.left_out("windows-server-2022", {"engine": {"value": []}}))
    assert statuses(result, "rules_visible") == dict.fromkeys(statuses(result, "rules_visible"), "unknown")
    assert "mpssvc, which is the firewall, is not there" in json.dumps(result["findings"])


@pytest.mark.parametrize("error", [ToolMissing("powershell.exe"), ToolTimeout("powershell.exe", 60)])
def test_windows_without_powershell_is_unknown(error: Exception) -> None:
    result = audit(FakeHost("windows", commands={"powershell.exe": error}))
    assert (result["status"], set(statuses(result, "rules_visible").values())) == ("unknown", {"unknown"})
    assert statuses(result, "expected_closed") == {"policy": "unknown"}
    assert statuses(result, "unexpected_open") == {"listening sockets": "unknown"}


@pytest.mark.parametrize("name", ["truncated.txt", "refused.answers"])
def test_an_answer_that_is_cut_off_or_refused_is_unknown(name: str) -> None:
    printed = (FIREWALL / "hostile" / name).read_text(encoding="utf-8")
    result = audit(FakeHost("windows", commands={"powershell.exe": printed}))
    assert (result["status"], set(statuses(result, "rules_visible").values())) == ("unknown", {"unknown"})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["InstanceID", "Name", "LocalPort", "IPAddress", "Enabled"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(QUERIES)), st.lists(ANYTHING, max_size=4))
def test_any_json_in_place_of_an_answer_is_read_or_named(query: str, value: list[Any]) -> None:
    answers = {**raw("windows-server-2022"), query: {"value": value}}
    asked = windows_host.host("windows-server-2022")
    sockets = json.loads(asked.commands["powershell.exe"])
    asked.commands["powershell.exe"] = json.dumps({**sockets, **answers})
    assert audit(asked)["findings"]


def test_policy_and_ownership_are_judged_on_windows_as_on_linux() -> None:
    own = audit(
        windows_host.host("windows-server-2022"), scope="policy", own_paths=["c:\\program files\\postgresql"], policy=[]
    )
    assert own["sockets"] == []  # no process was asked for: its place is not among the answers
    places = [
        {"ProcessId": 2500, "ExecutablePath": "C:\\Program Files\\PostgreSQL\\15\\bin\\postgres.exe", "CommandLine": ""}
    ]
    found = audit(
        windows_host.host("windows-server-2022", places=places),
        scope="policy",
        own_paths=["c:\\program files\\postgresql"],
        policy=[],
    )
    assert {socket["port"] for socket in found["sockets"]} == {5432}
    by_unit = audit(windows_host.host("windows-server-2022"), scope="policy", own_units=["POSTGRESQL*"], policy=[])
    assert {socket["port"] for socket in by_unit["sockets"]} == {5432}


NO_PLACES = {
    "windows": lambda: windows_host.left_out("windows-server-2022", {"places": LEFT["refused"]}),
    "macos": lambda: macos_host.host("macos-13", **{"ps -ww": (1, "", "ps: not permitted"), "lsof -a": (1, "", "no")}),
}


@pytest.mark.case("WN1")
@pytest.mark.parametrize("system", NO_PLACES)
def test_where_no_process_can_be_placed_none_is_taken_for_a_stranger_s(system: str) -> None:
    folder = "c:\\program files\\postgresql" if system == "windows" else "/opt/cryptobot"
    result = audit(NO_PLACES[system](), scope="policy", own_paths=[folder], policy=[])
    assert statuses(result, "blind")["places of processes"] == "unknown"
    assert "places of processes" not in statuses(audit(NO_PLACES[system](), scope="policy", policy=[]), "blind")


def test_a_label_of_launchd_is_own_by_what_stands_behind_its_dots() -> None:
    found = audit(macos_host.host("macos-13"), scope="policy", policy=[])
    assert {socket["port"] for socket in found["sockets"]} == {8000, 5432}


def test_pf_that_is_off_is_said_plainly() -> None:
    result = audit(macos_host.host("macos-14"))
    assert statuses(result, "view_drift") == {"application firewall": "ok", "pf": "skipped"}
    (message,) = [found["message"] for found in result["findings"] if found["subject"] == "pf"]
    assert message == "pf is off: its rules do not count, and the application firewall alone filters, by program"
    assert (result["engine"]["managers"]["pf"], result["engine"]["settings"]["pf"]) == ("disabled", "off")


def test_a_mac_without_any_filter_is_critical() -> None:
    changed = {"pfctl -s info": text("pfctl/macos-14/info")}
    result = audit(macos_host.host("macos-13", **changed))
    assert statuses(result, "inactive") == {"IPv4": "critical", "IPv6": "critical"}
    (message,) = [found["message"] for found in result["findings"] if found["subject"] == "pf"]
    assert message == "pf is off: its rules do not count, and nothing filters by port"


def test_rules_that_stop_pings_alone_make_no_filter() -> None:
    changed = {f"{SOCKETFILTERFW} --getglobalstate": text("socketfilterfw/macos-13/getglobalstate")}
    assert statuses(audit(macos_host.host("macos-12", **changed)), "inactive") == {
        "IPv4": "critical",
        "IPv6": "critical",
    }


def test_a_mac_without_root_is_unknown_and_still_names_what_is_off() -> None:
    result = audit(macos_host.host("macos-13", admin=False))
    assert statuses(result, "rules_visible") == {"kernel rules": "unknown"}
    assert statuses(result, "view_drift") == {"application firewall": "skipped"}


SOURCES = [
    ("pfctl -s info", "rules_visible"),
    ("pfctl -v -s Anchors", "rules_visible"),
    ("pfctl -s rules", "rules_visible"),
    ("pfctl -s nat", "rules_visible"),
    ("pfctl -v -s Interfaces", "rules_visible"),
    ("ifconfig -a", "blind"),
    ("netstat -rnl -f inet", "blind"),
    (f"{SOCKETFILTERFW} --getglobalstate", "rules_visible"),
]


@pytest.mark.parametrize(("command", "check"), SOURCES)
def test_each_source_of_macos_that_is_missing_is_unknown(command: str, check: str) -> None:
    result = audit(macos_host.host("macos-13", **{command: (1, "", "pfctl: /dev/pf: Permission denied")}))
    assert "unknown" in statuses(result, check).values()
    assert result["status"] in ("unknown", "critical")


def test_a_profile_that_is_off_beside_one_that_is_on_is_critical_and_named() -> None:
    addresses = raw("windows-server-2019")["own_addresses"]["value"]
    wifi = {"InterfaceAlias": "Wi-Fi", "IPAddress": "192.168.7.2", "PrefixLength": 24, "AddressState": "Preferred"}
    profiles = raw("windows-server-2019")["profiles"]["value"]
    profiles[2]["Enabled"] = "False"
    asked = windows_host.host("windows-server-2019", own_addresses=[*addresses, wifi], profiles=profiles)
    result = audit(asked)
    assert statuses(result, "inactive") == {"IPv4": "critical", "IPv6": "warning"}  # IPv6: neighbours alone
    (message,) = {
        found["message"]
        for found in result["findings"]
        if found["subject"] == "IPv4" and found["check"] == "firewall.inactive"
    }
    assert message == "nothing filters what comes in by IPv4 on Wi-Fi; the rest by inet Windows Firewall Private"
    assert statuses(result, "view_drift")["Windows Firewall profile Public"] == "skipped"


def test_a_host_on_which_nothing_at_all_listens_was_not_seen() -> None:
    result = audit(macos_host.host("macos-13", **{"lsof -nP": ""}))
    assert statuses(result, "blind") == {"sockets": "unknown"}
    assert set(statuses(result, "unexpected_open").values()) == {"unknown"}


def test_remedies_are_those_of_the_platform() -> None:
    result = audit(windows_host.host("windows-server-2022", rules="denied"))
    (remedy,) = {found["remedy"] for found in result["findings"] if found["check"] == "firewall.rules_visible"}
    assert "administrator" in remedy
    assert not any(
        "ufw" in found["remedy"] for found in audit(windows_host.host("windows-server-2022-gpo"))["findings"]
    )
