# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a restart: who is restarted with whom, in which order, and who is left alone and why."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Details
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.declared import Options, read_options
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Situation
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.plan import make_plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.reasons import reasons_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.history import DAY

from ..services.builders import NOW, UPTIME, make_observed, make_process, make_service, make_snapshot, make_unit

CRYPTOBOT = declare(
    [
        {"name": "auth", "unit": "auth"},
        {"name": "data", "unit": "data", "depends_on": ["auth"]},
        {"name": "strategy", "unit": "strategy", "depends_on": ["auth", "data"]},
        {"name": "backtest", "unit": "backtest", "depends_on": ["auth", "data", "strategy"]},
        {"name": "trade", "unit": "trade", "depends_on": ["auth", "strategy"]},
        {"name": "alone", "unit": "alone"},
    ]
)
ALL = frozenset(service.name for service in CRYPTOBOT)
DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}


def _options(**given) -> Options:
    return read_options({**DEFAULTS, **given}, tuple(ALL))


def _plan(
    *, wanted=(), running=ALL, protected=None, blind=None, interrupted=(), reload=(), unstoppable=None, **options
):
    situation = Situation(
        CRYPTOBOT,
        frozenset(running),
        blind or {},
        dict.fromkeys(wanted, ("it is old",)),
        tuple(interrupted),
        frozenset(reload),
        unstoppable=unstoppable or {},
    )
    return make_plan(situation, _options(**options), protected or {})


def _words(plan):
    return " ".join(
        f"{'+' if step.action == 'start' else '-' if step.action == 'stop' else '*'}{step.subject}"
        for step in plan.steps
    )


# What should be restarted and what else is true; the steps: - stops, + starts, * reloads.
STEPS = [
    ("nothing", {}, ""),
    ("one without dependents", {"wanted": ["trade"]}, "-trade +trade"),
    (
        "with its dependents, in order",
        {"wanted": ["strategy"]},
        "-trade -backtest -strategy +strategy +backtest +trade",
    ),
    (
        "dependents that do not run stay as they are",
        {"wanted": ["strategy"], "running": {"auth", "data", "strategy"}},
        "-strategy +strategy",
    ),
    ("one that does not run is not started", {"wanted": ["trade"], "running": {"auth"}}, ""),
    ("two groups", {"wanted": ["alone", "trade"]}, "-trade +trade -alone +alone"),
    ("only some", {"wanted": ["alone", "trade"], "only": ["alone"]}, "-alone +alone"),
    ("excepted", {"wanted": ["alone", "trade"], "except": ["trade"]}, "-alone +alone"),
    (
        "what an excepted one needs is kept as well",
        {"wanted": ["data", "backtest"], "except": ["trade"]},
        "-backtest +backtest",
    ),
    (
        "an excepted one that does not run is in nobody's way",
        {"wanted": ["data"], "except": ["trade"], "running": {"auth", "data"}},
        "-data +data",
    ),
    ("a protected one", {"wanted": ["auth", "alone"], "protected": {"trade": "orders"}}, "-alone +alone"),
    ("an unseen dependent", {"wanted": ["strategy"], "running": ALL - {"trade"}, "blind": {"trade": "not root"}}, ""),
    ("one that would not be stopped", {"wanted": ["data", "alone"], "unstoppable": {"data": "x"}}, "-alone +alone"),
    ("a dependent that would not be stopped", {"wanted": ["strategy"], "unstoppable": {"trade": "x"}}, ""),
    ("one that is not stopped", {"wanted": ["backtest"], "unstoppable": {"data": "x"}}, "-backtest +backtest"),
    ("unit files of what is not stopped", {"wanted": ["data"], "reload": {"data"}, "unstoppable": {"data": "x"}}, ""),
    ("unit files to read", {"wanted": ["alone"], "reload": {"alone"}}, "*systemd -alone +alone"),
    ("unit files of others are not read", {"wanted": ["alone"], "reload": {"trade"}}, "-alone +alone"),
    ("what was left stopped", {"running": {"auth", "data"}, "interrupted": ["strategy", "trade"]}, "+strategy +trade"),
    ("what was left stopped and runs again", {"interrupted": ["strategy", "trade"]}, ""),
    (
        "what was left stopped, and more to restart",
        {"running": {"auth", "data"}, "interrupted": ["strategy"], "wanted": ["data"]},
        "+strategy -strategy -data +data +strategy",
    ),
]


