# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsing of the kernel's socket tables, on tables recorded with listeners of every kind."""

from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.linux import parse_unit
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.linux import (
    listeners_request,
    parse_address,
    parse_diagnosis,
    parse_inode,
    parse_sockets,
    parse_tables,
    read_tables,
)

PROC = Path(__file__).resolve().parents[4] / "fixtures" / "proc"
FIXTURES = PROC / "linux-6.18"

TABLES = [
    ("tcp", 4, "net_tcp.txt", {("0.0.0.0", 8001, 42868), ("0.0.0.0", 2024, 126), ("127.0.0.1", 8000, 42867)}),
    ("tcp", 6, "net_tcp6.txt", {("::", 8003, 42871), ("::ffff:127.0.0.1", 8004, 42872), ("::1", 8002, 42869)}),
    ("udp", 4, "net_udp.txt", {("127.0.0.1", 8125, 42875)}),
    ("udp", 6, "net_udp6.txt", {("::", 5353, 42876)}),
]

BROKEN = [
    ("header\n  0: 0100007F 00000000:0000 0A 0:0 0:0 0 0 0 126 1\n", "no port"),
    ("header\n  0: 0100007F:1F40\n", "cut off"),
    ("header\n  0: XX00007F:1F40 00000000:0000 0A 0:0 0:0 0 0 0 126 1\n", "not hexadecimal"),
]

UNITS = [
    ("0::/system.slice/cryptobot-auth.service\n", "cryptobot-auth.service"),
    ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"),
    ("0::/system.slice/docker.service/worker/1\n", "docker.service"),
    ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
    ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/bot.service\n", "user@1000.service"),
    ("0::/system.slice/_cpu.service\n", "cpu.service"),
    ("5:pids:/\n1:name=systemd:/system.slice/ssh.service\n0::/elsewhere.scope\n", "ssh.service"),
    ((PROC / "cgroup-debian-12.txt").read_text(), "cryptobot-auth.service"),
    ((PROC / "cgroup-debian-13.txt").read_text(), "cryptobot-auth.service"),
    ("0::/init.scope\n", "init.scope"),
    ("0::/\n", ""),
    ("", ""),
]


@pytest.mark.parametrize(("proto", "family", "name", "expected"), TABLES)
def test_only_sockets_that_listen_are_returned(proto, family, name, expected):
    sockets = parse_sockets(proto, family, (FIXTURES / name).read_text())
    assert {(entry.address, entry.port, entry.inode) for entry in sockets} == expected
    assert all((entry.proto, entry.family) == (proto, family) for entry in sockets)


@pytest.mark.parametrize(("text", "why"), BROKEN, ids=[why for _text, why in BROKEN])
def test_a_broken_line_is_named(text, why):
    with pytest.raises(ParseError, match="/proc/net/tcp6, line 2"):
        parse_sockets("tcp", 6, text)


def test_the_word_order_of_ipv6_addresses_is_the_kernels():
    assert parse_address(6, "B80D0120000000000000000001000000") == "2001:db8::1"


@pytest.mark.parametrize(("text", "unit"), UNITS)
def test_the_unit_is_the_systems_own(text, unit):
    assert parse_unit(text) == unit


@pytest.mark.parametrize(("link", "inode"), [("socket:[42]", 42), ("pipe:[42]", None), ("/dev/null", None), ("", None)])
def test_only_sockets_have_a_socket_inode(link, inode):
    assert parse_inode(link) == inode


def test_the_kernel_says_which_ipv6_sockets_also_take_ipv4():
    dump = bytes.fromhex((FIXTURES / "sock_diag_tcp6.hex").read_text())
    assert parse_diagnosis(dump) == {42871: (False, 0), 42872: (False, 0), 42869: (True, 0)}


def test_the_kernel_says_which_device_a_socket_is_bound_to():
    """As sock_diag answered for a socket of IPv4 with SO_BINDTODEVICE; sockets of IPv4 have no v6only."""
    body = bytearray(72)
    body[40:44], body[68:72] = (3).to_bytes(4, "little"), (77).to_bytes(4, "little")
    header = (88).to_bytes(4, "little") + (20).to_bytes(2, "little") + bytes(10)
    assert parse_diagnosis(header + bytes(body)) == {77: (None, 3)}


def test_a_cut_off_answer_of_the_kernel_gives_what_is_whole():
    dump = bytes.fromhex((FIXTURES / "sock_diag_tcp6.hex").read_text())
    assert parse_diagnosis(dump[:140]) == {42871: (False, 0)}
    assert parse_diagnosis(b"") == {}


def test_the_request_asks_for_listeners_only():
    request = listeners_request("tcp")
    assert len(request) == 72 == int.from_bytes(request[:4], "little")
    assert request[20:24] == (1 << 10).to_bytes(4, "little")


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   {0}: 00000000:{1} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 {2} 2 0 0\n"


def message(inode):
    """Return an answer of sock_diag about one socket."""
    body = bytearray(72)
    body[68:72] = inode.to_bytes(4, "little")
    return (88).to_bytes(4, "little") + (20).to_bytes(2, "little") + bytes(10) + bytes(body)


class Unsteady(FakeHost):
    """A host whose table of UDP lacks a socket when it is read first, as /proc does while others come and go."""

    def __init__(self, *readings, answers):
        super().__init__(files={"/proc/net/tcp": HEAD})
        self.readings, self.answers, self.asked = list(readings), answers, 0

    def read(self, path, limit=None):
        if path != "/proc/net/udp":
            return super().read(path)
        self.asked += 1
        return self.readings.pop(0)

    def ask_kernel(self, protocol, request):
        return self.answers if request[17] == 17 and request[16] == 2 else b""


FIRST, SECOND = ROW.format(1, "0035", 11), ROW.format(2, "1F40", 22)
UNSTEADY = [
    ("all at once", [HEAD + FIRST + SECOND], message(11) + message(22), [53, 8000], 1),
    ("one was left out", [HEAD + FIRST, HEAD + FIRST + SECOND], message(11) + message(22), [53, 8000], 2),
    ("one each time", [HEAD + FIRST, HEAD + SECOND], message(11) + message(22), [53, 8000], 2),
    ("it is gone", [HEAD + FIRST, HEAD + FIRST], message(11) + message(22), [53], 2),
    ("nobody knows more", [HEAD + FIRST], message(11), [53], 1),
    ("of no inode", [HEAD + FIRST], message(11) + message(0), [53], 1),
    ("the kernel is silent", [HEAD + FIRST], b"", [53], 1),
]


@pytest.mark.parametrize(
    ("readings", "answers", "ports", "asked"), [row[1:] for row in UNSTEADY], ids=[row[0] for row in UNSTEADY]
)
def test_a_socket_that_a_reading_left_out_is_asked_for_once_more(readings, answers, ports, asked):
    host = Unsteady(*readings, answers=answers)
    assert [entry.port for entry in parse_tables(read_tables(host))] == ports
    assert host.asked == asked
