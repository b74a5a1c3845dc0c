# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a running process against the disk and its limits."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Details
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Policy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.history import Growth
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Claim
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.reasons import pending_reasons
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_process import (
    judge_memory,
    judge_open_files,
    judge_port_drift,
    judge_restart_pending,
)

from .builders import findings_of, make_case, make_observed, make_service, make_socket, make_unit

MIB, HOUR, DAY = 1 << 20, 3600.0, 86400.0
SERVICE = make_service(unit="cryptobot-auth", port=8000)
STOPPED = {"unit": make_unit(active="inactive"), "main": None}


def _only(findings):
    (finding,) = findings
    return finding


# Places that name a port, what the service listens on; the verdict and words of its message.
DRIFTS = [
    ([Claim("ExecStart", 8000), Claim(".env", 8000)], [], "ok", "2 other places name port 8000"),
    ([Claim("ExecStart", 8000), Claim(".env", 8010)], [], "warning", ".env says 8010"),
    ([Claim(".env", unavailable="denied"), Claim("x", 8010)], [], "warning", "x says 8010"),
    ([Claim(".env", unavailable=".env cannot be read")], [], "unknown", ".env cannot be read"),
    ([], [make_socket(8001)], "warning", "what it listens on says 8001"),
    ([Claim("ExecStart", 8000)], [make_socket(8000), make_socket(9000)], "ok", "1 other places"),
    ([Claim("ExecStart", 8000)], [make_socket(8001, pids=(99,))], "ok", "1 other places"),
]


@pytest.mark.parametrize(("claims", "sockets", "status", "words"), DRIFTS)
def test_all_places_must_name_the_declared_port(claims, sockets, status, words):
    finding = _only(
        findings_of(judge_port_drift, make_case(make_observed(SERVICE, claims=tuple(claims)), sockets=sockets))
    )
    assert finding.status == status
    assert words in finding.message


def test_what_each_place_says_of_the_port_is_noted_down():
    claims = (Claim("ExecStart", 8000), Claim(".env", 8010), Claim("x", unavailable="denied"))
    finding = _only(
        findings_of(judge_port_drift, make_case(make_observed(SERVICE, claims=claims), sockets=[make_socket(8000)]))
    )
    assert finding.expected == [8000]
    assert finding.actual == {"ExecStart": 8000, ".env": 8010, "x": None}


def test_a_service_without_a_port_cannot_drift():
    assert list(findings_of(judge_port_drift, make_case(make_observed(claims=(Claim("x", 1),))))) == []


REPLACED = {41: Details(0, 1, 1, 10, replaced=("/usr/lib/libssl.so.3", "/usr/bin/python3.11"))}
PENDING = [
    ("nothing", {}, "ok", "runs what is on the disk"),
    ("a library", {"details": REPLACED}, "warning", "runs from /usr/lib/libssl.so.3, which was replaced"),
    ("a file", {"changed_files": ("/opt/.env",)}, "warning", "/opt/.env has changed since it was started"),
    ("a reload", {"unit": make_unit(need_reload=True)}, "warning", "have changed since systemd read them"),
    ("denied", {"details": {41: Details(denied="not root")}}, "unknown", "not root"),
    ("the future", {"odd_files": ("/opt/.env",)}, "unknown", "lies in the future"),
    ("an unseen file", {"unread_files": ("/opt/nev does not exist",)}, "unknown", "/opt/nev does not exist"),
]


@pytest.mark.parametrize(("fields", "status", "words"), [row[1:] for row in PENDING], ids=[row[0] for row in PENDING])
def test_a_service_must_run_what_is_on_the_disk(fields, status, words):
    finding = _only(findings_of(judge_restart_pending, make_case(make_observed(**fields))))
    assert finding.status == status
    assert words in finding.message


def test_a_service_that_does_not_run_waits_for_no_restart():
    assert list(findings_of(judge_restart_pending, make_case(make_observed(**STOPPED)))) == []


def test_a_changed_unit_file_is_one_reason_and_not_two():
    seen = make_observed(unit=make_unit(need_reload=True), changed_files=("/etc/systemd/system/a.service",))
    assert pending_reasons(seen) == ["/etc/systemd/system/a.service has changed since it was started"]


FILES = [(69, "ok"), (70, "warning"), (89, "warning"), (90, "critical")]


@pytest.mark.parametrize(("count", "status"), FILES)
def test_open_files_are_compared_with_the_limit_of_each_process(count, status):
    details = {41: Details(0, 1, count, 100), 42: Details(0, 1, 5, 1000), 43: Details(0, 1, 10**6, 0)}
    assert _only(findings_of(judge_open_files, make_case(make_observed(details=details)))).status == status


# Open files and their limit (0: none) of one process: what is said, and the percentage that is noted down.
SHARES = [
    (77, 900, "auth uses 9 % of the open files that it may have", 8.6),
    (2, 3, "auth uses 67 % of the open files that it may have", 66.7),
    (99, 0, "auth uses 0 % of the open files that it may have", 0.0),
]


