# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root of a trouble, patterns of units, and the maintenance marker."""

from __future__ import annotations

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.checks import CHECKS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.judge import find_roots, judge, judge_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.maintenance import (
    apply_marker,
    parse_end,
    read_marker,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.policy import Pattern, Policy

from .builders import NOW, make_case, make_observed, make_service, make_snapshot, make_unit

GRAPH = {"auth": (), "data": ("auth",), "trade": ("data",), "alone": ()}


def _bad(check="services.state", status="critical"):
    return [Finding(check, "x", status, "bad")]


# Who is down; for each service that has a root elsewhere, the roots.
ROOTS = [
    ({}, {}),
    ({"auth": _bad()}, {"data": ["auth"], "trade": ["auth"]}),
    ({"auth": _bad(), "data": _bad(), "trade": _bad()}, {"data": ["auth"], "trade": ["auth"]}),
    ({"data": _bad("services.http"), "trade": _bad()}, {"trade": ["data"]}),
    ({"auth": _bad(status="warning"), "data": _bad()}, {"trade": ["data"]}),
    ({"auth": _bad("services.memory"), "trade": _bad()}, {}),
    ({"alone": _bad()}, {}),
]


@pytest.mark.parametrize(("down", "roots"), ROOTS)
def test_the_root_is_what_is_down_and_needs_nothing_that_is_down(down, roots):
    found = find_roots(GRAPH, {name: down.get(name, []) for name in GRAPH})
    assert {name: names for name, names in found.items() if names} == roots


def test_the_findings_of_dependents_name_the_root_and_keep_their_status():
    auth, data = declare([{"name": "auth", "unit": "auth"}, {"name": "data", "unit": "data", "depends_on": ["auth"]}])
    dead = {"unit": make_unit(active="failed"), "main": None}
    seen = [make_observed(auth, **dead), make_observed(data, **dead)]
    found = judge([make_case(one) for one in seen])
    (root,) = [f for f in found["auth"] if f.check == "services.state"]
    (suppressed,) = [f for f in found["data"] if f.check == "services.state"]
    assert "suppressed by" not in root.message
    assert suppressed.message.endswith("(suppressed by auth: it is down and this depends on it)")
    assert (root.status, suppressed.status) == ("critical", "critical")


def test_every_finding_is_in_the_catalogue_and_every_check_has_a_procedure():
    found = judge([make_case(make_observed(make_service(unit="cryptobot-auth", port=8000)))])["auth"]
    assert {finding.check for finding in found} <= set(CHECKS)
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


def test_a_pattern_without_systemd_is_unknown():
    snapshot = make_snapshot(units_problem="no systemd")
    (finding,) = judge_host(snapshot, Policy(patterns=(Pattern("cryptobot-*"),)))
    assert (finding.status, finding.message) == ("unknown", "no systemd")


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
    ("for ever", {"auth": "critical", "data": "ok", "maintenance": "warning"}),
]


@pytest.mark.parametrize(("marker", "statuses"), MARKERS)
def test_a_marker_silences_findings_only_until_its_end(marker, statuses):
    found = apply_marker(marker, NOW, [BAD, GOOD])
    assert {finding.subject: finding.status for finding in found} == statuses


def test_a_silenced_finding_still_says_what_it_was():
    silenced = apply_marker("2030-01-01T00:00:00Z", NOW, [BAD])[0]
    assert silenced.message == "down (critical, maintenance until 2030-01-01T00:00:00Z)"


def test_a_marker_that_may_not_be_read_silences_nothing():
    assert read_marker(FakeHost(files={"/s/maintenance": denied("/s/maintenance")}), "/s") is None
    assert read_marker(FakeHost(files={"/s/maintenance": " x \n"}), "/s") == "x"
