# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
from pathlib import PureWindowsPath
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.policy import is_loopback, parse_policy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.scope import Names, OwnProcesses, in_scope

from .small import numbers


def entry(**values: Any) -> dict[str, Any]:
    return {"port": "8000", "proto": "tcp", "from": ["any"], **values}


BAD = [
    ({"port": "0"}, r"policy\[0\].port is '0'"),
    ({"port": "65536"}, r"policy\[0\].port"),
    ({"port": "8004-8000"}, r"policy\[0\].port"),
    ({"port": "http"}, r"policy\[0\].port is 'http', expected a port from 1 to 65535 or a range such as 8000-8004"),
    ({"from": []}, r"policy\[0\].from"),
    ({"from": ["everybody"]}, r"policy\[0\].from is 'everybody', expected any, loopback, or a network"),
    ({"from": ["10.0.0.5/8"]}, "has host bits set"),
    ({"expires": "soon"}, r"policy\[0\].expires is 'soon', expected a date such as 2027-01-31"),
]


@pytest.mark.parametrize(("values", "named"), BAD)
def test_a_wrong_entry_is_an_error_that_names_the_entry_the_value_and_what_was_expected(
    values: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        parse_policy([entry(**values)])


def test_an_entry_covers_its_protocol_and_ports_and_says_its_sources() -> None:
    (found,) = parse_policy(
        [entry(port="8000-8004", service="auth", **{"from": ["10.0.0.0/8", "fd00::1", "loopback"]})]
    )
    assert [found.covers("tcp", port) for port in (7999, 8000, 8004, 8005)] == [False, True, True, False]
    assert not found.covers("udp", 8000)
    assert found.addresses == {4: numbers("10.0.0.0/8"), 6: numbers("fd00::1")}
    assert str(found) == "tcp/8000-8004 (auth) from 10.0.0.0/8, fd00::1, loopback"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("1", [1], [0, 2]), ("65535", [65535], [65534]), ("1-65535", [1, 8000, 65535], [0]), (" 8000 ", [8000], [8001])],
)
def test_the_first_and_the_last_port_can_be_named(text: str, inside: list[int], outside: list[int]) -> None:
    (found,) = parse_policy([entry(port=text)])
    assert [found.covers("tcp", port) for port in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)


def test_who_wants_an_entry_and_why_is_kept_and_may_be_left_out() -> None:
    complete, bare = parse_policy([entry(service="auth", why="peers log in", owner="ops"), entry(why=None)])
    assert (complete.service, complete.why, complete.owner) == ("auth", "peers log in", "ops")
    assert (bare.service, bare.why, bare.owner, bare.required) == ("", "", "", True)


def test_loopback_alone_lets_nobody_in_from_outside() -> None:
    (found,) = parse_policy([entry(**{"from": ["loopback"]})])
    assert found.addresses == {4: (), 6: ()}


@pytest.mark.parametrize(
    ("word", "expected"),
    [("loopback", True), ("127.0.0.1/32", True), ("::1", True), ("any", False), ("10.0.0.0/8", False)],
)
def test_a_loopback_network_means_the_host_itself(word: str, expected: bool) -> None:
    assert is_loopback(word) is expected


EXPIRY = [
    ("2026-11-21", True),
    ("2026-11-22", False),
    ("2026-11-23", False),
    ("2026-11-22T10:00:00", False),
    (None, False),
    ("", False),
]


@pytest.mark.parametrize(("expires", "expected"), EXPIRY)
def test_an_entry_counts_until_the_end_of_its_day(expires: Any, expected: bool) -> None:
    (found,) = parse_policy([entry(expires=expires)])
    assert found.expired(dt.date(2026, 11, 22)) is expected


def listener(port: int, **values: Any) -> Listener:
    return Listener("tcp", "0.0.0.0", port, {4: None}, {4: 1}, **values)


PLACES = {
    5: ("/usr/bin/python3", "/opt/cryptobot/trade", "python3"),
    6: ("/usr/bin/python3", "/opt/cryptobot2", "x"),
    7: ("/bin/sh", "/", "/opt/cryptobot/run.sh"),
}
OWN = OwnProcesses(("/opt/cryptobot",), ("cryptobot*",), ("bot",))
SCOPE = [
    (listener(8000), True),  # the policy names it
    (listener(1, pids=(5,)), True),
    (listener(1, pids=(7,)), True),
    (listener(1, pids=(6,)), False),
    (listener(1, units=("cryptobot-auth.service",)), True),
    (listener(1, users=("bot",)), True),
    (listener(1, units=("ssh.service",), users=("root",)), False),
    (listener(1), False),
]


WINDOWS = Names(PureWindowsPath, str.lower, user=lambda name: name.rpartition("\\")[2])
NAMED = [
    (OwnProcesses(("c:/CRYPTO bot",), names=WINDOWS), listener(1, pids=(8,)), True),
    (OwnProcesses(("C:\\Crypto",), names=WINDOWS), listener(1, pids=(8,)), False),
    (OwnProcesses(("c:/CRYPTO bot",)), listener(1, pids=(8,)), False),
    (OwnProcesses(units=("cryptobot*",), names=WINDOWS), listener(1, units=("CryptobotAuth",)), True),
    (OwnProcesses(units=("cryptobot*",)), listener(1, units=("CryptobotAuth",)), False),
    (OwnProcesses(units=("cryptobot*",)), listener(1, services=("dhcp", "cryptobot-auth")), True),
    (OwnProcesses(units=("cryptobot*",)), listener(1, services=None), False),
    (OwnProcesses(users=("CRYPTOBOT",), names=WINDOWS), listener(1, users=("HOST1\\cryptobot",)), True),
    (OwnProcesses(users=("CRYPTOBOT",)), listener(1, users=("HOST1\\cryptobot",)), False),
]


@pytest.mark.parametrize(("own", "found", "expected"), NAMED)
def test_names_and_paths_are_compared_as_the_platform_does(own: OwnProcesses, found: Listener, expected: bool) -> None:
    assert own.has(found, {8: ("C:\\Crypto Bot\\python.exe", "c:\\crypto bot\\main.py")}) is expected


@pytest.mark.parametrize(("found", "expected"), SCOPE)
def test_the_scope_policy_holds_declared_ports_and_own_processes(found: Listener, expected: bool) -> None:
    assert bool(in_scope([found], parse_policy([entry()]), OWN, PLACES)) is expected
