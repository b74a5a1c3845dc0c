# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of macOS hosts: lsof and netstat put together, each of them taken away in turn."""

from contextlib import suppress
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.collect import listening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.macos import (
    merge_held,
    parse_lsof,
    parse_netstat,
)

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
PROGRAMS = """    1 /sbin/launchd
   91 /usr/sbin/mDNSResponder
  512 /opt/cryptobot/venv/bin/Python With Space
56079 node
"""
LABELS = "PID\tStatus\tLabel\n512\t0\tcom.cryptobot.auth\n-\t78\tcom.cryptobot.trade\n91\t0\tcom.apple.mDNSResponder\n"


def _text(name):
    return (FIXTURES / name).read_text("utf-8")


def _commands(**changes):
    given = {
        "lsof": _text("lsof/macos-14/fields.txt"),
        "netstat -anW -p tcp": _text("netstat/macos-14/tcp.txt"),
        "netstat -anW -p udp": _text("netstat/macos-14/udp.txt"),
        "ps -axo pid=,comm=": PROGRAMS,
        "launchctl list": LABELS,
    }
    return {name: answer for name, answer in {**given, **changes}.items() if answer is not None}


def _listening(*, admin=True, **changes):
    return listening(FakeHost("darwin", commands=_commands(**changes), admin=admin))


def _port(table, port, family=4):
    (found,) = [entry for entry in table.sockets if (entry.port, entry.family) == (port, family)]
    return found


def test_a_socket_that_processes_share_is_one_with_all_of_them():
    auth = _port(_listening(), 8000)
    assert (auth.address, auth.pids, auth.user, auth.uid) == ("127.0.0.1", (512, 514), "root", 0)
    assert (auth.exe, auth.unit) == ("/opt/cryptobot/venv/bin/Python With Space", "com.cryptobot.auth")


KINDS = [("both families", 4211, False), ("one address", 8001, True), ("IPv6 only", 22, True)]


@pytest.mark.parametrize(("why", "port", "v6only"), KINDS, ids=[row[0] for row in KINDS])
def test_netstat_tells_whether_an_ipv6_socket_takes_ipv4(why, port, v6only):
    assert _port(_listening(), port, 6).v6only is v6only


def test_connected_and_unbound_udp_sockets_do_not_wait_for_peers():
    assert {entry.port for entry in _listening().sockets if entry.proto == "udp"} == {5353, 49731}


def test_a_link_local_address_reads_the_same_from_both_tools():
    assert _port(_listening(), 8005, 6).address == "fe80::1"
    assert len([entry for entry in _listening().sockets if entry.port == 8005]) == 1


def test_another_account_sees_all_sockets_and_says_whose_it_does_not_see():
    table = _listening(admin=False)
    assert _port(table, 22).pids == ()
    assert table.unavailable == "the owners of 3 of 9 listening sockets cannot be seen: not root"
    assert table.unread == {}


def test_root_sees_all_owners_so_the_kernel_holds_the_rest():
    assert _listening().unavailable == ""


TAKEN_AWAY = [
    ("lsof", {"lsof": None}, True, "the command 'lsof' was not found", ()),
    ("lsof refused", {"lsof": (1, "", "lsof: cannot get kernel info")}, True, "cannot get kernel info", ()),
    ("netstat for root", {"netstat -anW -p tcp": None, "netstat -anW -p udp": None}, True, "", ()),
    ("netstat of tcp for others", {"netstat -anW -p tcp": (1, "", "no")}, False, "not all tcp sockets", ("tcp",)),
    ("ps", {"ps -axo pid=,comm=": None}, True, "", ()),
    ("launchctl", {"launchctl list": None}, True, "", ()),
]


@pytest.mark.parametrize(("why", "changes", "admin", "blind", "unread"), TAKEN_AWAY, ids=[row[0] for row in TAKEN_AWAY])
def test_a_tool_that_fails_hides_nothing_that_another_knows(why, changes, admin, blind, unread):
    table = _listening(admin=admin, **changes)
    assert _port(table, 8000).address == "127.0.0.1"
    assert blind in table.unavailable
    assert bool(table.unavailable) == bool(blind)
    assert tuple(table.unread) == unread