@pytest.mark.parametrize(("given", "steps"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_a_plan_stops_dependents_first_and_starts_them_last(given, steps):
    assert _words(_plan(**given)) == steps


REFUSED = [
    ({"wanted": ["auth"], "protected": {"trade": "1 order is in flight"}}, {"auth": "1 order is in flight"}),
    ({"wanted": ["data"], "except": ["trade"]}, {"data": "trade is excepted"}),
    (
        {"wanted": ["strategy"], "running": ALL - {"trade"}, "blind": {"trade": "not root"}},
        {"strategy": "trade cannot be looked at (not root)"},
    ),
    ({"wanted": ["alone"], "protected": {"trade": "1 order is in flight"}}, {}),
    ({"wanted": ["data"], "unstoppable": {"trade": "not run"}}, {"data": "not run"}),
    ({"wanted": ["data", "backtest"], "unstoppable": {"data": "not run"}}, {"data": "not run", "backtest": "not run"}),
    ({"wanted": ["auth"], "unstoppable": {"auth": "a", "data": "b", "alone": "c"}}, {"auth": "a; b"}),
    ({"wanted": ["backtest"], "unstoppable": {"data": "not run"}}, {}),
]


@pytest.mark.parametrize(("given", "refused"), REFUSED)
def test_a_refusal_names_what_is_in_the_way(given, refused):
    assert _plan(**given).refused == refused


LEFT = [
    ({}, "nothing gives a reason to restart it"),
    ({"running": ALL - {"alone"}}, "it did not run before"),
    ({"wanted": ["alone"], "only": ["trade"]}, "it is not among those asked for"),
    ({"except": ["alone"]}, "it is excepted"),
    ({"wanted": ["alone"], "except": ["alone"]}, "it is excepted"),
    ({"running": ALL - {"alone"}, "blind": {"alone": "not root"}}, "it cannot be looked at: not root"),
]


@pytest.mark.parametrize(("given", "why"), LEFT)
def test_what_is_left_alone_has_a_reason(given, why):
    assert _plan(**given).left["alone"] == why


def test_what_is_not_stopped_for_another_is_left_alone():
    plan = _plan(wanted=["data"], unstoppable={"trade": "not run"})
    assert set(plan.left) == ALL - {"data"}
    assert plan.restarted == ()


def test_a_script_started_service_without_a_command_is_not_stopped():
    services = declare([{"name": "a", "pid_file": "/run/a.pid"}, {"name": "b", "unit": "b", "depends_on": ["a"]}])
    running = frozenset({"a", "b"})
    plan = make_plan(Situation(services, running, {}, {"a": ("old",), "b": ("old",)}), _options(), {})
    assert _words(plan) == "-b +b"
    assert plan.refused["a"] == "services[a].command is not declared, so a could not be started"


def test_every_step_says_why():
    steps = {(step.action, step.subject): step.reason for step in _plan(wanted=["strategy"]).steps}
    assert steps["stop", "strategy"] == "it is old"
    assert steps["start", "trade"] == "it depends on strategy"


def test_every_service_is_in_exactly_one_place_of_a_plan():
    plan = _plan(wanted=["data", "alone"], protected={"trade": "orders"}, running=ALL - {"backtest"})
    places = [*plan.restarted, *plan.repair, *plan.left, *plan.refused]
    assert sorted(places) == sorted(ALL)


MIB = 1 << 20
REASONS = [
    ("nothing", {}, {}, []),
    ("always", {}, {"when": "always"}, ["a restart was asked for whatever the reason"]),
    (
        "old",
        {"main": make_process(began=UPTIME - 5000)},
        {"max_uptime": "1h"},
        ["it runs for 1.4 h, longer than 1.0 h"],
    ),
    ("old, and that does not count", {}, {"max_uptime": "0"}, []),
    (
        "a library",
        {"details": {41: Details(0, 1, 1, 9, ("/lib/a.so",))}},
        {},
        ["it runs from /lib/a.so, which was replaced on the disk"],
    ),
    ("a file", {"changed_files": ("/opt/.env",)}, {}, ["/opt/.env has changed since it was started"]),
    ("a file from the future", {"odd_files": ("/opt/.env",)}, {}, []),
    (
        "a unit file",
        {"unit": make_unit(need_reload=True)},
        {},
        ["the files of cryptobot-auth.service have changed since systemd read them"],
    ),
    (
        "too much memory",
        {"service": make_service(unit="a", memory_max="8M")},
        {},
        ["it uses 10.0 MiB of memory, more than its maximum of 8.0 MiB"],
    ),
    ("memory that grew", {}, {"memory_growth": "4M"}, ["its memory has grown by 5.0 MiB in 1.0 d"]),
    ("memory that grew, and that does not count", {}, {"memory_growth": "0"}, []),
    ("memory that grew less", {}, {"memory_growth": "6M"}, []),
    # what is exactly as old, as large or as grown as it may be is no reason yet
    ("as old as it may be", {"main": make_process(began=UPTIME - 5000)}, {"max_uptime": "5000s"}, []),
    ("as large as it may be", {"service": make_service(unit="a", memory_max="10M")}, {}, []),
    ("grown as much as it may", {}, {"memory_growth": "5M"}, []),
]


@pytest.mark.parametrize(
    ("fields", "options", "reasons"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS]
)
def test_a_restart_needs_a_reason(fields, options, reasons):
    seen = make_observed(**fields)
    memory = {"began": ["boot-1", UPTIME - 5000], "rss": [[NOW - DAY, 5 * MIB]]}
    given = {"max_uptime": "6d", **options}
    assert list(reasons_of(seen, make_snapshot(seen), memory, _options(**given))) == reasons


WRONG = [
    ({"only": ["nobody"]}, "only is"),
    ({"except": ["nobody"]}, "except is"),
    ({"max_uptime": "x"}, "max_uptime"),
    ({"gate_timeout": -1.0}, "gate_timeout is -1.0"),
]


@pytest.mark.parametrize(("given", "name"), WRONG)
def test_a_wrong_option_is_an_error_that_names_it(given, name):
    with pytest.raises(InputError, match=name):
        _options(**given)
