# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root of a trouble, patterns of units, and the maintenance marker."""

from __future__ import annotations

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import read_marker
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Pattern, Policy, declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.restarts import Restarts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_host import apply_marker, parse_end
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import RULES, judge, judge_host

from .builders import (
    NOW,
    UPTIME,
    make_case,
    make_observed,
    make_process,
    make_service,
    make_snapshot,
    make_socket,
    make_unit,
)

STOPPED = UPTIME - 100  # when auth went down
FAILED = {"active": "failed", "sub": "failed", "exit_code": 1, "exit_status": 1, "changed": STOPPED}
CLEAN = {"active": "inactive", "sub": "dead", "exit_code": 0, "exit_status": 0, "result": "success"}
SERVICES = {
    one.name: one
    for one in declare(
        [
            {"name": "auth", "unit": "auth", "port": 8000, "health": {}},
            {"name": "data", "unit": "data", "port": 8001, "health": {}, "depends_on": ["auth"]},
            {"name": "trade", "unit": "trade", "port": 8002, "health": {}, "depends_on": ["data"]},
        ]
    )
}
BY_REQUIRES = {"auth": ("data.service",), "data": ("trade.service",), "trade": ()}
ILL = Answer(fault="answers 500", status=500)
FINE = Answer((0.01,), 200)


def _service(name, *, up=True, answer=FINE, restarts=0, sockets=None, **unit):
    """Return the case of one of the services; ``sockets`` are those on its port (default: its own)."""
    tied = {"id": f"{name}.service", "names": (f"{name}.service",), "stops_with": BY_REQUIRES[name], **unit}
    main = make_process(41) if up else None
    seen = make_observed(SERVICES[name], unit=make_unit(main_pid=41 if up else 0, **tied), main=main)
    own = [make_socket(SERVICES[name].ports[0].port)] if up else []
    seen = seen._replace(answer=answer if up else None)
    return make_case(seen, sockets=own if sockets is None else sockets, restarts=Restarts(restarts))


def _states(*cases):
    """Return for each service what its state follows from, or else its status."""
    found = judge(cases).findings
    return {
        f.subject: f.consequence_of or f.status for each in found.values() for f in each if f.check == "services.state"
    }


AUTH_DOWN = {"up": False, **FAILED}
# The services as they are, then the vital findings that are bad, as (service, rule): status or what it follows from.
ROOT = "services.state auth"
TROUBLES = [
    ("all well", {}, {}),
    ("one is down, the others do not mind", {"auth": AUTH_DOWN}, {"auth state": "critical"}),
    (
        "those that need it fail",
        {"auth": AUTH_DOWN, "data": {"answer": ILL}, "trade": {"sockets": (), "answer": ILL}},
        {"auth state": "critical", "data http": ROOT, "trade http": ROOT, "trade port_owner": ROOT},
    ),
    (
        "an import error of its own",
        {"auth": AUTH_DOWN, "data": {"up": False, **FAILED}},
        {"auth state": "critical", "data state": "critical"},
    ),
    (
        "stopped by hand before",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": STOPPED - 60, "started": 5.0}},
        {"auth state": "critical", "data state": "critical"},
    ),
    (
        "stopped along by systemd",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": STOPPED, "started": 5.0}},
        {"auth state": "critical", "data state": ROOT},
    ),
    (
        "stopped along, at the last moment that counts",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": STOPPED - 1.0, "started": 5.0}},
        {"auth state": "critical", "data state": ROOT},
    ),
    (
        "stopped a little too early for that",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": STOPPED - 1.5, "started": 5.0}},
        {"auth state": "critical", "data state": "critical"},
    ),
    (
        "stopped at that time, but nothing ties it",
        {"auth": {**AUTH_DOWN, "stops_with": ()}, "data": {"up": False, **CLEAN, "changed": STOPPED, "started": 5.0}},
        {"auth state": "critical", "data state": "critical"},
    ),
    (
        "it has been starting for too long: that is no service that is down",
        {"auth": {"active": "activating", "sub": "start"}, "data": {"answer": ILL}},
        {"auth state": "critical", "data http": "critical"},
    ),
    (
        "never started for want of it",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": 0.0, "started": 0.0, "active_since": 0.0}},
        {"auth state": "critical", "data state": ROOT},
    ),
    (
        "stopped along, and who needs that fails",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "changed": STOPPED}, "trade": {"answer": ILL}},
        {"auth state": "critical", "data state": ROOT, "trade http": ROOT},
    ),
    (
        "it runs and answers 500",
        {"auth": {"answer": ILL}, "data": {"answer": ILL}},
        {"auth http": "critical", "data http": "critical"},
    ),
    (
        "a stranger on the port",
        {"auth": AUTH_DOWN, "data": {"sockets": (make_socket(8001, pids=(99,)),)}},
        {"auth state": "critical", "data port_owner": "critical"},
    ),
    (
        "it keeps restarting by itself",
        {"auth": AUTH_DOWN, "data": {"answer": ILL, "restarts": 1}},
        {"auth state": "critical", "data http": "critical"},
    ),
    (
        "masked",
        {"auth": AUTH_DOWN, "data": {"up": False, **CLEAN, "load": "masked", "changed": STOPPED}},
        {"auth state": "critical", "data state": "critical"},
    ),
]