# Tools of macOS that end with 0, or with what they end with where there is nothing, though they could not look.
REFUSED_NET = (0, "", "netstat: sysctl: net.inet.tcp.pcblist_n: Operation not permitted")
HALF_NET = (0, _text("netstat/macos-14/tcp.txt"), "netstat: sysctl: net.inet.tcp.pcblist_n: Operation not permitted")
HALF_LSOF = (1, _text("lsof/macos-14/fields.txt"), "lsof: can't get process info: Operation not permitted")


@pytest.mark.case("WN1")
@pytest.mark.parametrize("answer", [REFUSED_NET, HALF_NET])
def test_a_netstat_that_complains_and_ends_with_0_has_not_told_all(answer):
    table = _listening(admin=False, **{"netstat -anW -p tcp": answer})
    assert tuple(table.unread) == ("tcp",)
    assert "pcblist_n: Operation not permitted" in table.unavailable


@pytest.mark.case("WN1")
@pytest.mark.parametrize("answer", [(0, "", ""), (1, "", ""), (1, "", "lsof: no kernel info"), HALF_LSOF])
def test_an_lsof_that_shows_nothing_or_complains_leaves_owners_unknown_to_root_too(answer):
    table = _listening(lsof=answer)
    assert "the owners of" in table.unavailable
    assert _port(table, 8000).pids == ()


@pytest.mark.case("WN1")
def test_where_both_tools_only_complain_nothing_is_told():
    refused = {f"netstat -anW -p {proto}": REFUSED_NET for proto in ("tcp", "udp")}
    with pytest.raises(CoreError, match=r"no kernel info.*pcblist_n"):
        _listening(lsof=(1, "", "lsof: no kernel info"), **refused)


def test_without_netstat_nothing_is_claimed_of_families():
    table = _listening(**{"netstat -anW -p tcp": None, "netstat -anW -p udp": None})
    assert _port(table, 4211, 6).v6only is None


def test_where_neither_tool_answers_it_is_an_error():
    with pytest.raises(CoreError, match="lsof"):
        listening(FakeHost("darwin"))


def test_no_sockets_at_all_is_exit_code_1_and_no_error():
    nothing = {"lsof": (1, "", ""), "netstat -anW -p tcp": "", "netstat -anW -p udp": ""}
    assert _listening(**nothing).sockets == ()


def test_file_descriptors_of_one_socket_count_once():
    sockets = merge_held(parse_lsof(_text("lsof/macos-12/fields.txt")))
    assert [(s.port, s.family, s.pids) for s in sockets if s.port == 5900] == [(5900, 6, (1,)), (5900, 4, (1,))]


def test_port_5000_is_recorded_twice_for_ipv4():
    found = parse_netstat(_text("netstat/macos-12/tcp.txt"))
    assert [(s.family, s.address) for s in found if s.port == 5000] == [(4, "127.0.0.1"), (6, "::"), (4, "0.0.0.0")]


def test_hostile_names_stay_names():
    first, second = merge_held(parse_lsof(_text("lsof/macos-15/hostile.txt")))
    assert (first.port, first.exe, first.uid) == (8080, "\\x1b[2Jdémon n*:80", -2)
    assert (second.port, second.address) == (8081, "::ffff:127.0.0.1")


BAD = [
    ("lsof without a process", "f3\ntIPv4\nPTCP\nn*:80\nTST=LISTEN\n", parse_lsof, "lsof, line 1"),
    ("lsof of an unknown family", "p1\nf3\ntIPv9\nPTCP\nn*:80\n", parse_lsof, "lsof, line 2"),
    ("lsof of a name", "p1\nf3\ntIPv4\nPTCP\nnlocalhost:80\n", parse_lsof, "lsof, line 2"),
    ("netstat cut short", "tcp4 0 0 *.80\n", parse_netstat, "netstat, line 1"),
    ("netstat of a name", "x\ntcp4 0 0 localhost.80 *.* LISTEN\n", parse_netstat, "netstat, line 2"),
]


@pytest.mark.parametrize(("why", "text", "parse", "named"), BAD, ids=[row[0] for row in BAD])
def test_what_is_of_another_form_is_named_with_its_line(why, text, parse, named):
    with pytest.raises(ParseError, match=named):
        parse(text)


@given(st.text(alphabet="pfcuLtdPnT1:*[]->IPv46TCPUDST=\n. %", max_size=120))
def test_whatever_lsof_or_netstat_print_is_read_or_named(text):
    for parse in (parse_lsof, parse_netstat):
        with suppress(ParseError):
            assert isinstance(parse(text), tuple)
