# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area on hosts that are written down."""

from __future__ import annotations

import json
from pathlib import Path
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
    return run({**params, "state_dir": "/nonexistent", **options}, asked, True).as_dict()


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
    assert {metric["name"]: metric["value"] for metric in result["metrics"] if not metric["labels"]} == {
        "cryptobot_firewall_listening_sockets": 2,
        "cryptobot_firewall_open_sockets": 1,
        "cryptobot_firewall_unknown_sockets": 0,
        "cryptobot_firewall_rules": 0,
    }


def bad(result: dict[str, Any]) -> dict[str, float]:
    """Return by check how many bad findings the numbers tell of."""
    return {metric["labels"]["check"]: metric["value"] for metric in result["metrics"] if metric["labels"]}


OPENING = json.dumps(
    {
        "nftables": [
            {"table": {"family": "inet", "name": "t", "handle": 1}},
            {"chain": {"family": "inet", "table": "t", "name": "in", "handle": 1, "type": "filter", "hook": "input",
                       "prio": 0, "policy": "drop"}},
            *(
                {"rule": {"family": "inet", "table": "t", "chain": "in", "handle": handle, "expr": [
                    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": port}},
                    {"accept": None}]}}
                for handle, port in ((2, 8000), (3, 9999))
            ),
        ]
    }
)  # fmt: skip
ACCEPTED = {
    "check": "firewall.latent_opening", "subject": "tcp/99*", "owner": "ops", "reason": "a spare",
    "expires": "2027-01-31",
}  # fmt: skip


def opening(*sockets: tuple[str, int], **values: Any) -> FakeHost:
    asked = host(*sockets, **values)
    asked.commands["nft"] = OPENING
    return asked


def latent(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["status"], f["subject"]) for f in result["findings"] if f["check"] == "firewall.latent_opening"]


def test_what_is_accepted_is_skipped_and_no_longer_counted() -> None:
    found = audit(opening((ALL, 8000)))
    assert (latent(found), bad(found)["firewall.latent_opening"]) == ([("warning", "tcp/9999")], 1)
    accepted = audit(opening((ALL, 8000)), exceptions=[ACCEPTED])
    assert (latent(accepted), bad(accepted)["firewall.latent_opening"]) == ([("skipped", "tcp/9999")], 0)


def test_an_exception_for_a_check_that_is_none_is_refused_before_anything_is_looked_at() -> None:
    asked = host()
    with pytest.raises(InputError, match=r"exceptions\[0\].check is 'firewall.latent'"):
        audit(asked, exceptions=[{**ACCEPTED, "check": "firewall.latent"}])
    assert asked.ran == []


def real(asked: FakeHost, state_dir: Path, **options: Any) -> dict[str, Any]:
    """Return what a real run returns, which remembers."""
    params = {name: option.get("default") for name, option in SPEC.items()}
    return run({**params, "state_dir": str(state_dir), **options}, asked).as_dict()


def new(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["status"], f["subject"]) for f in result["findings"] if f["check"] == "firewall.new_exposure"]


DAY = 86400.0
START = 1_800_000_000.0
KNOWN, NEW = [("ok", "listening sockets")], [("warning", "tcp 0.0.0.0:8001")]


def test_what_is_new_is_told_once_and_only_a_real_run_moves_the_baseline(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before, after = ((ALL, 8000),), ((ALL, 8000), (ALL, 8001))
    first = real(host(*before, now=START), state)
    assert (new(first), first["baseline"]["at"], first["remembered"]) == (
        [("skipped", "listening sockets")],
        "",
        True,
    )
    assert new(real(host(*before, now=START + DAY), state)) == KNOWN
    for _times in range(2):
        assert new(audit(host(*after, now=START + 2 * DAY), state_dir=str(state))) == NEW
    told = real(host(*after, now=START + 2 * DAY), state)
    assert (new(told), told["baseline"]["at"]) == (NEW, "2027-01-16 08:00 UTC")
    assert told["baseline"]["open_since"] == {"tcp 0.0.0.0:8000 IPv4": "2027-01-15 08:00 UTC"}
    assert new(real(host(*after, now=START + 3 * DAY), state)) == KNOWN


def test_a_baseline_that_is_kept_tells_what_is_new_until_it_is_taken_as_known(tmp_path: Path) -> None:
    state = tmp_path / "state"
    real(host((ALL, 8000), now=START), state, baseline="keep")  # a first run makes one all the same
    for days in (1, 2):
        asked = host((ALL, 8000), (ALL, 8001), now=START + days * DAY)
        assert new(real(asked, state, baseline="keep")) == NEW
    assert new(real(host((ALL, 8000), (ALL, 8001), now=START + 3 * DAY), state)) == NEW
    assert new(real(host((ALL, 8000), (ALL, 8001), now=START + 4 * DAY), state, baseline="keep")) == KNOWN


def test_a_blind_run_takes_nothing_as_known_and_forgets_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    real(host((ALL, 8000), now=START), state)
    blind = real(host((ALL, 8000), (ALL, 8001), now=START + DAY, admin=False), state)
    assert new(blind) == [("unknown", "listening sockets")]
    assert new(real(host((ALL, 8000), (ALL, 8001), now=START + 2 * DAY), state)) == NEW


def test_a_socket_that_is_closed_at_the_baseline_and_opened_later_is_new(tmp_path: Path) -> None:
    state = tmp_path / "state"
    closed = opening((ALL, 8000), (ALL, 8001), now=START)
    real(closed, state)
    assert new(real(host((ALL, 8000), (ALL, 8001), now=START + DAY), state)) == NEW


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
