# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, routes and places of processes of macOS, as its tools print them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos import collect as macos
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.parse import (
    by_interface,
    outer,
    parse_ifconfig,
    parse_routes,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import contains
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import network_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows import collect as windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers

from .macos_host import facts, host, text
from .small import numbers


def one(address: str) -> int:
    return numbers(address)[0]


def test_addresses_in_use_are_read_and_loopback_and_duplicates_are_not_among_the_outer_ones() -> None:
    own = parse_ifconfig(text("ifconfig/macos-14/all"))
    known = network_of(outer(own), {4: [], 6: []})
    assert known.addresses[4] == (one("192.168.1.5"),)
    assert one("fd12:3456:789a:1::dead") not in known.addresses[6]
    assert len(known.addresses[6]) == 4
    assert by_interface(own, networks=True)["en0"][4] == numbers("192.168.1.0/24")
    assert by_interface(own, networks=False)["lo0"][4] == numbers("127.0.0.1")


def test_a_point_to_point_address_is_one_address() -> None:
    assert by_interface(parse_ifconfig(text("ifconfig/macos-12/all")), networks=True)["utun0"][4] == numbers("10.8.0.2")


WAYS = [
    ("192.168.1.77", ["en0"]),
    ("8.8.8.8", ["en0"]),
    ("10.8.0.1", ["utun0"]),
    ("fd12:3456:789a:1::77", ["en0"]),
    ("2001:db8::1", ["utun0"]),
    ("fe80::77", ["en0", "utun0"]),
]


@pytest.mark.parametrize(("source", "expected"), WAYS)
def test_a_source_arrives_where_the_host_would_answer_it(source: str, expected: list[str]) -> None:
    known = facts(host("macos-12")).network
    family = 6 if ":" in source else 4
    found = [name for name, sources in known.ways[family].items() if contains(sources, one(source))]
    assert sorted(found) == expected


ROUTES = [
    ("default", (0, 1 << 32)),
    ("127", numbers("127.0.0.0/8")),
    ("192.168.52/23", numbers("192.168.52.0/23")),
    ("169.254", numbers("169.254.0.0/16")),
    ("192.168.1.1", numbers("192.168.1.1")),
    ("0/1", numbers("0.0.0.0/1")),
]


@pytest.mark.parametrize(("word", "expected"), ROUTES)
@pytest.mark.parametrize(
    "header", ["Destination Gateway Flags Netif Expire", "Destination Gateway Flags Refs Use Netif Expire"]
)
def test_a_destination_is_read_as_bsd_writes_it(header: str, word: str, expected: tuple[int, ...]) -> None:
    columns = ["x"] * len(header.split())
    columns[0], columns[header.split().index("Netif")] = word, "en0"
    (route,) = parse_routes(4, f"Routing tables\n\nInternet:\n{header}\n{' '.join(columns)}\n")
    assert (route.destinations, route.interfaces) == (expected, ("en0",))


def test_routes_of_an_older_macos_have_more_columns() -> None:
    routes = parse_routes(4, text("netstat-routes/macos-10.14/routes4"))
    assert [route.interfaces for route in routes] == [("en0",), ("lo0",), ("lo0",)]


BAD: list[tuple[Any, str]] = [
    (lambda: parse_routes(4, ""), "expected a table"),
    (lambda: parse_routes(4, "Destination Gateway Flags Netif\nnowhere x y en0"), "2"),
    (lambda: parse_ifconfig("en0: flags=1\n\tinet 300.1.1.1 netmask 0xffffff00"), "2"),
]


@pytest.mark.parametrize(("asked", "named"), BAD)
def test_what_is_of_another_form_is_named(asked: Any, named: str) -> None:
    with pytest.raises(ParseError, match=named):
        asked()


@settings(deadline=None)
@given(st.text(alphabet="inet6 0x:.%/af\n\t>-netmask prefixlen1Nifdault", max_size=120))
def test_any_text_is_read_or_named(shown: str) -> None:
    readers: list[Any] = [
        parse_ifconfig,
        lambda text: parse_routes(4, "Netif x\n" + text),
        lambda text: parse_routes(6, text),
    ]
    for read in readers:
        try:
            read(shown)
        except ParseError:
            continue


def test_routes_that_cannot_be_read_leave_the_outside_unknown() -> None:
    known = facts(host("macos-13", **{"ifconfig -a": (1, "", "ifconfig: not permitted")}))
    assert "not permitted" in known.unavailable["routes"]
    assert known.network.unavailable == known.unavailable["routes"]


def test_places_of_processes_on_macos_are_program_words_and_folder() -> None:
    asked = host("macos-14", **{
        "ps -ww -o pid=,comm= -p": "  512 /opt/py thon/bin/python3\n",
        "ps -ww -o pid=,args= -p": "  512 python3 /opt/cryptobot/main.py --x\n    9 not asked for\n",
        "lsof -a -d cwd": (1, "p512\nfcwd\nn/opt/cryptobot\n", ""),
    })  # fmt: skip
    assert macos.collect_places(asked, [512, 600]) == {
        512: ("/opt/py thon/bin/python3", "python3", "/opt/cryptobot/main.py", "--x", "/opt/cryptobot"),
        600: (),
    }
    assert macos.collect_places(host("macos-14"), []) == {}


COMMAND_LINES = [
    (
        '"C:\\Program Files\\x.exe" "C:\\Crypto bot\\main.py" --port 8000',
        ["C:\\Program Files\\x.exe", "C:\\Crypto bot\\main.py", "--port", "8000"],
    ),
    ("C:\\x.exe it's", ["C:\\x.exe", "it's"]),
    ('"not closed C:\\a', ["not", "closed", "C:\\a"]),
    ("", []),
]


@pytest.mark.parametrize(("line", "words"), COMMAND_LINES)
def test_places_of_processes_on_windows_are_program_and_words(line: str, words: list[str]) -> None:
    rows = [{"ProcessId": 7, "ExecutablePath": "C:\\x.exe", "CommandLine": line}]
    assert windows.places(Answers({"places": {"value": rows}})) == {7: ("C:\\x.exe", *words)}
    assert windows.places(Answers({})) == {}
