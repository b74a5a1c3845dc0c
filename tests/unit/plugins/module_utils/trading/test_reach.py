# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking on until every worker has answered: connections go where the system wills, and the outcome says how far."""

from __future__ import annotations

from itertools import count

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    CoreError,
    SourceDenied,
    SourceMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Ends, Socket, SocketTable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS, reach
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.crew import PortSnapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import collect_trading, guard
from ansible_collections.cryptobot.maintenance.plugins.module_utils.web import HttpReply

from .judged import judge_dry_run, judge_orders

DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
YES, NO = '{"dry_run": true}', '{"dry_run": false}'
FLYING = '[{"id": "o-17", "status": "OPEN"}]'


def process(pid, parent, command=("trade",)):
    return Process(pid=pid, parent=parent, session=41, state="S", began=1.0, cpu=0.0, threads=1, command=command)


class Lab:
    """A service whose connections are taken by the pids of ``turns``, again and again (None: by nobody, 0: by somebody
    unseen). ``says`` is what each answers, by pid, ``holders`` who holds the port at each look, the last for ever.
    """

    def __init__(self, monkeypatch, says, turns, *holders, platform="linux", command=("trade",), waits=()):
        self.host = FakeHost(platform)
        self.says, self.turns, self.holders, self.command = says, turns, list(holders), command
        self.taken: dict[Ends, int] = {}
        self.ports, self.opened, self.closed, self.looks = count(50000), 0, 0, 0
        monkeypatch.setattr(reach, "Line", self.dial)
        monkeypatch.setitem(reach.TAKEN, "linux", self.took)
        monkeypatch.setitem(reach.WAITS, "linux", lambda host, pid, inodes: pid in waits)

    def dial(self, url, timeout):
        return FakeLine(self, Ends("127.0.0.1", 8004, "127.0.0.1", next(self.ports)))

    def took(self, host, ends, pids):
        mine = {end: self.taken[end] for end in ends if self.taken[end] is not None}
        return {end: (pid,) if pid in pids else () for end, pid in mine.items()}

    def answer(self, pid, url):
        said = self.says[pid]
        if isinstance(said, Exception):
            raise said
        return HttpReply(url, 200, said, 0.01)

    def observe(self):
        self.looks += 1
        pids = self.holders.pop(0) if len(self.holders) > 1 else self.holders[0]
        own = [process(41, 1, self.command), *(process(pid, 41) for pid in (42, 43, 44))]
        table = SocketTable((Socket("tcp", 4, "127.0.0.1", 8004, 7, 0, None, pids),))
        return PortSnapshot(own, table, processes={p.pid: p for p in own})


class FakeLine:
    def __init__(self, lab, ends):
        self.lab, self.ends = lab, ends
        lab.taken[ends] = lab.turns[lab.opened % len(lab.turns)]
        lab.opened += 1

    def get(self, url, timeout, *, headers=None, tls=None):
        return self.lab.answer(self.lab.taken[self.ends], url)

    def close(self):
        self.lab.closed += 1


def endpoint(**options):
    return read_endpoint({**DEFAULTS, "dry_run": True, **options}, "http://127.0.0.1:8004")


def outcomes_of(lab, **options):
    asked = endpoint(**options)
    trading, obstacle = guard(lab.host, asked, lab.observe, stopped=False)
    (flag,) = judge_dry_run(trading, asked)
    return flag, judge_orders(trading, asked), obstacle


