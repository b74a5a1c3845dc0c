# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers behind a main process that lives: who is one, when they are looked at again, what is said of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, UNKNOWN, WARNING
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import process_table
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import tree_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import with_turnover
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Turnover
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_starts import judge_workers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.workers import (
    is_unsteady,
    is_worker,
    turnover_of,
    workers_asked,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket, SocketTable

from .builders import UPTIME, findings_of, make_case, make_observed, make_process, make_service, make_snapshot

COMMAND = ("python3", "-m", "uvicorn", "strategy.main:app", "--workers", "2")
SPAWNED = ("python3", "-c", "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)", "--fork")
TRACKER = ("python3", "-c", "from multiprocessing.resource_tracker import main;main(4)")


def aged(pid, seconds, **fields):
    return make_process(pid, **{"parent": 41, "command": SPAWNED, "began": UPTIME - seconds, **fields})


def service(*workers, command=COMMAND, age=5000, **fields):
    main = make_process(command=command, began=UPTIME - age)
    return make_observed(fields.pop("service", None), main=main, processes=(main, *workers), **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"command": SPAWNED}, True),
        ({"command": COMMAND}, True),
        ({"command": TRACKER}, False),
        ({"command": ("sh", "-c", "pg_dump")}, False),
        ({"command": ()}, False),
    ],
)
def test_a_worker_has_the_command_of_its_parent_or_is_spawned_by_python(fields, expected):
    assert is_worker(make_process(command=COMMAND), aged(50, 1, **fields)) is expected


@pytest.mark.parametrize(
    ("words", "number"),
    [("--workers 2", 2), ("--workers=4", 4), ("-w 3 app", 3), ("--workers", 0), ("--workers x", 0), ("app 2", 0)],
)
def test_how_many_workers_a_command_line_asks_for(words, number):
    assert workers_asked(("python3", *words.split())) == number


@pytest.mark.case("SV14")
@pytest.mark.parametrize(
    ("seen", "fields", "again"),
    [
        (service(aged(50, 4000), aged(51, 4000)), {}, False),
        (service(aged(50, 4000), aged(51, 30)), {}, False),
        (service(aged(50, 4000), aged(51, 29.9)), {}, True),  # one is young
        (service(aged(50, 4000)), {}, True),  # one of two is not there
        (service(), {}, True),
        (service(command=("python3", "auth.py")), {}, False),  # it has no workers and asks for none
        (service(aged(50, 5), aged(51, 5), age=6), {}, True),  # it was only just started: they may die all the same
        (service(aged(50, 4000), aged(51, 4000), service=make_service(unit="a", port=8002)), {}, True),  # port closed
        (service(aged(50, 4000), aged(51, 4000, state="Z")), {}, True),
        (service(aged(50, 1), service=make_service(unit="a", state="stopped")), {}, False),
    ],
)
def test_a_service_that_may_lose_its_workers_is_looked_at_again(seen, fields, again):
    assert is_unsteady(make_snapshot(seen, **fields), seen) is again


def test_a_port_that_is_open_or_could_not_be_seen_is_no_reason_for_a_second_look():
    seen = service(aged(50, 4000), aged(51, 4000), service=make_service(unit="a", port=8002))
    assert not is_unsteady(make_snapshot(seen, sockets=[Socket("tcp", 4, "0.0.0.0", 8002, 1, 0)]), seen)
    assert not is_unsteady(make_snapshot(seen)._replace(sockets=None), seen)


OLD, YOUNG = (aged(50, 4000), aged(51, 4000)), (aged(60, 3), aged(61, 3))


def turnover(*workers, seen=(), problem=""):
    last = frozenset((worker.pid, worker.began) for worker in workers)
    return Turnover(2.0, last | {(worker.pid, worker.began) for worker in seen}, last, problem)


@pytest.mark.case("SV14")
@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        (service(*OLD), OK, "the youngest of its 2 workers has been running for"),
        (service(*YOUNG, turnover=turnover(*YOUNG)), WARNING, "the oldest for no longer"),
        (
            service(OLD[0], YOUNG[0], turnover=turnover(OLD[0], YOUNG[0])),
            OK,
            "of its 2 workers has been running for 3.0 s",
        ),
        (service(aged(50, 30), YOUNG[0], turnover=turnover(aged(50, 30), YOUNG[0])), OK, "the youngest"),
        (service(aged(50, 29.9), turnover=turnover(aged(50, 29.9), YOUNG[0])), WARNING, "the oldest for no longer"),
        (
            service(*YOUNG, turnover=turnover(aged(62, -1), aged(63, -1))),
            CRITICAL,
            "2 workers of auth ended within 2 s",
        ),
        (service(*OLD, turnover=turnover(OLD[0])), CRITICAL, "1 workers of auth ended"),
        # none at the first look and none at the last, but some between them
        (service(turnover=turnover(seen=YOUNG)), CRITICAL, "2 workers of auth ended"),
        (service(turnover=turnover()), CRITICAL, "is started for 2 workers and has 0"),
        # while it may still be getting ready all of that is a warning, and young workers are none
        (service(turnover=turnover(seen=YOUNG), age=29), WARNING, "it may still be getting ready"),
        (service(turnover=turnover(), age=29), WARNING, "it may still be getting ready"),
        (service(*YOUNG, age=29, turnover=turnover(*YOUNG)), OK, "the youngest of its 2 workers"),
        (service(turnover=turnover(seen=YOUNG), age=30), CRITICAL, "2 workers of auth ended"),
        (service(OLD[0], turnover=turnover(OLD[0])), WARNING, "is started for 2 workers and has 1"),
        (service(*YOUNG, turnover=turnover(problem="not allowed")), UNKNOWN, "not allowed"),
        (service(aged(50, -20), turnover=turnover(aged(50, -20))), WARNING, "is started for 2 workers and has 1"),
        (service(aged(50, -20), command=("gunicorn",)), UNKNOWN, "nothing tells how long"),
    ],
)
def test_what_is_said_of_workers(seen, status, words):
    (finding,) = findings_of(judge_workers, make_case(seen))
    assert (finding.status, words in finding.message) == (status, True), finding.message


