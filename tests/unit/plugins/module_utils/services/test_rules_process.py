# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a running process against the disk and its limits."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.parse import Details
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.history import Growth
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.observed import Claim
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.policy import Policy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_process import (
    judge_memory,
    judge_open_files,
    judge_port_drift,
    judge_restart_pending,
    pending_reasons,
)

from .builders import make_case, make_observed, make_service, make_socket, make_unit

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
    ([Claim(".env", problem="denied"), Claim("x", 8010)], [], "warning", "x says 8010"),
    ([Claim(".env", problem=".env cannot be read")], [], "unknown", ".env cannot be read"),
    ([], [make_socket(8001)], "warning", "what it listens on says 8001"),
    ([Claim("ExecStart", 8000)], [make_socket(8000), make_socket(9000)], "ok", "1 other places"),
    ([Claim("ExecStart", 8000)], [make_socket(8001, pids=(99,))], "ok", "1 other places"),
]


@pytest.mark.parametrize(("claims", "sockets", "status", "words"), DRIFTS)
def test_all_places_must_name_the_declared_port(claims, sockets, status, words):
    finding = _only(judge_port_drift(make_case(make_observed(SERVICE, claims=tuple(claims)), sockets=sockets)))
    assert finding.status == status
    assert words in finding.message


def test_a_service_without_a_port_cannot_drift():
    assert list(judge_port_drift(make_case(make_observed(claims=(Claim("x", 1),))))) == []


REPLACED = {41: Details(0, 1, 1, 10, replaced=("/usr/lib/libssl.so.3", "/usr/bin/python3.11"))}
PENDING = [
    ("nothing", {}, "ok", "runs what is on the disk"),
    ("a library", {"details": REPLACED}, "warning", "runs from /usr/lib/libssl.so.3, which was replaced"),
    ("a file", {"changed_files": ("/opt/.env",)}, "warning", "/opt/.env has changed since it was started"),
    ("a reload", {"unit": make_unit(need_reload=True)}, "warning", "have changed since systemd read them"),
    ("denied", {"details": {41: Details(denied="not root")}}, "unknown", "not root"),
    ("the future", {"odd_files": ("/opt/.env",)}, "unknown", "lies in the future"),
]


@pytest.mark.parametrize(("fields", "status", "words"), [row[1:] for row in PENDING], ids=[row[0] for row in PENDING])
def test_a_service_must_run_what_is_on_the_disk(fields, status, words):
    finding = _only(judge_restart_pending(make_case(make_observed(**fields))))
    assert finding.status == status
    assert words in finding.message


def test_a_service_that_does_not_run_waits_for_no_restart():
    assert list(judge_restart_pending(make_case(make_observed(**STOPPED)))) == []


def test_a_changed_unit_file_is_one_reason_and_not_two():
    seen = make_observed(unit=make_unit(need_reload=True), changed_files=("/etc/systemd/system/a.service",))
    assert pending_reasons(seen) == ["/etc/systemd/system/a.service has changed since it was started"]


FILES = [(69, "ok"), (70, "warning"), (89, "warning"), (90, "critical")]


@pytest.mark.parametrize(("count", "status"), FILES)
def test_open_files_are_compared_with_the_limit_of_each_process(count, status):
    details = {41: Details(0, 1, count, 100), 42: Details(0, 1, 5, 1000), 43: Details(0, 1, 10**6, 0)}
    assert _only(judge_open_files(make_case(make_observed(details=details)))).status == status


def test_open_files_that_cannot_be_counted_are_unknown():
    finding = _only(judge_open_files(make_case(make_observed(details={41: Details(denied="not root")}))))
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
]


@pytest.mark.parametrize(("growth", "status", "words"), [row[1:] for row in GROWTHS], ids=[row[0] for row in GROWTHS])
def test_memory_must_not_grow_steadily(growth, status, words):
    seen = make_observed(details={41: Details(0, 100 * MIB, 1, 10)})
    finding = _only(judge_memory(make_case(seen, growth=growth, policy=Policy())))
    assert finding.status == status
    assert words in finding.message


def test_memory_above_the_declared_maximum_is_a_warning_from_the_first_run():
    service = make_service(unit="cryptobot-auth", memory_max="64M")
    most = make_observed(service, details={41: Details(0, 64 * MIB, 1, 10)})
    more = make_observed(service, details={41: Details(0, 40 * MIB, 1, 10), 42: Details(0, 25 * MIB, 1, 10)})
    assert _only(judge_memory(make_case(most, growth=Growth(1, 0.0)))).status == "skipped"
    assert _only(judge_memory(make_case(more, growth=Growth(1, 0.0)))).status == "warning"
