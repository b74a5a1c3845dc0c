# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers at the port of the trade service, as far as it is seen: nothing unseen is taken for nobody."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket, SocketTable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.crew import PortSnapshot, crew_of

UVICORN = ("python", "-m", "uvicorn", "trade.main:app", "--workers", "2")
SPAWNED = ("python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()")


def process(pid, parent, command=("trade",)):
    return Process(pid=pid, parent=parent, session=41, state="S", began=1.0, cpu=0.0, threads=1, command=command)


def held(*pids, address="127.0.0.1", family=4, inode=7, uid=990, exe="/usr/bin/python3", v6only=None):
    return Socket("tcp", family, address, 8004, inode, uid, v6only, pids, exe)


MAIN, ONE, TWO = process(41, 1), process(42, 41), process(43, 41)
MASTER = process(41, 1, UVICORN)
SELF = process(1, 0)


def shown(*sockets, own=(MAIN, ONE, TWO), others=(), **fields):
    table = {p.pid: p for p in (*(own or ()), *others)}
    return PortSnapshot(own, SocketTable(sockets, unavailable="not root"), processes=table, **fields)


# What is seen; the workers, the parents, and how many workers the command line asks for.
KNOWN = [
    ("one process", shown(held(41), own=(MAIN,)), {41}, set(), 0),
    ("a parent and its workers", shown(held(41, 42, 43)), {42, 43}, {41}, 0),
    ("a parent that holds nothing", shown(held(42, 43)), {42, 43}, set(), 0),
    ("one of the workers of a command line", shown(held(41, 42), own=(MASTER, ONE)), {42}, {41}, 2),
    ("a socket for each", shown(held(42, inode=7), held(43, inode=8)), {42, 43}, set(), 0),
    ("systemd keeps the socket", shown(held(1, 41), own=(MAIN,), others=(SELF,)), {41}, {1}, 0),
    ("a worker that an earlier parent left", shown(held(41, 99), own=(MAIN,)), {41, 99}, set(), 0),
    ("both families", shown(held(41, address="::", family=6, v6only=False), own=(MAIN,)), {41}, set(), 0),
    ("another address is not meant", shown(held(41), held(77, address="10.0.0.5"), own=(MAIN,)), {41}, set(), 0),
    ("its account holds the port, and it is one process", shown(held(), own=(MAIN,), uid=990), {41}, set(), 0),
    ("root holds the port, and it is one process", shown(held(uid=0), own=(MAIN,), uid=0), {41}, set(), 0),
    (
        "Windows names the parent alone",
        shown(held(41), own=(MASTER, process(42, 41, SPAWNED), process(43, 41, SPAWNED)), one_owner=True),
        {42, 43},
        {41},
        2,
    ),
    (
        "a helper is no worker on Windows",
        shown(held(41), own=(MAIN, process(42, 41, ("cmd",))), one_owner=True),
        {41},
        set(),
        0,
    ),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(
    ("seen", "workers", "parents", "asked"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN]
)
def test_who_holds_the_port_and_has_no_children_that_do_is_a_worker(seen, workers, parents, asked):
    crew = crew_of(seen, "trade", "127.0.0.1", 8004)
    assert (crew.workers, crew.parents, crew.asked, crew.why) == (workers, parents, asked, "")


# What is seen; why it is not known who answers, and what helps.
UNKNOWN = [
    ("another host, or no such service", PortSnapshot(), "trade is no service of this host", "at its own port"),
    ("no sockets", PortSnapshot((MAIN,), None, "lsof was not found"), "cannot be seen: lsof was not found", "as root"),
    (
        "half of the sockets",
        PortSnapshot((MAIN,), SocketTable((held(41),), unread={"tcp": "netstat was refused"})),
        "netstat was refused",
        "as root",
    ),
    ("nobody listens", shown(), "no process of this host is seen to listen on port 8004", "at its own port"),
    (
        "no rights, several processes",
        shown(held(), uid=990),
        "nobody shows who holds port 8004: not root",
        "as root",
    ),
    (
        "no rights, another account",
        shown(held(), own=(MAIN,), uid=33),
        "nobody shows who holds port 8004",
        "as root",
    ),
    ("no rights, no account", shown(held(uid=-1), own=(MAIN,)), "nobody shows who holds port 8004", "as root"),
    ("no rights, root's port", shown(held(uid=0), own=(MAIN,)), "nobody shows who holds port 8004", "as root"),
    ("one of two is not seen", shown(held(41), held(inode=8), own=(MAIN,), uid=990), "nobody shows", "as root"),
    (
        "a proxy",
        shown(held(70, 71, exe="/usr/sbin/nginx"), held(72, inode=8, exe="/usr/sbin/haproxy")),
        "port 8004 is held by /usr/sbin/nginx (pid 70), no process of trade: it may hand questions on to any",
        "trading.workers",
    ),
    (
        "its processes are not seen",
        PortSnapshot((), SocketTable((held(41),)), "its pid file cannot be read"),
        "the processes of trade cannot be seen: its pid file cannot be read",
        "as root",
    ),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(("seen", "why", "cure"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_who_cannot_be_seen_is_not_taken_for_nobody(seen, why, cure):
    crew = crew_of(seen, "trade", "127.0.0.1", 8004)
    assert why in crew.why
    assert cure in crew.cure
    assert "trading.workers" in crew.cure
    assert (crew.workers, crew.asked) == (frozenset(), 0)


def test_an_account_proves_nothing_while_a_second_process_might_answer():
    seen = shown(held(), own=(MAIN,), uid=990)
    assert crew_of(seen, "trade", "127.0.0.1", 8004).why == ""
    assert crew_of(seen._replace(own=(MAIN, ONE)), "trade", "127.0.0.1", 8004).why