@pytest.mark.case("SV16")
@pytest.mark.parametrize(("fields", "bad"), [row[1:] for row in TROUBLES], ids=[row[0] for row in TROUBLES])
def test_an_own_cause_is_its_own_and_a_consequence_is_not_counted_again(fields, bad):
    found = judge([_service(name, **fields.get(name, {})) for name in SERVICES]).findings
    vital = [f for each in found.values() for f in each if f.check in RULES.vital]
    shown = {f"{f.subject} {f.check.split('.')[1]}": f.consequence_of or f.status for f in vital}
    assert {name: value for name, value in shown.items() if value not in ("ok", "skipped")} == bad
    assert all(f.status == "skipped" for f in vital if f.consequence_of)


@pytest.mark.case("SV16")
def test_a_consequence_says_what_it_would_be_and_where_to_look():
    found = judge([_service("auth", **AUTH_DOWN), _service("data", answer=ILL)]).findings
    (folded,) = [f for f in found["data"] if f.consequence_of]
    assert folded.message.endswith("(critical, as a consequence: auth is down and this depends on it)")
    assert folded.remedy == "Look at auth first."


@pytest.mark.case("SV16")
def test_of_several_roots_all_are_named_and_the_first_is_looked_at():
    data = _service("data", up=False, **FAILED)
    found = judge([_service("auth", **AUTH_DOWN), data, _service("trade", answer=ILL)]).findings
    (folded,) = [f for f in found["trade"] if f.consequence_of]
    assert folded.message.endswith("(critical, as a consequence: auth, data is down and this depends on it)")
    assert (folded.remedy, folded.consequence_of) == ("Look at auth first.", "services.state auth")


@pytest.mark.case("SV16")
def test_one_of_several_that_stop_a_service_is_enough():
    auth = _service("auth", up=False, **{**FAILED, "changed": STOPPED + 3600}, stops_with=("trade.service",))
    trade = _service("trade", up=False, **CLEAN, changed=STOPPED, started=5.0)
    told = _states(auth, _service("data", up=False, **FAILED), trade)
    assert told == {"auth": "critical", "data": "critical", "trade": "services.state auth"}


@pytest.mark.case("SV16")
def test_a_service_that_is_declared_stopped_is_nobodys_root():
    auth = _service("auth", up=False, **CLEAN)
    declared = auth.observed._replace(service=auth.observed.service._replace(state="stopped"))
    found = judge([auth._replace(observed=declared), _service("data", answer=ILL)]).findings
    assert [f.status for f in found["data"] if f.check == "services.http"] == ["critical"]


@pytest.mark.case("SV16")
def test_a_windows_service_that_was_not_started_for_want_of_another_is_a_consequence():
    windows = {"manager": "windows", "active": "failed", "exit_code": 1, "exit_status": 1068}
    found = judge([_service("auth", **AUTH_DOWN), _service("data", up=False, **windows)]).findings
    assert [f.consequence_of for f in found["data"] if f.check == "services.state"] == [ROOT]


# What the service manager of Windows says of how a service ended: exit code kind, number; and whose fault that is.
WINDOWS_ENDS = [
    ("not started for want of another", 1, 1068, ROOT),
    ("its own program is missing", 1, 2, "critical"),
    ("no error at all", 0, 1068, "critical"),
]


@pytest.mark.case("SV16")
@pytest.mark.parametrize(("code", "status", "told"), [r[1:] for r in WINDOWS_ENDS], ids=[r[0] for r in WINDOWS_ENDS])
def test_only_the_want_of_another_service_excuses_one_of_windows(code, status, told):
    windows = {"manager": "windows", "active": "failed", "exit_code": code, "exit_status": status, "result": ""}
    data = _service("data", up=False, **windows, changed=STOPPED - 3600)
    assert _states(_service("auth", **AUTH_DOWN), data)["data"] == told


@pytest.mark.case("SV16")
def test_the_number_of_windows_means_nothing_to_systemd():
    other = {"active": "failed", "exit_code": 1, "exit_status": 1068, "changed": STOPPED - 3600}
    assert _states(_service("auth", **AUTH_DOWN), _service("data", up=False, **other))["data"] == "critical"


def test_every_finding_is_in_the_catalogue_and_every_check_has_a_procedure():
    found = judge([make_case(make_observed(make_service(unit="cryptobot-auth", port=8000)))]).findings["auth"]
    assert {finding.check for finding in found} <= set(RULES.checks)
    assert {finding.procedure for finding in found} == {"D1.2"}


