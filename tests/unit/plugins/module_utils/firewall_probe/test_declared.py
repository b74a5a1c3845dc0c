# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be knocked at, in which order, and what is left out with its reason: the same for the plan and the run."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.declared import (
    MOST_KNOCKS,
    OPT_IN,
    Options,
    Plan,
    plan,
    read_address,
    read_options,
)

SSH = {"port": "22", "proto": "tcp", "from": ["any"]}


def own(**more: Any) -> dict[str, Any]:
    return {"enabled": True, "host_address": "10.0.0.5", "addresses": [], "policy": [SSH], **more}


def asked(*targets: dict[str, Any], **more: Any) -> Options:
    named = [{"host": f"h{at}", **target} for at, target in enumerate(targets)]
    common = {"targets": named, "rate": 10, "wait": 3.0, "limit": 500, "timeout": 180}
    return read_options({**own(), **common, **more}, "me")


def planned(*targets: dict[str, Any], **more: Any) -> Plan:
    return plan(asked(*targets, **more))


NO_ADDRESS = [
    "",
    "db1",
    "10.0.0.0/24",
    "10.0.0.256",
    "1",
    "10.0.0.5:22",
    "[::1]",
    "http://10.0.0.5",
    "10.0.0.5\n10.0.0.6",
]
NOT_THERE = [
    ("127.0.0.1", "loopback"),
    ("::1", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("::", "unspecified"),
    ("224.0.0.1", "multicast"),
    ("ff02::1", "multicast"),
    ("169.254.169.254", "link-local"),
    ("fe80::1", "link-local"),
    ("fd00::1%eth0", "scoped or mapped"),
    ("::ffff:10.0.0.5", "scoped or mapped"),
    ("255.255.255.255", "reserved"),
]


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_none_to_knock_at(text: str) -> None:
    with pytest.raises(ValueError, match=r"^an address such as"):
        read_address(text)


@pytest.mark.parametrize(("text", "kind"), NOT_THERE)
def test_an_address_that_no_other_host_reaches_is_none_to_knock_at(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"not a {kind} one$"):
        read_address(text)


@pytest.mark.parametrize("text", ["10.0.0.5", " 10.0.0.5 ", "8.8.8.8", "fd12:3456::5", "2001:db8::5"])
def test_any_other_address_is_read(text: str) -> None:
    assert str(read_address(text)) == text.strip()


def test_what_ansible_reaches_a_host_by_is_no_mistake_and_no_address_where_it_is_none() -> None:
    told = planned(own(host_address="db1.example.org"), own(host_address="127.0.0.1"), own(host_address=None), own())
    assert [pair.host for pair in told.pairs] == ["h3"]
    assert "'db1.example.org', expected an address such as" in told.left_out["h0"]
    assert "not a loopback one" in told.left_out["h1"]
    assert told.left_out["h2"] == "no address of it is declared"


def test_a_name_without_an_end_is_cut() -> None:
    (why,) = planned(own(host_address="x" * 1000)).left_out.values()
    assert why.startswith(f"ansible_host is '{'x' * 60}', expected")


def test_a_wrong_declared_address_is_a_mistake_with_its_place() -> None:
    with pytest.raises(InputError) as raised:
        asked(own(), own(addresses=["10.0.0.6", "db1"]))
    assert (raised.value.name, raised.value.value) == ("targets[1].addresses", "db1")


def test_each_address_and_port_is_knocked_at_once_and_udp_never() -> None:
    policy = [SSH, {**SSH, "port": "20-23"}, {**SSH, "port": "53", "proto": "udp"}]
    pairs = planned(own(addresses=["fd00::5", "10.0.0.5"], policy=policy)).pairs
    assert [str(pair) for pair in pairs] == [
        *(f"tcp 10.0.0.5:{port}" for port in (20, 21, 22, 23)),
        *(f"tcp [fd00::5]:{port}" for port in (20, 21, 22, 23)),
    ]


@pytest.mark.parametrize(
    ("prober", "target", "hosts", "reason"),
    [
        (True, True, ["h0"], None),
        (True, False, [], OPT_IN),
        (False, True, [], None),
        (False, False, [], OPT_IN),
    ],
)
def test_both_have_to_take_part(prober: bool, target: bool, hosts: list[str], reason: str) -> None:
    told = planned(own(enabled=target), enabled=prober)
    assert [pair.host for pair in told.pairs] == hosts
    assert told.left_out.get("h0") == reason


def test_a_host_without_a_tcp_port_is_named() -> None:
    assert planned(own(policy=[])).left_out == {"h0": "its policy names no TCP port"}


def test_the_limit_is_shared_by_all_hosts_and_what_is_beyond_is_counted() -> None:
    wide = own(policy=[{**SSH, "port": "1-65535"}])
    told = planned(wide, own(), wide, limit=7)
    assert [pair.host for pair in told.pairs] == ["h0", "h1", "h2", "h0", "h2", "h0", "h2"]
    beyond = 65535 - 3
    assert told.left_out == dict.fromkeys(("h0", "h2"), f"{beyond} of its ports are beyond the 7 of one run")


def test_no_more_is_planned_than_the_time_of_the_run_allows() -> None:
    wide = own(policy=[{**SSH, "port": "1-65535"}])
    assert len(planned(wide, limit=1000, timeout=23, rate=10).pairs) == 160  # a fifth of 20 s is for the rest
    assert len(planned(wide, limit=1000, timeout=23, rate=1).pairs) == 16
    assert len(planned(wide, limit=1000, timeout=1).pairs) == 0
    assert len(planned(wide, limit=1000, timeout=9999).pairs) == MOST_KNOCKS


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"rate": 11}, {"limit": 0}, {"limit": 1001}, {"wait": 0.0}, {"wait": 10.1}]
)
def test_a_bound_is_never_wider_than_it_may_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as raised:
        asked(own(), **wrong)
    assert {raised.value.name: raised.value.value} == wrong


@pytest.mark.parametrize(
    "right", [{"rate": 1}, {"rate": 10}, {"limit": 1}, {"limit": 1000}, {"wait": 0.1}, {"wait": 10.0}]
)
def test_the_bounds_themselves_are_taken(right: dict[str, Any]) -> None:
    assert asked(own(), **right).own.host == "me"


def test_a_mistake_in_the_policy_of_a_target_has_its_place() -> None:
    with pytest.raises(InputError) as raised:
        asked(own(policy=[SSH, {**SSH, "port": "0"}]))
    assert raised.value.name == "targets[0].policy[1].port"
