# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of listening sockets with their owners, on recorded tables and on the sockets of this test itself."""

import os
import socket
import sys
from pathlib import Path

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.collect import listening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.linux import listeners_request

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "proc" / "linux-6.18"
NAMES = ("tcp", "tcp6", "udp", "udp6")

OWNERS = {
    "/proc/41/fd/3": "socket:[42867]",
    "/proc/41/fd/4": "/var/log/auth.log",
    "/proc/41/exe": "/usr/bin/python3.11",
    "/proc/42/fd/3": "socket:[42867]",
}
AUTH_UNIT = "0::/system.slice/cryptobot-auth.service\n"


def _host(**changes):
    files = {f"/proc/net/{name}": (FIXTURES / f"net_{name}.txt").read_text() for name in NAMES}
    files.update({"/proc/41/cgroup": AUTH_UNIT})
    files.update(changes.pop("files", {}))
    return FakeHost(files=files, links=changes.pop("links", OWNERS), **changes)


def _port(table, port):
    (found,) = [entry for entry in table.sockets if entry.port == port]
    return found


def test_a_socket_is_given_to_every_process_that_holds_it():
    auth = _port(listening(_host()), 8000)
    assert (auth.pids, auth.exe, auth.unit) == ((41, 42), "/usr/bin/python3.11", "cryptobot-auth.service")


def test_root_that_could_look_everywhere_is_not_blind():
    assert listening(_host()).unavailable == ""


BLIND = [
    ("another account", {"admin": False}, "not root"),
    ("a process hides", {"files": {"/proc/77/fd": denied("/proc/77/fd")}}, "1 processes do not let"),
]


@pytest.mark.parametrize(("why", "changes", "reason"), BLIND, ids=[row[0] for row in BLIND])
def test_owners_that_cannot_be_seen_are_never_taken_for_nobody(why, changes, reason):
    table = listening(_host(**changes))
    assert reason in table.unavailable
    assert "7 of 8 listening sockets" in table.unavailable


def test_ipv6_sockets_learn_from_the_kernel_whether_they_take_ipv4():
    kernel = {
        listeners_request(proto): bytes.fromhex((FIXTURES / f"sock_diag_{proto}6.hex").read_text())
        for proto in ("tcp", "udp")
    }
    table = listening(_host(kernel=kernel))
    assert [_port(table, port).v6only for port in (8002, 8003, 5353, 8000)] == [True, False, False, None]


def test_without_netlink_it_stays_unknown_whether_ipv6_takes_ipv4():
    assert _port(listening(_host()), 8003).v6only is None


def test_a_kernel_without_ipv6_has_ipv4_sockets_only():
    host = _host()
    del host.files["/proc/net/tcp6"], host.files["/proc/net/udp6"]
    assert {entry.family for entry in listening(host).sockets} == {4}


def test_a_platform_that_nobody_collects_is_an_error_that_names_it():
    with pytest.raises(CoreError, match="plan9"):
        listening(FakeHost("plan9"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the sockets of a real Linux kernel")
def test_the_sockets_of_this_process_are_found_with_this_process_as_owner():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        table = listening(LinuxHost(30))
        (mine,) = [entry for entry in table.sockets if entry.port == server.getsockname()[1]]
    assert (mine.address, mine.pids, mine.uid) == ("::1", (os.getpid(),), os.geteuid())
    assert mine.exe == os.path.realpath(sys.executable)
    assert mine.v6only is not None
