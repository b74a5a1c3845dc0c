# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Knocking: at a bounded rate, each alone, closed at once; what the system says becomes one of five answers."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from typing import Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.collect import Door, Reply, knock_all
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.declared import Pair
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host

OPENED = Reply("open", 1.0)


def pairs(count: int, address: str = "10.0.0.5") -> list[Pair]:
    return [Pair("db1", address, port) for port in range(1, count + 1)]


@pytest.mark.parametrize(("rate", "between"), [(10, 0.1), (4, 0.25), (1, 1.0)])
def test_no_more_are_begun_a_second_than_the_rate(rate: int, between: float) -> None:
    host, begun = FakeHost(), []

    def connect(_address: str, port: int, _wait: float) -> Reply:
        begun.append((port, host.clock))
        return OPENED

    started = host.clock
    knock_all(host, pairs(25), rate, 3.0, Door(lambda _address: "10.0.0.7", connect))
    assert host.paused == [between] * 24  # the first does not wait
    assert host.clock - started == pytest.approx(24 / rate)
    assert sorted(port for port, _clock in begun) == list(range(1, 26))


def test_the_rate_holds_on_a_real_clock() -> None:
    begun: list[float] = []

    def connect(_address: str, _port: int, _wait: float) -> Reply:
        begun.append(time.monotonic())
        return OPENED

    knock_all(Host(60), pairs(13), 10, 3.0, Door(lambda _address: "10.0.0.7", connect))
    begun.sort()
    assert begun[10] - begun[0] >= 0.95
    assert begun[12] - begun[0] >= 1.15


def test_one_that_hangs_holds_up_no_other() -> None:
    released = threading.Event()

    def connect(_address: str, port: int, _wait: float) -> Reply:
        if port == 1:
            released.wait(20)
        elif port == 5:
            released.set()
        return OPENED

    knocks = knock_all(FakeHost(), pairs(5), 10, 3.0, Door(lambda _address: "10.0.0.7", connect))
    assert released.is_set()
    assert [knock.pair.port for knock in knocks] == [1, 2, 3, 4, 5]


def test_where_no_route_leads_nothing_is_begun_and_no_turn_is_used() -> None:
    def source(address: str) -> str:
        if address.startswith("fd00"):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return "10.0.0.7"

    begun: list[str] = []

    def connect(address: str, _port: int, _wait: float) -> Reply:
        begun.append(address)
        return OPENED

    host = FakeHost()
    mixed = [Pair("a", "fd00::1", 1), Pair("a", "10.0.0.5", 1), Pair("a", "fd00::2", 1), Pair("a", "10.0.0.6", 1)]
    knocks = knock_all(host, mixed, 10, 3.0, Door(source, connect))
    assert [(knock.source, knock.reply.answer, knock.reply.why) for knock in knocks] == [
        ("", "unreachable", "Network is unreachable"),
        ("10.0.0.7", "open", ""),
        ("", "unreachable", "Network is unreachable"),
        ("10.0.0.7", "open", ""),
    ]
    assert sorted(begun) == ["10.0.0.5", "10.0.0.6"]
    assert host.paused == [0.1]


def test_a_run_that_would_last_too_long_ends_and_begins_no_more() -> None:
    with pytest.raises(ToolTimeout):
        knock_all(Host(0.05), pairs(3), 10, 0.1, Door(lambda _address: "10.0.0.7", lambda *_asked: OPENED))


# What a system raises, and the answer that it is: of Linux, macOS and Windows.
ERRORS = [
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "refused"),
    (socket.timeout("timed out"), "timeout"),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "timeout"),
    (OSError(errno.ETIMEDOUT, "Connection timed out"), "timeout"),
    (OSError(errno.EHOSTUNREACH, "No route to host"), "unreachable"),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable"),
    (OSError(errno.EACCES, "Permission denied"), "unreachable"),  # ICMPv6 administratively prohibited
    (OSError(errno.EPERM, "Operation not permitted"), "error"),  # this host's own filter
    (OSError(errno.EMFILE, "Too many open files"), "error"),
    (OSError("odd"), "error"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "error"),
]


@pytest.mark.parametrize(("error", "answer"), ERRORS, ids=[str(row[0]) for row in ERRORS])
def test_each_way_a_connection_ends_is_one_answer(error: OSError, answer: str) -> None:
    named, why = collect.name_of(error)
    assert named == answer
    assert bool(why) == (answer in ("unreachable", "error"))


class Server:
    """A real listener that remembers what it was sent."""

    def __init__(self, family: socket.AddressFamily, address: str) -> None:
        self.socket = socket.create_server((address, 0), family=family)
        self.port = self.socket.getsockname()[1]
        self.socket.settimeout(10)

    def received(self) -> bytes:
        """Return all that one peer sent until it closed."""
        peer, _address = self.socket.accept()
        with peer:
            peer.settimeout(10)
            return peer.recv(100)


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    try:
        made = Server(*request.param)
    except OSError as error:
        pytest.skip(f"this machine has no such address: {error}")
    yield made, request.param[1]
    made.socket.close()


def test_what_opens_is_closed_at_once_without_data(server: tuple[Server, str]) -> None:
    listener, address = server
    reply = collect.connect(address, listener.port, 3.0)
    assert (reply.answer, reply.why) == ("open", "")
    assert 0 <= reply.ms < 3000
    assert listener.received() == b""


def test_a_closed_port_is_refused_and_its_way_is_known(server: tuple[Server, str]) -> None:
    listener, address = server
    listener.socket.close()
    assert collect.connect(address, listener.port, 3.0).answer == "refused"
    assert collect.source_of(address) == address


def test_a_listener_whose_queue_is_full_times_out() -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    held: list[socket.socket] = []
    answer: Optional[str] = None
    for _turn in range(4):  # Linux takes one more than it is told
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(full.getsockname())
        held.append(one)
    time.sleep(0.1)
    answer = collect.connect("127.0.0.1", full.getsockname()[1], 0.3).answer
    for one in (*held, full):
        one.close()
    assert answer == "timeout"