ONE = (*COMMAND[:-1], "1")
# Started for so many workers, those of the first and the last look; what is expected, and what is noted down.
NOTED = [
    (COMMAND, OLD, OLD, OK, "2 workers that stay", 2),
    (COMMAND, OLD[:1], OLD[:1], WARNING, "2 workers that stay", 1),
    (COMMAND, OLD, OLD[:1], CRITICAL, "2 workers that stay", 1),
    (COMMAND, (), (), CRITICAL, "2 workers that stay", 0),
    (ONE, OLD[:1], OLD[:1], OK, "workers that stay", 1),
    (("gunicorn",), OLD, OLD, OK, "workers that stay", 2),
    (("gunicorn",), YOUNG, YOUNG, WARNING, "workers that stay", 3),  # the age of the oldest in seconds
]


@pytest.mark.case("SV14")
@pytest.mark.parametrize(("command", "first", "last", "status", "expected", "actual"), NOTED)
def test_what_is_noted_down_of_workers(command, first, last, status, expected, actual):
    (finding,) = findings_of(judge_workers, make_case(service(*first, command=command, turnover=turnover(*last))))
    assert (finding.status, finding.expected, finding.actual) == (status, expected, actual)


@pytest.mark.case("SV14")
def test_one_worker_is_the_main_process_itself_and_lacks_nothing():
    assert list(findings_of(judge_workers, make_case(service(command=ONE, turnover=turnover())))) == []


@pytest.mark.case("SV14")
@pytest.mark.parametrize(("age", "status"), [(30, WARNING), (29.9, OK)])
def test_workers_that_are_all_young_are_odd_once_their_service_is_not(age, status):
    seen = service(*YOUNG, age=age, turnover=turnover(*YOUNG), service=make_service(unit="a", start_grace="5s"))
    (finding,) = findings_of(judge_workers, make_case(seen))
    assert finding.status == status


@pytest.mark.case("SV14")
def test_a_service_without_workers_and_one_that_does_not_run_get_no_word():
    assert list(findings_of(judge_workers, make_case(service(command=("python3", "auth.py"))))) == []
    assert list(findings_of(judge_workers, make_case(make_observed(main=None)))) == []


def test_what_became_of_workers_is_told_by_pid_and_begin():
    main, first = make_process(command=COMMAND), aged(50, 10)
    again = first._replace(began=first.began + 5)  # the pid was given to another
    told = turnover_of(main, [{41: main, 50: first}, {41: main, 50: again}])
    assert told == Turnover(2.0, frozenset({(50, first.began), (50, again.began)}), frozenset({(50, again.began)}))


PARENT = """
import os, time
while True:
    if not os.fork():
        time.sleep(0.1)
        os._exit(1)
    os.wait()
    time.sleep(0.2)
"""


def table_with_a_worker_of(pid):
    """Return the processes at a moment when the parent has a worker: on a busy machine that takes a while to come."""
    deadline = time.monotonic() + 30
    while len(tree_of(pid, table := process_table(choose_host()))) < 2:
        assert time.monotonic() < deadline, "the parent never started a worker"
    return table


@pytest.mark.case("SV14")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_workers_of_a_real_process_that_die_and_come_again_are_seen():
    parent = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        host, table = choose_host(), table_with_a_worker_of(parent.pid)
        main = table[parent.pid]._replace(began=table[parent.pid].began - 100)  # it has been running for a while
        seen = make_observed(main=main, processes=(main, *tree_of(main.pid, table)[1:]))
        closed = seen._replace(service=make_service(unit="a", port=8002))
        uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
        snapshot = make_snapshot(closed, uptime=uptime, now=time.time())
        snapshot = snapshot._replace(sockets=SocketTable((), ""), services=(closed,))
        (again,) = with_turnover(host, snapshot)
        (finding,) = findings_of(judge_workers, make_case(again, uptime=uptime))
        assert finding.status == CRITICAL
        assert "ended within 2 s" in finding.message
    finally:
        parent.kill()
        parent.wait()
        assert os.path.exists(f"/proc/{parent.pid}") is False


def test_looks_are_closer_together_than_a_worker_lives_that_fails_to_import() -> None:
    """At 0.2 s one in twelve services whose workers died at once was called well (CI, a busy machine)."""
    assert collect.SPAN / collect.TIMES["linux"] < 0.1
