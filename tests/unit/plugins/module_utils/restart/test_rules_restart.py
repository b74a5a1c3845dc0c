# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restart says of itself: its findings, word for word, and what it notes down of each service."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Action
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Details
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.claim import DOUBT
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import (
    Before,
    Launch,
    Passage,
    Progress,
    RestartPlan,
    Situation,
    Survey,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.rules_restart import (
    RULES,
    RestartContext,
    memory_of,
    records_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare

from ..services.builders import make_observed, make_snapshot

MIB = 1 << 20
SERVICES = declare(
    [
        {"name": "auth", "unit": "auth"},
        {"name": "data", "unit": "data", "depends_on": ["auth"]},
        {"name": "trade", "unit": "trade", "depends_on": ["data"]},
    ]
)
OLD = {"auth": ("it is old", "a file has changed")}


def _survey(*, running=("auth", "data", "trade"), blind=None, reasons=None, rss=None):
    seen = [
        make_observed(service, details={41: Details(0, size, 1, 10)} if (size := (rss or {}).get(service.name)) else {})
        for service in SERVICES
    ]
    situation = Situation(SERVICES, frozenset(running), blind or {}, OLD if reasons is None else reasons)
    return Survey(situation, Before(make_snapshot(*seen), {}, {}), None)


def _told(check, survey=None, plan=None, progress=None):
    found = RULES.judge(RestartContext(survey or _survey(), plan or RestartPlan(), progress or Progress()))
    return [(f.subject, f.status, f.message, f.actual) for f in found if f.check == f"restart.{check}"]


def test_why_a_service_is_restarted_or_left_alone_is_said():
    survey = _survey(blind={"trade": "not root"})
    plan = RestartPlan(groups=(("auth", "data"),), left={"trade": "it cannot be looked at: not root"})
    both = ["it is old", "a file has changed"]
    assert _told("needed", survey, plan) == [
        ("trade", "unknown", "trade is left alone: it cannot be looked at: not root", None),
        ("auth", "ok", "auth is restarted: it is old; a file has changed", both),
        (
            "data",
            "ok",
            "data is restarted: it depends on what is restarted",
            ["it depends on what is restarted"],
        ),
    ]
    left = RestartPlan(left={"auth": "it is excepted"})
    assert _told("needed", None, left) == [("auth", "ok", "auth is left alone: it is excepted", None)]


def test_a_gate_that_was_passed_tells_its_time_and_a_trouble_is_critical_where_it_begins():
    passages = {
        "auth": Passage(4.5678, began=1.0),
        "data": Passage(60.0, "it answers 500"),
        "trade": Passage(60.0, "it hangs"),
    }
    assert _told("gate", progress=Progress(passages=passages)) == [
        ("auth", "ok", "auth was as well as before 4.6 s after its start", 4.57),
        ("data", "critical", "data is not as well as before its restart: it answers 500", None),
        (
            "trade",
            "warning",
            "trade is not as well as before its restart: it hangs (look at data first: trade depends on it)",
            None,
        ),
    ]


def test_what_came_through_its_gate_is_nobodys_root():
    passages = {"auth": Passage(1.0), "data": Passage(60.0, "it answers 500")}
    assert [row[1] for row in _told("gate", progress=Progress(passages=passages))] == ["ok", "critical"]


PLAN = RestartPlan(repair=("trade",), groups=(("auth", "data"),))
ALL_RUN = [("services", "ok", "all 3 services that ran before run now", 3)]
# What was done; what is said of what ran before.
ENDS = [
    ("a step was done", ["done"], ALL_RUN),
    ("a step failed, and it runs all the same", ["done", "failed"], ALL_RUN),
    ("every step failed", ["failed"], ALL_RUN),
    ("nothing was done", ["skipped", "skipped"], []),
    ("it was only planned", ["planned"], []),
    ("there was nothing to do", [], []),
]


@pytest.mark.parametrize(("states", "told"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_that_all_run_again_is_said_where_something_was_done(states, told):
    actions = [Action("start", "auth", state, "it is old") for state in states]
    assert _told("left", None, PLAN, Progress(actions)) == told


def test_what_does_not_run_any_more_is_named_and_nothing_is_called_well():
    progress = Progress([Action("start", "auth", "failed", "no")], not_running=["auth", "trade"])
    assert _told("left", None, PLAN, progress) == [
        ("auth", "critical", "auth ran before the restart and does not run now", None),
        (
            "trade",
            "warning",
            "trade ran before the restart and does not run now (look at auth first: trade depends on it)",
            None,
        ),
    ]


# Memory before and after in MiB, and what a restart gave back.
MEMORY = [
    (8, 7, "auth used 8.0 MiB before its restart and 7.0 MiB once it was settled: it gave 1.0 MiB back"),
    (8, 8, "auth used 8.0 MiB before its restart and 8.0 MiB once it was settled: it gave nothing back"),
    (8, 9, "auth used 8.0 MiB before its restart and 9.0 MiB once it was settled: it gave nothing back"),
]


@pytest.mark.parametrize(("before", "after", "message"), MEMORY)
def test_what_a_restart_gave_back_is_told(before, after, message):
    survey, progress = _survey(rss={"auth": before * MIB}), Progress(memory={"auth": after * MIB})
    assert _told("memory", survey, None, progress) == [("auth", "ok", message, after * MIB)]


@pytest.mark.parametrize(("before", "after"), [(0, 7), (8, 0), (0, 0)])
def test_memory_that_is_known_on_one_side_only_is_not_compared(before, after):
    assert memory_of(_survey(rss={"auth": before}), Progress(memory={"auth": after})) == {}


def test_each_service_has_one_record_of_what_was_decided_and_what_came_of_it():
    survey = _survey(running=("auth", "data"), rss={"auth": 8 * MIB})
    plan = RestartPlan(repair=("trade",), groups=(("auth",),), left={"data": "nothing gives a reason to restart it"})
    auth, data, trade = records_of(survey, plan, Progress(memory={"auth": 7 * MIB}))
    assert auth == {
        "name": "auth",
        "ran_before": True,
        "reasons": ["it is old", "a file has changed"],
        "chosen": True,
        "left_because": None,
        "memory_before_bytes": 8 * MIB,
        "memory_after_bytes": 7 * MIB,
    }
    unknown = {"reasons": [], "memory_before_bytes": None, "memory_after_bytes": None}
    left = "nothing gives a reason to restart it"
    assert data == {"name": "data", "ran_before": True, "chosen": False, "left_because": left, **unknown}
    assert trade == {"name": "trade", "ran_before": False, "chosen": True, "left_because": None, **unknown}


def test_a_refusal_stands_in_the_record_as_the_reason():
    plan = RestartPlan(left={"data": "it is excepted"}, refused={"auth": "data is excepted"})
    told = {each["name"]: each["left_because"] for each in records_of(_survey(), plan, Progress())}
    assert told == {"auth": "data is excepted", "data": "it is excepted", "trade": None}


LOST = "it ran with EXCHANGE_API_KEY, which was not kept"
# (why what an interrupted restart had stopped is left so, what of its environment is lost, how that is judged)
LEFT_STOPPED = [
    (f"{LOST}: declare it", LOST, "critical"),
    ("somebody has started it since", LOST, "warning"),
    ("somebody has started it since", "", "warning"),
    (DOUBT, "", "unknown"),
]


@pytest.mark.parametrize(("why", "lost", "status"), LEFT_STOPPED)
def test_what_an_interrupted_restart_left_stopped_is_judged_by_why_it_stays_so(why, lost, status):
    situation = Situation(SERVICES, frozenset(), {}, {}, void={"trade": why})
    before = Before(make_snapshot(), {}, {"trade": Launch("/", lost=lost)})
    said = "trade ran before a restart that was interrupted and does not run now; it is left so: "
    assert _told("interrupted", Survey(situation, before, None)) == [("trade", status, said + why, None)]
