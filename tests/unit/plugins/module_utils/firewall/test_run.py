# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area on hosts that are written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import run

from .small import STACK

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTEN = (
    "   {n}: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0\n"
)
ROUTES = json.dumps(
    [{"dst": "default", "dev": "eth0"}, {"type": "local", "dst": "192.0.2.5", "dev": "eth0", "table": "local"}]
)
COMMANDS = {
    "ip -j link": '[{"ifname": "lo"}, {"ifname": "eth0"}]',
    "ip -j -4": ROUTES,
    "ip -j -6": "[]",
    "nft": '{"nftables": []}',
    **STACK,
}


def table(*sockets: tuple[str, int]) -> str:
    rows = [LISTEN.format(n=n, address=address, port=port, inode=100 + n) for n, (address, port) in enumerate(sockets)]
    return HEAD + "".join(rows)


def host(*sockets: tuple[str, int], **values: Any) -> FakeHost:
    files = {"/proc/net/tcp": table(*sockets), "/proc/net/udp": HEAD, "/proc/self/fd/0": ""}
    return FakeHost(commands=dict(COMMANDS), files=files, **values)


def audit(asked: FakeHost, **options: Any) -> dict[str, Any]:
    params = {name: option.get("default") for name, option in SPEC.items()}
    return run({**params, **options}, asked, True).as_dict()


ALL, LOOPBACK = "00000000", "0100007F"
WORLD = {"port": "8000", "proto": "tcp", "from": ["any"]}


def test_a_run_returns_findings_sockets_exposures_engine_and_numbers_and_changes_nothing() -> None:
    result = audit(host((ALL, 8000), (LOOPBACK, 5432)))
    assert (result["status"], result["changed"], result["actions"]) == ("critical", False, [])
    assert [(one["address"], one["port"], one["loopback_only"]) for one in result["sockets"]] == [
        ("127.0.0.1", 5432, True),
        ("0.0.0.0", 8000, False),
    ]
    assert [(row["socket"], row["source"], row["verdict"]) for row in result["exposures"]] == [
        ("tcp 127.0.0.1:5432", "loopback", "open"),
        ("tcp 0.0.0.0:8000", "loopback", "open"),
        ("tcp 0.0.0.0:8000", "any", "open"),
    ]
    assert result["engine"]["active"] == {"IPv4": False, "IPv6": False}
    assert {metric["name"]: metric["value"] for metric in result["metrics"]} == {
        "cryptobot_firewall_listening_sockets": 2,
        "cryptobot_firewall_open_sockets": 1,
        "cryptobot_firewall_unknown_sockets": 0,
        "cryptobot_firewall_rules": 0,
    }


def test_the_result_is_plain_json() -> None:
    assert json.loads(json.dumps(audit(host((ALL, 8000)), policy=[WORLD]), allow_nan=False))["status"] == "critical"


def test_networks_of_the_policy_are_answered_one_by_one() -> None:
    policy = [{**WORLD, "from": ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"]}]
    rows = [(row["source"], row["verdict"]) for row in audit(host((ALL, 8000)), policy=policy)["exposures"]]
    assert rows == [("loopback", "open"), ("any", "open"), ("10.0.0.0/8", "open")]


def test_another_account_gets_a_stable_answer_that_says_what_it_could_not_see() -> None:
    result = audit(host((ALL, 8000), (LOOPBACK, 5432), admin=False))
    unknown = {finding["check"] for finding in result["findings"] if finding["status"] == "unknown"}
    assert (result["status"], unknown) == (
        "unknown",
        {"firewall.rules_visible", "firewall.unexpected_open", "firewall.blind"},
    )
    assert result["engine"]["active"] == {"IPv4": None, "IPv6": None}


def test_the_scope_policy_leaves_other_masters_sockets_out_and_counts_them() -> None:
    result = audit(host((ALL, 8000), (ALL, 22)), scope="policy", policy=[WORLD], own_users=[])
    assert ([one["port"] for one in result["sockets"]], result["outside_scope"]) == ([8000], 1)


def test_own_processes_are_in_scope_by_the_folder_that_they_work_in() -> None:
    asked = host((ALL, 9999), (ALL, 22))
    asked.links = {
        "/proc/7/fd/3": "socket:[100]",
        "/proc/7/exe": "/usr/bin/python3",
        "/proc/7/cwd": "/opt/cryptobot/data",
    }
    asked.files["/proc/7/cmdline"] = "python3"
    result = audit(asked, scope="policy", own_paths=["/opt/cryptobot"], own_users=[])
    assert [one["port"] for one in result["sockets"]] == [9999]
    assert [finding["subject"] for finding in result["findings"] if finding["check"] == "firewall.unexpected_open"] == [
        "tcp 0.0.0.0:9999"
    ]


def test_a_limit_shortens_the_lists_and_never_the_findings() -> None:
    result = audit(host((ALL, 8000), (ALL, 8001), (ALL, 8002)), limit=1)
    assert (len(result["sockets"]), result["left_out"]) == (1, 2)
    assert sum(finding["check"] == "firewall.unexpected_open" for finding in result["findings"]) == 3


def test_sockets_that_cannot_be_read_are_a_finding_not_an_end() -> None:
    result = audit(FakeHost(commands=dict(COMMANDS)))
    assert ("unknown", "sockets") in [(finding["status"], finding["subject"]) for finding in result["findings"]]


def test_a_platform_that_is_not_supported_is_unknown() -> None:
    (finding,) = audit(FakeHost("plan9"))["findings"]
    assert (finding["check"], finding["status"], "plan9" in finding["message"]) == (
        "firewall.rules_visible",
        "unknown",
        True,
    )


def test_a_wrong_policy_is_an_error_before_anything_is_looked_at() -> None:
    asked = host()
    with pytest.raises(InputError, match=r"policy\[0\].port"):
        audit(asked, policy=[{**WORLD, "port": "x"}])
    assert asked.ran == []


def test_the_day_of_the_host_decides_what_is_expired() -> None:
    expired = {**WORLD, "expires": "2027-01-14"}
    statuses = {day: audit(host(now=day), policy=[expired]) for day in (1_799_900_000.0, 1_800_000_000.0)}
    found = [
        [f["status"] for f in result["findings"] if f["check"] == "firewall.policy_expired"]
        for result in statuses.values()
    ]
    assert found == [["ok"], ["warning"]]
