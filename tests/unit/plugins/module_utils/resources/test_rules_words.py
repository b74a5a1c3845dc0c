# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of the resources of a host, word by word and at the limits of what is named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Evidence
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    UNKNOWN,
    WARNING,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import HeldFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import History, LastKills, Sample
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Absent,
    Clock,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    Load,
    Memory,
    OomKills,
    Queue,
    Unavailable,
    kill,
)

from .examples import DAY, GIB, HOUR, NOW, findings, mount_options, mounted, observed, the_one, thresholds

HANDLES = Counted(71, 100, "handles of the process sshd")
SAID: list[tuple[str, dict[str, Any], str, str]] = [
    ("memory", {"memory": Memory(4 * GIB, GIB)}, OK, "the machine has 25 % available, 1.0 GiB of 4.0 GiB"),
    ("memory", {"memory": Memory(0, 0)}, CRITICAL, "the machine has 0 % available, 0 B of 0 B"),
    ("open_files", {"open_files": Counted(71, 100)}, WARNING, "open files: 71 % used, 71 of 100"),
    ("open_files", {"open_files": HANDLES}, WARNING, "handles of the process sshd: 71 % used, 71 of 100"),
    (
        "load",
        {"load": Load(0.5, 1.0, 4.5, 2)},
        WARNING,
        "the load of 15 minutes is 2.25 for each of 2 processors (1, 5, 15 minutes: 0.5, 1.0, 4.5)",
    ),
    (
        "load",
        {"load": Queue(9, 4)},
        WARNING,
        "the processor queue at this moment is 2.25 for each of 4 processors: Windows has no load averages",
    ),
    ("clock", {"clock": Clock("chronyc", False)}, WARNING, "chronyc says that nothing keeps the clock"),
    (
        "clock",
        {"clock": Clock("chronyc", False, why="no source answers")},
        WARNING,
        "chronyc says that nothing keeps the clock: no source answers",
    ),
]


@pytest.mark.parametrize(("check", "changes", "status", "message"), SAID)
def test_a_number_is_said_with_what_it_is_a_part_of(
    check: str, changes: dict[str, Any], status: str, message: str
) -> None:
    found = the_one(check, observed(**changes))
    assert (found.status, found.message) == (status, message)


# threads that wait for one of 4 processors, the share of them that is busy, the status with a bound of one half
QUEUES = [(0, 0.75, OK), (1, 0.625, OK), (1, 0.75, WARNING), (2, 0.625, WARNING)]


@pytest.mark.parametrize(("waiting", "busy", "status"), QUEUES)
def test_a_busy_sample_is_a_peak_while_less_than_one_thread_for_each_processor_runs_or_waits(
    waiting: int, busy: float, status: str
) -> None:
    seen = observed(cpu=CpuShares(busy, 0.0, 0.0), load=Queue(waiting, 4))
    assert the_one("cpu", seen, thresholds(cpu_busy_warning=50.0)).status == status


# bytes that are added in each half of the span, the span, the message, what is measured
SPEEDS = [
    (0.5, DAY, "/ is full in 53687091200.0 d if it grows on by 1 B a day", "full in 53687091200.0 d"),
    (0.5, DAY + 0.5, "/ does not fill up", "1 bytes a day"),  # not quite one, as it is written
    (0.0, DAY, "/ does not fill up", "0 bytes a day"),
    (-GIB, DAY, "/ does not fill up", "-2147483648 bytes a day"),
    (5.0 * GIB, 2 * DAY, "/ is full in 10.0 d if it grows on by 5.0 GiB a day", "full in 10.0 d"),
]


@pytest.mark.parametrize(("half", "span", "message", "actual"), SPEEDS)
def test_a_file_system_fills_up_where_a_day_adds_a_byte(half: float, span: float, message: str, actual: str) -> None:
    used = 40.0 * GIB
    rows = (Sample(NOW - span, used, 1.0), Sample(NOW - span / 2, used + half, 1.0), Sample(NOW, used + 2 * half, 1.0))
    found = the_one("disk_forecast", observed(), history=History({"/": rows}))
    assert (found.status, found.message, found.actual) == (OK, message, actual)


TOO_FEW = [((), "there are 0 over 0.0 s"), ((5,), "there are 1 over 0.0 s"), ((23, 12, 0), "there are 3 over 23.0 h")]


@pytest.mark.parametrize(("hours", "there"), TOO_FEW)
def test_what_a_forecast_lacks_is_said(hours: tuple[int, ...], there: str) -> None:
    rows = tuple(Sample(NOW - age * HOUR, 1.0, 1.0) for age in hours)
    found = the_one("disk_forecast", observed(), history=History({"/": rows}))
    assert (found.status, found.message) == (SKIPPED, f"a forecast needs 3 samples over 1.0 d; {there}")