# The pattern, what it matched, what else is true; status by check.
PATTERNS = [
    (Pattern("cryptobot-*"), ["cryptobot-auth.service"], {"pattern": "ok", "expected_units": "ok"}),
    (Pattern("cryptobot-*"), [], {"pattern": "critical"}),
    (Pattern("cryptobot-*", 2), ["cryptobot-auth.service"], {"pattern": "critical", "expected_units": "ok"}),
    (Pattern("cryptobot-*", 0), [], {"pattern": "ok"}),
    (Pattern("x-*", 1, ("x-a.service",)), ["x-a.service"], {"pattern": "ok", "expected_units": "ok"}),
    (Pattern("x-*", 1, ("x-a.service",)), ["x-b.service"], {"pattern": "ok", "expected_units": "critical warning"}),
    (Pattern("x-*"), ["x-b.service"], {"pattern": "ok", "expected_units": "warning"}),
]


@pytest.mark.parametrize(("pattern", "matched", "statuses"), PATTERNS)
def test_a_pattern_must_match_enough_and_nothing_else(pattern, matched, statuses):
    snapshot = make_snapshot(make_observed(), matched={pattern.pattern: tuple(matched)})
    found = judge_host(snapshot, Policy(patterns=(pattern,)))
    by_check = {}
    for finding in found:
        by_check.setdefault(finding.check.split(".")[1], []).append(finding.status)
    assert {check: " ".join(values) for check, values in by_check.items()} == statuses


def test_the_socket_that_starts_a_declared_service_is_no_unexpected_unit():
    snapshot = make_snapshot(make_observed(unit=make_unit(triggered_by=("x.socket",))), matched={"x*": ("x.socket",)})
    assert [f.status for f in judge_host(snapshot, Policy(patterns=(Pattern("x*"),)))] == ["ok", "ok"]


def test_without_systemd_each_pattern_is_unknown():
    snapshot = make_snapshot(unlisted="no systemd")
    found = judge_host(snapshot, Policy(patterns=(Pattern("cryptobot-*"), Pattern("x-*", 2, ("x-a.service",)))))
    assert [(f.check, f.subject, f.status, f.message, f.expected) for f in found] == [
        ("services.pattern", "cryptobot-*", "unknown", "no systemd", 1),
        ("services.pattern", "x-*", "unknown", "no systemd", 2),
    ]


ENDS = [
    ("2026-11-22T03:00:00Z", 1795316400.0),
    ("2026-11-22T03:00:00+01:00", 1795312800.0),
    ("2026-11-22T03:00:00", None),
    ("tomorrow", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "end"), ENDS)
def test_a_marker_says_when_maintenance_ends(text, end):
    assert parse_end(text) == end


BAD, GOOD = Finding("services.state", "auth", "critical", "down"), Finding("services.state", "data", "ok", "up")
MARKERS = [
    (None, {"auth": "critical", "data": "ok"}),
    ("2030-01-01T00:00:00Z", {"auth": "skipped", "data": "ok", "maintenance": "unknown"}),
    ("2020-01-01T00:00:00Z", {"auth": "critical", "data": "ok", "maintenance": "warning"}),
    ("2027-01-15T08:00:00Z", {"auth": "critical", "data": "ok", "maintenance": "warning"}),  # it ends at this moment
    ("for ever", {"auth": "critical", "data": "ok", "maintenance": "warning"}),
]


@pytest.mark.parametrize(("marker", "statuses"), MARKERS)
def test_a_marker_silences_findings_only_until_its_end(marker, statuses):
    found = apply_marker(marker, NOW, [BAD, GOOD])
    assert {finding.subject: finding.status for finding in found} == statuses


def test_a_marker_changes_nothing_of_what_was_skipped_anyway():
    aside = Finding("services.http", "trade", "skipped", "auth is down", consequence_of="services.state auth")
    assert apply_marker("2030-01-01T00:00:00Z", NOW, [aside])[0] == aside


@pytest.mark.parametrize(("marker", "shown"), [("x" * 40, "x" * 40), ("x" * 41, "x" * 40)])
def test_a_marker_that_is_no_time_is_quoted_with_its_first_40_characters(marker, shown):
    assert f"the maintenance marker says '{shown}', expected" in apply_marker(marker, NOW, [])[0].message


def test_which_rules_may_pass_by_themselves_and_which_say_more_than_one_thing():
    """A run looks again before it believes the vital ones, and a restart has succeeded only where they are ok."""
    assert RULES.vital == {"services.state", "services.port_owner", "services.http"}
    many = {rule.check.id for rule in RULES.all if rule.many}
    assert many == {"services.port_owner", "services.bind", "services.expected_units"}


def test_a_silenced_finding_still_says_what_it_was():
    silenced = apply_marker("2030-01-01T00:00:00Z", NOW, [BAD])[0]
    assert silenced.message == "down (critical, maintenance until 2030-01-01T00:00:00Z)"


def test_a_marker_that_may_not_be_read_silences_nothing():
    assert read_marker(FakeHost(files={"/s/maintenance": denied("/s/maintenance")}), "/s") is None
    assert read_marker(FakeHost(files={"/s/maintenance": " x \n"}), "/s") == "x"
