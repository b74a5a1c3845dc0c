# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process took a connection: rows of the kernel's tables, and fields of lsof."""

from __future__ import annotations

import os
import select
import shutil
import socket
import sys
from contextlib import closing

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.linux import (
    parse_connections,
    taken_by,
    waits_for,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.macos import parse_taken
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.macos import taken_by as taken_on_macos
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Ends, plain

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TAIL = "00000000:00000000 00:00000000 00000000   990        0"


def row(local, remote, state, inode):
    return f"   0: {local} {remote} {state} {TAIL} {inode} 1 0000000000000000 20 4 30 10 -1\n"


def v4(port):
    return f"0100007F:{port:04X}"


def mapped(port):
    return f"0000000000000000FFFF00000100007F:{port:04X}"


FIRST, SECOND = Ends("127.0.0.1", 8004, "127.0.0.1", 50001), Ends("127.0.0.1", 8004, "127.0.0.1", 50002)
TABLE = HEAD + "".join(
    [
        row(v4(8004), "00000000:0000", "0A", 7),  # it listens
        row(v4(8004), v4(50001), "01", 71),
        row(v4(50001), v4(8004), "01", 55),  # our end of it
        row(v4(8004), v4(50002), "01", 0),  # nobody has accepted it
        row(v4(8004), v4(50009), "01", 79),  # of somebody else
        row(v4(8005), v4(50002), "01", 78),  # another port
        "cut off\n",
    ]
)
EMPTY = "/proc/net/tcp6"


@pytest.mark.parametrize(
    ("wanted", "found"), [([FIRST], {FIRST: 71}), ([FIRST, SECOND], {FIRST: 71}), ([SECOND], {}), ([], {})]
)
def test_a_connection_that_is_accepted_has_an_inode(wanted, found):
    assert parse_connections(4, TABLE, wanted) == found


def test_a_socket_of_ipv6_takes_ipv4_peers_by_their_own_addresses():
    text = HEAD + row(mapped(8004), mapped(50001), "01", 71)
    assert parse_connections(6, text, [FIRST]) == {FIRST: 71}


@pytest.mark.parametrize(
    ("address", "shown"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("fe80::1%eth0", "fe80::1"), ("::FFFF:10.0.0.1", "10.0.0.1")],
)
def test_an_address_has_one_form(address, shown):
    assert plain(address) == shown


def host(**changes):
    files = {"/proc/net/tcp": TABLE, EMPTY: HEAD}
    links = {"/proc/42/fd/3": "socket:[7]", "/proc/42/fd/9": "socket:[71]", "/proc/43/fd/3": "socket:[7]"}
    return FakeHost(files=files, links={**links, **changes})


def test_who_holds_the_end_of_the_server_has_taken_it():
    assert taken_by(host(), [FIRST, SECOND], [42, 43]) == {FIRST: (42,)}
    assert taken_by(host(), [FIRST], [43]) == {FIRST: ()}
    assert taken_by(host(**{"/proc/43/fd/4": "socket:[71]"}), [FIRST], [42, 43]) == {FIRST: (42, 43)}


def test_a_process_that_may_not_be_looked_at_is_an_error_and_not_nobody():
    with pytest.raises(SourceDenied):
        taken_by(host(**{"/proc/43/fd": denied("/proc/43/fd")}), [FIRST], [42, 43])


def test_a_process_that_has_ended_holds_nothing():
    assert taken_by(host(), [FIRST], [44, 42]) == {FIRST: (42,)}


POLL = "pos:\t0\nflags:\t02000002\ntfd:        {} events:       19 data: 6  pos:0 ino:7 sdev:8\n"
# The descriptor that is polled, and whether that is the listening socket.
POLLED = [(3, True), (9, False), (4, False)]


@pytest.mark.parametrize(("descriptor", "waits"), POLLED)
def test_a_process_that_polls_the_listening_socket_waits_for_connections(descriptor, waits):
    seen = host(**{"/proc/42/fd/5": "anon_inode:[eventpoll]"})
    seen.files["/proc/42/fdinfo/5"] = POLL.format(descriptor)
    assert waits_for(seen, 42, {7}) is waits
    assert waits_for(seen, 43, {7}) is False


def test_what_may_not_be_looked_at_is_not_seen_to_wait():
    assert waits_for(host(**{"/proc/42/fd": denied("/proc/42/fd")}), 42, {7}) is False


@pytest.mark.skipif(sys.platform != "linux", reason="the tables of Linux")
@pytest.mark.parametrize(("family", "address", "client"), [("4", "127.0.0.1", "127.0.0.1"), ("6", "::", "127.0.0.1")])
def test_the_kernel_shows_who_took_a_connection(family, address, client):
    kind = socket.AF_INET if family == "4" else socket.AF_INET6
    server = socket.create_server((address, 0), family=kind, dualstack_ipv6=family == "6")
    port = server.getsockname()[1]
    with server, socket.create_connection((client, port)) as near, socket.create_connection((client, port)) as other:
        ends = [Ends(client, port, *end.getsockname()[:2]) for end in (near, other)]
        assert taken_by(LinuxHost(30), ends, [os.getpid()]) == {}
        with server.accept()[0]:
            assert taken_by(LinuxHost(30), ends, [os.getpid()]) == {ends[0]: (os.getpid(),)}


@pytest.mark.skipif(sys.platform != "linux", reason="epoll")
def test_the_kernel_shows_who_waits_for_connections():
    with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as poll:
        inode = os.fstat(server.fileno()).st_ino
        assert waits_for(LinuxHost(30), os.getpid(), {inode}) is False
        poll.register(server, select.EPOLLIN)
        assert waits_for(LinuxHost(30), os.getpid(), {inode}) is True


LSOF = """p42
f7
tIPv4
PTCP
n127.0.0.1:8004
f9
tIPv4
PTCP
n127.0.0.1:8004->127.0.0.1:50001
p43
f9
tIPv6
PTCP
n[::1]:8004->[::1]:50003
p99
f3
tIPv4
PTCP
n127.0.0.1:50001->127.0.0.1:8004
f4
tIPv4
PTCP
n*:*
"""


def test_lsof_tells_who_holds_the_end_of_the_server():
    third = Ends("::1", 8004, "::1", 50003)
    assert parse_taken(LSOF, [FIRST, SECOND, third]) == {FIRST: (42,), third: (43,)}
    command = "lsof -nP -w -a -iTCP:8004 -p 42,43 -FpfnPt"
    mac = FakeHost("darwin", commands={command: LSOF})
    assert taken_on_macos(mac, [FIRST], [42, 43]) == {FIRST: (42,)}
    assert taken_on_macos(FakeHost("darwin", commands={command: (1, "", "")}), [FIRST], [42, 43]) == {}
    with pytest.raises(SourceDenied):
        taken_on_macos(FakeHost("darwin", commands={command: (0, LSOF, "lsof: refused")}), [FIRST], [42, 43])


@pytest.mark.skipif(not shutil.which("lsof"), reason="no lsof on PATH")
def test_the_real_lsof_takes_these_words():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as near, closing(server.accept()[0]):
            ends = Ends("127.0.0.1", port, *near.getsockname())
            assert taken_on_macos(LinuxHost(30), [ends], [os.getpid(), os.getppid()]) == {ends: (os.getpid(),)}