EACH_MOUNT = ("disk_space", "inodes", "disk_forecast")


@pytest.mark.parametrize("check", ["mounts", "not_looked_at", *EACH_MOUNT])
def test_mounts_that_are_not_listed_are_unknown_and_none_at_all_are_skipped(check: str) -> None:
    blind, absent = the_one(check, observed(mounts=Unavailable("why"))), the_one(check, observed(mounts=Absent("none")))
    assert (blind.subject, blind.status, blind.message) == ("mounts", UNKNOWN, "could not be looked at: why")
    assert (absent.subject, absent.status, absent.message) == ("mounts", SKIPPED, "none")


@pytest.mark.parametrize("check", EACH_MOUNT)
def test_of_each_mount_is_said_why_it_is_not_judged(check: str) -> None:
    (silent,) = mounted("/nfs")
    seen = observed(mounts=(silent._replace(usage=Unavailable("no answer in 5 s")), *mounted("/tmp")))
    found = findings(check, seen, thresholds(mounts=[mount_options("/tmp", ignore=True)]))
    assert [(one.subject, one.status, one.message) for one in found] == [
        ("/nfs", UNKNOWN, "could not be looked at: no answer in 5 s"),
        ("/tmp", SKIPPED, "ignored by thresholds.mounts"),
    ]


NONE = Evidence((), NOW - 30 * DAY)
BLIND = Evidence.unavailable("not root")
THREE = "3 processes of this host killed for want of memory"
# NOW is 2027-01-15 08:00 UTC, and the window begins a day before
COUNTED: list[tuple[OomKills | Exhaustions, LastKills | None, str, str, int]] = [
    (
        Exhaustions("Windows", NONE),
        None,
        OK,
        "Windows noted no exhausted memory since 2027-01-14 08:00 UTC",
        0,
    ),
    (
        OomKills(3, "this host", NOW - 10 * DAY, "boot-1", NONE),
        None,
        OK,
        f"{THREE} since 2027-01-05 08:00 UTC, none of them since 2027-01-14 08:00 UTC",
        0,
    ),
    (
        OomKills(3, "this host", NOW - DAY, "boot-1", BLIND),
        None,
        WARNING,
        f"{THREE} since 2027-01-14 08:00 UTC",
        3,
    ),
    (
        OomKills(2, "this host", NOW - 2 * DAY, "boot-1", BLIND),
        LastKills("boot-1", 2, NOW - HOUR),
        OK,
        "no process of this host was killed since 2027-01-15 07:00 UTC",
        0,
    ),
    (
        OomKills(0, "this host", NOW - HOUR, "boot-1", NONE),
        None,
        OK,
        "no process of this host was killed since 2027-01-14 08:00 UTC",
        0,
    ),
]


@pytest.mark.parametrize(("oom", "last", "status", "message", "actual"), COUNTED)
def test_killed_processes_are_counted_since_a_moment_that_is_named(
    oom: OomKills | Exhaustions, last: LastKills | None, status: str, message: str, actual: int
) -> None:
    found = the_one("oom_kills", observed(oom=oom), history=History(kills=last))
    assert (found.status, found.message, found.actual) == (status, message, actual)


FIVE = ", ".join(f"p{number} at 2027-01-15 07:00 UTC" for number in (3, 4, 5, 6, 7))
FIRST_FIVE = ", ".join(f"p{number} at 2027-01-15 07:00 UTC" for number in (0, 1, 2, 3, 4))


@pytest.mark.parametrize(("count", "named"), [(5, FIRST_FIVE), (8, f"{FIVE} and 3 before")])
def test_the_five_latest_kills_are_named_and_those_before_are_counted(count: int, named: str) -> None:
    kills = Evidence((kill(NOW - HOUR + number, f"p{number}") for number in range(count)), NOW - 30 * DAY)
    seen = observed(oom=OomKills(count, "this host", NOW - 30 * DAY, "boot-1", kills))
    assert the_one("oom_kills", seen).message == f"the kernel killed for want of memory: {named}"


LARGEST = "; ".join(f"/log/{number} 1.0 GiB by a, b, c" for number in range(5))


@pytest.mark.parametrize(
    ("count", "named"),
    [(5, f"hold 5.0 GiB: {LARGEST}"), (6, f"hold 6.0 GiB: {LARGEST} and 1 smaller ones")],
)
def test_of_deleted_files_five_are_named_with_three_of_their_owners(count: int, named: str) -> None:
    held = HeldFiles(tuple(HeldFile(f"/log/{number}", GIB, ("a", "b", "c", "d")) for number in range(count)))
    assert the_one("deleted_open_files", observed(held=held)).message == f"{count} deleted files {named}"