FAMILY = (41, 42, 43)
RARE = [42] * 99 + [43]  # one of a hundred connections wakes the other worker
# What the workers say, who takes connections; outcomes of flag and orders, and what the flag's says.
ROWS = [
    ("both agree", {42: YES, 43: YES}, [42, 43], FAMILY, "ok", "ok", "8 answers from 2 of 2 workers"),
    ("one is hardly ever woken", {42: YES, 43: YES}, RARE, FAMILY, "ok", "ok", "9 answers from 2 of 2 workers"),
    ("they disagree", {42: YES, 43: NO}, RARE, FAMILY, "critical", "unknown", "disagree"),
    ("one takes nothing", {42: YES}, [42], FAMILY, "unknown", "unknown", "from 1 of 2 workers: pid 43 holds the port"),
    ("one takes nothing, the other is live", {42: NO}, [42], FAMILY, "critical", "unknown", "trades for real"),
    ("nobody takes anything", {}, [None], FAMILY, "unknown", "unknown", "0 answers from 0 of 2 workers"),
    ("some wait for ever", {42: YES, 43: YES}, [None, 42, None, 43], FAMILY, "ok", "ok", "from 2 of 2 workers"),
    ("one hangs", {42: YES, 43: ToolTimeout("GET", 5)}, [42, 43], FAMILY, "unknown", "unknown", "ended after 5 s"),
    ("the parent is met", {41: NO, 42: YES, 43: YES}, [42, 43, 41], FAMILY, "critical", "unknown", "disagree"),
    ("a stranger takes some", {42: YES, 43: YES}, [42, 43, 0], FAMILY, "unknown", "unknown", "not seen to hold"),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(
    ("says", "turns", "holders", "flag", "orders", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_every_worker_is_asked_or_it_is_said_that_one_was_not(monkeypatch, says, turns, holders, flag, orders, words):
    lab = Lab(monkeypatch, says, turns, holders)
    found, about, obstacle = outcomes_of(lab)
    assert (found.status, about.status, words in found.message) == (flag, orders, True), found.message
    assert (obstacle == "") is (orders == "ok")
    assert lab.opened == lab.closed  # whatever happened


@pytest.mark.parametrize(("waits", "status"), [((), "ok"), ((41,), "critical")])
def test_a_parent_that_waits_for_connections_is_a_worker_before_it_is_met(monkeypatch, waits, status):
    lab = Lab(monkeypatch, {41: NO, 42: YES, 43: YES}, [*[42, 43] * 50, 41], FAMILY, waits=waits)
    assert outcomes_of(lab)[0].status == status


@pytest.mark.case("SV19")
def test_an_order_that_only_a_worker_of_a_hundred_connections_knows_is_in_flight(monkeypatch):
    lab = Lab(monkeypatch, {42: "[]", 43: FLYING}, RARE, FAMILY)
    asked = endpoint(orders_path="/orders", dry_run_path="")
    trading, obstacle = guard(lab.host, asked, lab.observe, stopped=False)
    assert (trading.in_flight, "o-17" in obstacle) == (("o-17",), True)


@pytest.mark.case("SV19")
def test_no_order_is_known_only_of_those_who_were_asked(monkeypatch):
    lab = Lab(monkeypatch, {42: "[]"}, [42], FAMILY)
    asked = endpoint(orders_path="/orders", dry_run_path="")
    trading, obstacle = guard(lab.host, asked, lab.observe, stopped=False)
    finding = judge_orders(trading, asked)
    assert (finding.status, "pid 43 holds the port" in obstacle) == ("unknown", True)
    assert "Find out why not all of its processes answer" in finding.remedy
    assert guard(lab.host, endpoint(orders_path="/orders", when_unknown="proceed"), lab.observe, stopped=False)[1] == ""


# What the one worker says that was reached; what is to be done about orders that nobody can list.
SHIPPED = [(YES, "Find out why not all of its processes answer"), (NO, "Set trading.orders_path")]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(("said", "remedy"), SHIPPED)
def test_the_remedy_is_for_what_stands_in_the_way(monkeypatch, said, remedy):
    _flag, orders, _obstacle = outcomes_of(Lab(monkeypatch, {42: said}, [42], FAMILY))
    assert (orders.status, orders.remedy.startswith(remedy)) == ("unknown", True)


def test_a_worker_that_has_ended_is_not_waited_for_and_its_successor_is_asked(monkeypatch):
    lab = Lab(monkeypatch, {42: YES, 44: NO}, [42] * 60 + [44], FAMILY, (41, 42, 44))
    assert outcomes_of(lab)[0].status == "critical"
    assert lab.looks > 1


def test_a_worker_that_the_command_line_asks_for_and_is_not_there_is_waited_for(monkeypatch):
    command = ("uvicorn", "--workers", "2")
    lab = Lab(monkeypatch, {42: YES, 43: YES}, [42, 43], (41, 42), FAMILY, command=command)
    lab.host.replies["http://127.0.0.1:8004/api/v1/settings/dry_run"] = (200, YES)
    assert outcomes_of(lab)[0].status == "ok"
    gone = Lab(monkeypatch, {42: YES}, [42], (41, 42), command=command)
    gone.host.replies = lab.host.replies
    found, _orders, obstacle = outcomes_of(gone)
    assert (found.status, "from 1 of 2 workers" in obstacle) == ("unknown", True)


def test_the_two_questions_of_a_look_share_one_sight(monkeypatch):
    lab = Lab(monkeypatch, {42: YES, 43: YES}, [42, 43], FAMILY)
    collect_trading(lab.host, endpoint(orders_path="/orders"), lab.observe, stopped=False)
    assert lab.looks == 1


def test_a_queue_that_is_full_is_no_failure_of_the_service(monkeypatch):
    lab = Lab(monkeypatch, {42: YES, 43: YES}, [42, 43], FAMILY)

    def dial(url, timeout, plain=lab.dial):
        if lab.opened % 4 == 3:
            lab.opened += 1
            lab.closed += 1
            raise ToolTimeout("connecting", timeout)
        return plain(url, timeout)

    monkeypatch.setattr(reach, "Line", dial)
    assert outcomes_of(lab)[0].status == "ok"


def test_a_port_that_refuses_is_asked_twice_and_no_more(monkeypatch):
    lab = Lab(monkeypatch, {}, [42], FAMILY)
    tries = []

    def refuse(url, timeout):
        tries.append(url)
        raise SourceMissing("an answer")

    monkeypatch.setattr(reach, "Line", refuse)
    found = outcomes_of(lab)[0]
    assert (found.status, len(tries)) == ("unknown", 2)


def denied(*_arguments):
    raise SourceDenied("/proc/42/fd")


# What tells who took a connection does not; the platform, what is declared; the outcome and its words.
BLIND = [
    ("linux", None, "unknown", "which process answers cannot be seen: /proc/42/fd cannot be read"),
    ("linux", 1, "ok", "8 answers of the one process that trading.workers declares"),
    ("linux", 2, "unknown", "nothing tells who of the 2 that trading.workers declares"),
    ("windows", None, "unknown", "2 processes answer on port 8004, and this system does not tell which of them did"),
    ("windows", 1, "ok", "of the one process that trading.workers declares"),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(("platform", "declared", "status", "words"), BLIND)
def test_answers_that_nobody_can_tell_apart_are_not_those_of_all(monkeypatch, platform, declared, status, words):
    lab = Lab(monkeypatch, {}, [42], FAMILY, platform=platform)
    lab.host.replies["http://127.0.0.1:8004/api/v1/settings/dry_run"] = (200, YES)
    monkeypatch.setitem(reach.TAKEN, "linux", denied)
    found, _orders, _obstacle = outcomes_of(lab, workers=declared)
    assert (found.status, words in found.message) == (status, True), found.message


def test_what_cannot_be_looked_at_at_all_is_unknown_and_says_why(monkeypatch):
    lab = Lab(monkeypatch, {}, [42], FAMILY)
    lab.host.replies["http://127.0.0.1:8004/api/v1/settings/dry_run"] = (200, YES)

    def fails():
        raise CoreError("systemctl does not answer")

    asked = endpoint()
    (found,) = judge_dry_run(collect_trading(lab.host, asked, fails, stopped=False), asked)
    assert (found.status, "systemctl does not answer" in found.message) == ("unknown", True)


def test_a_service_on_another_host_is_not_looked_for_on_this_one(monkeypatch):
    lab = Lab(monkeypatch, {}, [42], (41,))
    lab.host.replies["http://192.0.2.7:8004/api/v1/settings/dry_run"] = (200, YES)
    found, _orders, obstacle = outcomes_of(lab, url="http://192.0.2.7:8004")
    assert (found.status, lab.looks) == ("unknown", 0)
    assert "trade is no service of this host" in obstacle
    assert "Ask the trade service at its own port on its own host" in found.remedy
    assert outcomes_of(lab, url="http://192.0.2.7:8004", workers=1)[0].status == "ok"


def test_the_time_of_the_whole_run_bounds_the_asking(monkeypatch):
    lab = Lab(monkeypatch, {42: YES}, [42], FAMILY)

    def pause(seconds):
        raise ToolTimeout("the run", 3600)

    monkeypatch.setattr(lab.host, "pause", pause)
    assert outcomes_of(lab)[0].status == "unknown"
    assert lab.opened == lab.closed