@pytest.mark.parametrize(("count", "limit", "message", "actual"), SHARES)
def test_the_share_of_open_files_is_told_in_percent(count, limit, message, actual):
    seen = make_observed(details={41: Details(0, 1, count, limit)})
    finding = _only(findings_of(judge_open_files, make_case(seen)))
    assert (finding.status, finding.message, finding.expected) == ("ok", message, "below 70 %")
    assert finding.actual == actual


DYING = {"unit": make_unit(active="failed", sub="failed"), "details": {41: Details(0, 1 << 30, 99, 100)}}


@pytest.mark.parametrize(
    ("why", "fields"), [("what a service that ended left behind", DYING), ("nothing seen of it", {"details": {}})]
)
def test_only_a_service_that_runs_and_is_seen_has_files_and_memory(why, fields):
    case = make_case(make_observed(**fields), growth=STEADY)
    assert [*findings_of(judge_open_files, case), *findings_of(judge_memory, case)] == [], why


def test_open_files_that_cannot_be_counted_are_unknown():
    finding = _only(findings_of(judge_open_files, make_case(make_observed(details={41: Details(denied="not root")}))))
    assert (finding.status, "not root" in finding.message) == ("unknown", True)


STEADY = Growth(10, DAY, per_day=60 * MIB, fit=0.95, total=60 * MIB)
GROWTHS = [
    ("steady", STEADY, "warning", "grows steadily by 60.0 MiB a day"),
    ("too few samples", Growth(5, DAY, 60 * MIB, 0.95, 60 * MIB), "skipped", "5 samples so far"),
    ("too short", Growth(10, HOUR, 60 * MIB, 0.95, 60 * MIB), "skipped", "will be known after more runs"),
    ("noise", Growth(10, DAY, 60 * MIB, 0.5, 60 * MIB), "ok", "changed by"),
    ("slow", Growth(10, DAY, 40 * MIB, 0.95, 40 * MIB), "ok", "changed by"),
    ("little of much", Growth(10, 6 * HOUR, 60 * MIB, 0.95, 15 * MIB), "ok", "changed by"),
    ("shrinking", Growth(10, DAY, -60 * MIB, 0.95, -60 * MIB), "ok", "changed by"),
    # 6 samples over 6 h are enough; of 100 MiB that grow by 20, by 50 MiB a day, in a line that explains 0.8 it is said
    ("just enough", Growth(6, 21600.0, 50 * MIB, 0.8, 20 * MIB), "warning", "(over 6.0 h, 6 samples)"),
    ("a sample less", Growth(5, 21600.0, 50 * MIB, 0.8, 20 * MIB), "skipped", "5 samples"),
    ("a second less", Growth(6, 21599.0, 50 * MIB, 0.8, 20 * MIB), "skipped", "6 samples"),
    ("a little less a day", Growth(6, 21600.0, 50 * MIB - 1, 0.8, 20 * MIB), "ok", "changed by"),
    ("a little less of it", Growth(6, 21600.0, 50 * MIB, 0.8, 20 * MIB - 1), "ok", "changed by"),
    ("a little less even", Growth(6, 21600.0, 50 * MIB, 0.799, 20 * MIB), "ok", "changed by"),
]


@pytest.mark.parametrize(("growth", "status", "words"), [row[1:] for row in GROWTHS], ids=[row[0] for row in GROWTHS])
def test_memory_must_not_grow_steadily(growth, status, words):
    seen = make_observed(details={41: Details(0, 100 * MIB, 1, 10)})
    finding = _only(findings_of(judge_memory, make_case(seen, growth=growth, policy=Policy())))
    assert finding.status == status
    assert words in finding.message


def test_memory_above_the_declared_maximum_is_a_warning_from_the_first_run():
    service = make_service(unit="cryptobot-auth", memory_max="64M")
    most = make_observed(service, details={41: Details(0, 64 * MIB, 1, 10)})
    more = make_observed(service, details={41: Details(0, 40 * MIB, 1, 10), 42: Details(0, 25 * MIB, 1, 10)})
    found = [_only(findings_of(judge_memory, make_case(seen, growth=Growth(1, 0.0)))) for seen in (most, more)]
    assert [(f.status, f.message, f.expected, f.actual) for f in found] == [
        (
            "skipped",
            "auth uses 64.0 MiB; whether it grows will be known after more runs (1 samples so far)",
            "64.0 MiB",
            64 * MIB,
        ),
        ("warning", "auth uses 65.0 MiB, more than its declared maximum of 64.0 MiB", "64.0 MiB", 65 * MIB),
    ]


def test_without_a_declared_maximum_none_is_expected():
    finding = _only(findings_of(judge_memory, make_case(make_observed(), growth=Growth(1, 0.0))))
    assert (finding.status, finding.expected, finding.remedy) == ("skipped", None, "None needed.")


def test_growth_is_told_with_its_limit():
    finding = _only(findings_of(judge_memory, make_case(make_observed(), growth=STEADY)))
    assert finding.message == "auth uses 10.0 MiB and grows steadily by 60.0 MiB a day (over 1.0 d, 10 samples)"
    assert (finding.expected, finding.actual) == ("growth below 50.0 MiB a day", 60 * MIB)
