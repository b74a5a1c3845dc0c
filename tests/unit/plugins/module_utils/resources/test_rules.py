# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the numbers of a host mean: each rule at its bounds, and what could not be measured is never fine."""

from __future__ import annotations

import re
from functools import partial
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
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SKIPPABLE, SPEC, rules_events
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import History, LastKills
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Absent,
    Clock,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    LeftOut,
    Load,
    Memory,
    OomKills,
    Unavailable,
    kill,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.thresholds import Bounded

from .examples import DAY, GIB, HEALTHY, HOUR, NOW, findings, mount_options, mounted, observed, the_one, thresholds

# check, what differs from a healthy host, the status that follows with the default thresholds
NUMBERS: list[tuple[str, dict[str, Any], str]] = [
    ("disk_space", {"mounts": mounted(used=80 * GIB, available=20 * GIB)}, OK),  # exactly 20 % is still fine
    ("disk_space", {"mounts": mounted(used=81 * GIB, available=19 * GIB)}, WARNING),
    ("disk_space", {"mounts": mounted(used=95 * GIB, available=5 * GIB)}, WARNING),  # exactly the critical bound
    ("disk_space", {"mounts": mounted(used=96 * GIB, available=4 * GIB)}, CRITICAL),
    ("disk_space", {"mounts": mounted(used=100 * GIB, available=0)}, CRITICAL),
    # 10 GiB are reserved for root: what others can use is 90 GiB, and 18 of them are left
    ("disk_space", {"mounts": mounted(used=72 * GIB, available=18 * GIB)}, OK),
    ("disk_space", {"mounts": mounted(used=73 * GIB, available=17 * GIB)}, WARNING),
    ("inodes", {"mounts": mounted(inodes_available=100)}, OK),
    ("inodes", {"mounts": mounted(inodes_available=99)}, WARNING),
    ("inodes", {"mounts": mounted(inodes_available=30)}, WARNING),
    ("inodes", {"mounts": mounted(inodes_available=29)}, CRITICAL),
    ("inodes", {"mounts": mounted(inodes=0, inodes_available=0)}, SKIPPED),
    ("memory", {"memory": Memory(1000, 100)}, OK),
    ("memory", {"memory": Memory(1000, 99)}, WARNING),
    ("memory", {"memory": Memory(1000, 50)}, WARNING),
    ("memory", {"memory": Memory(1000, 49)}, CRITICAL),
    ("swap", {"swap": Counted(80, 100)}, OK),
    ("swap", {"swap": Counted(81, 100)}, WARNING),
    ("swap", {"swap": Counted(100, 100)}, WARNING),  # no source calls full swap critical by itself
    ("swap", {"swap": Absent("this host has no swap")}, SKIPPED),
    ("load", {"load": Load(9.0, 9.0, 4.0, 2)}, OK),  # 15 minutes count, exactly 2 for each processor is fine
    ("load", {"load": Load(0.0, 0.0, 4.1, 2)}, WARNING),
    ("load", {"load": Load(0.0, 0.0, 4.1, 4)}, OK),
    ("cpu", {"cpu": CpuShares(0.80, 0.0, 0.0)}, OK),
    ("cpu", {"cpu": CpuShares(0.81, 0.0, 0.0), "load": Load(5.0, 2.0, 1.0, 2)}, WARNING),
    ("cpu", {"cpu": CpuShares(1.0, 0.0, 0.0), "load": Load(5.0, 1.9, 1.0, 2)}, OK),  # a peak
    ("cpu", {"cpu": CpuShares(1.0, 0.0, 0.0), "load": Unavailable("no")}, WARNING),  # nothing says that it is a peak
    ("iowait", {"cpu": CpuShares(0.0, 0.10, 0.0)}, OK),
    ("iowait", {"cpu": CpuShares(0.0, 0.11, 0.0)}, WARNING),
    ("steal", {"cpu": CpuShares(0.0, 0.0, 0.10)}, OK),
    ("steal", {"cpu": CpuShares(0.0, 0.0, 0.11)}, WARNING),
    ("open_files", {"open_files": Counted(70, 100)}, OK),
    ("open_files", {"open_files": Counted(71, 100)}, WARNING),
    ("open_files", {"open_files": Counted(90, 100)}, WARNING),  # exactly the critical bound is not above it
    ("open_files", {"open_files": Counted(91, 100)}, CRITICAL),
    ("connections", {"connections": Counted(75, 100)}, OK),
    ("connections", {"connections": Counted(76, 100)}, WARNING),
    ("connections", {"connections": Counted(95, 100)}, WARNING),
    ("connections", {"connections": Counted(96, 100)}, CRITICAL),
    ("clock", {"clock": Clock("chronyc", True, -0.05)}, OK),
    ("clock", {"clock": Clock("chronyc", True, -0.051)}, WARNING),
    ("clock", {"clock": Clock("chronyc", True, 1.1)}, CRITICAL),
    ("clock", {"clock": Clock("the kernel", True, None)}, OK),
    ("clock", {"clock": Clock("chronyc", True, 1.0)}, WARNING),  # exactly the critical bound
    ("clock", {"clock": Clock("the kernel", False, None)}, WARNING),
    ("deleted_open_files", {"held": HeldFiles((HeldFile("/x", GIB, ("a (pid 1)",)),))}, OK),
    ("deleted_open_files", {"held": HeldFiles((HeldFile("/x", GIB + 1, ("a (pid 1)",)),))}, WARNING),
    ("deleted_open_files", {"held": HeldFiles((), "3 processes")}, UNKNOWN),
    ("deleted_open_files", {"held": HeldFiles((HeldFile("/x", 2 * GIB, ("a (pid 1)",)),), "3 processes")}, WARNING),
]


@pytest.mark.parametrize(("check", "changes", "status"), NUMBERS)
def test_a_number_is_judged_at_its_bound(check: str, changes: dict[str, Any], status: str) -> None:
    assert the_one(check, observed(**changes)).status == status


def test_a_healthy_host_has_nothing_but_ok_and_what_does_not_apply() -> None:
    seen = Context(HEALTHY, thresholds(), History()).judged_by(RULES)
    assert {finding.status for finding in seen} == {OK, SKIPPED}
    assert {finding.check for finding in seen if finding.status == SKIPPED} == {
        "resources.connections",  # not tracked
        "resources.disk_forecast",  # a first run
    }


def test_a_peak_is_said_only_of_processors_that_are_too_busy() -> None:
    quiet = Load(0.1, 0.1, 0.1, 2)
    assert "peak" not in the_one("cpu", observed(cpu=CpuShares(0.5, 0.0, 0.0), load=quiet)).message
    assert "peak" in the_one("cpu", observed(cpu=CpuShares(0.9, 0.0, 0.0), load=quiet)).message


MEASURED = ["memory", "swap", "load", "cpu", "open_files", "connections", "clock", "oom", "held"]
CHECK_OF = {"oom": "oom_kills", "held": "deleted_open_files"}


@pytest.mark.parametrize("field", MEASURED)
def test_what_could_not_be_measured_is_unknown_with_the_reason(field: str) -> None:
    finding = the_one(CHECK_OF.get(field, field), observed(**{field: Unavailable("the reason why")}))
    assert finding.status == UNKNOWN
    assert "the reason why" in finding.message


@pytest.mark.parametrize("check", ["iowait", "steal"])
def test_without_a_sample_the_shares_of_processor_time_are_unknown(check: str) -> None:
    assert the_one(check, observed(cpu=Unavailable("no"))).status == UNKNOWN


def test_mounts_that_cannot_be_listed_are_unknown_and_not_simply_absent() -> None:
    finding = the_one("mounts", observed(mounts=Unavailable("no /proc")))
    assert (finding.status, "no /proc" in finding.message) == (UNKNOWN, True)


@pytest.mark.parametrize("check", ["disk_space", "inodes", "disk_forecast"])
def test_a_mount_that_does_not_answer_is_unknown(check: str) -> None:
    (mount,) = mounted("/nfs")
    silent = type(mount)(mount.path, mount.source, "nfs4", Unavailable("no answer in 5 s"))
    finding = the_one(check, observed(mounts=(silent,)))
    assert (finding.status, finding.subject, "no answer in 5 s" in finding.message) == (UNKNOWN, "/nfs", True)


def test_a_mount_has_thresholds_of_its_own() -> None:
    full = mounted("/data", used=85 * GIB, available=15 * GIB)
    assert the_one("disk_space", observed(mounts=full)).status == WARNING
    limits = thresholds(mounts=[mount_options("/data", disk_free_warning=10.0)])
    assert the_one("disk_space", observed(mounts=full), limits).status == OK


BYTES = [("60G", None, WARNING), ("50G", None, OK), (None, "60G", CRITICAL), ("60G", "51G", CRITICAL)]


@pytest.mark.parametrize(("warning", "critical", "status"), BYTES)
def test_free_bytes_are_bounded_beside_the_share(warning: str | None, critical: str | None, status: str) -> None:
    limits = thresholds(disk_free_bytes_warning=warning, disk_free_bytes_critical=critical)
    assert the_one("disk_space", HEALTHY, limits).status == status


def test_an_ignored_mount_is_skipped_and_says_so() -> None:
    limits = thresholds(mounts=[mount_options("/", ignore=True)])
    full = observed(mounts=mounted(used=100 * GIB, available=0))
    assert [found.status for found in findings("disk_space", full, limits)] == [SKIPPED]


def test_a_declared_mount_that_is_not_there_is_critical() -> None:
    limits = thresholds(mounts=[mount_options("/backup", disk_free_warning=30.0)])
    missing = [found for found in findings("mounts", HEALTHY, limits) if found.subject == "/backup"]
    assert [found.status for found in missing] == [CRITICAL]


LOST = [({"/data": "is not mounted"}, WARNING), ({"/": "can only be read now"}, WARNING)]


@pytest.mark.parametrize(("lost", "status"), LOST)
def test_a_mount_that_fstab_declares_and_that_is_not_as_declared_is_seen(lost: dict[str, str], status: str) -> None:
    found = {finding.subject: finding.status for finding in findings("mounts", observed(lost_mounts=lost))}
    assert found == {"mounts": OK, next(iter(lost)): status}


def test_a_table_of_wanted_mounts_that_cannot_be_read_is_unknown() -> None:
    found = {finding.subject: finding.status for finding in findings("mounts", observed(lost_mounts=Unavailable("no")))}
    assert found["/etc/fstab"] == UNKNOWN


KILL = kill(NOW - HOUR, "python3 (pid 7)")
LONG_AGO = NOW - 30 * DAY
NONE, ONE = Evidence((), LONG_AGO), Evidence((KILL,), LONG_AGO)
SHORT = Evidence((), NOW - HOUR)
BLIND = Evidence.unavailable("not root")
CUT = Evidence((KILL,), LONG_AGO, ("only the newest were read",))
# total, booted, journal, the last run's (boot, total, at), status, a word of the message
KILLS: list[tuple[int, float, Evidence, LastKills | None, str, str]] = [
    (0, LONG_AGO, NONE, None, OK, "no process"),
    (0, LONG_AGO, BLIND, None, OK, "no process"),  # the count of the kernel goes back far enough
    (0, NOW - HOUR, NONE, None, OK, f"no process of this host was killed since {rules_events._moment(NOW - DAY)}"),
    (0, NOW - HOUR, BLIND, None, UNKNOWN, "what was before is not known: not root"),  # booted within the window
    (0, NOW - HOUR, SHORT, None, UNKNOWN, "the source begins 1380 min after the window does"),
    (0, NOW - DAY, BLIND, None, OK, "no process"),  # exactly where the window begins
    (0, NOW - DAY + 1, BLIND, None, UNKNOWN, "not root"),
    (0, NOW - DAY - 1, BLIND, None, OK, "no process"),
    (0, NOW - 2 * HOUR, BLIND, LastKills("boot-1", 0, NOW - HOUR), OK, "no process"),  # an earlier run looked
    (0, NOW - HOUR, BLIND, LastKills("boot-0", 0, NOW - 2 * HOUR), UNKNOWN, "not root"),  # it was before the boot
    (1, LONG_AGO, ONE, None, WARNING, "want of memory: python3 (pid 7)"),
    (1, LONG_AGO, CUT, None, WARNING, "at least python3 (pid 7)"),
    (3, LONG_AGO, NONE, None, OK, "none of them since"),
    (3, LONG_AGO, SHORT, None, UNKNOWN, "the source begins 1380 min after"),
    (3, LONG_AGO, BLIND, None, UNKNOWN, "not root"),
    (3, NOW - HOUR, BLIND, None, WARNING, "3 processes"),  # booted within the window
    (3, LONG_AGO, BLIND, LastKills("boot-1", 3, NOW - 2 * DAY), OK, "no process"),
    (4, LONG_AGO, BLIND, LastKills("boot-1", 3, NOW - 2 * DAY), WARNING, "1 process "),
    (4, LONG_AGO, NONE, LastKills("boot-1", 3, NOW - 2 * DAY), WARNING, "1 process "),
    (4, NOW - HOUR, BLIND, LastKills("boot-0", 2, NOW - 2 * DAY), WARNING, "4 processes"),  # rebooted
    (2, LONG_AGO, BLIND, LastKills("boot-1", 3, NOW - 2 * DAY), UNKNOWN, "2 processes"),  # it cannot shrink
]


@pytest.mark.case("RS3")
@pytest.mark.parametrize(("total", "booted", "journal", "last", "status", "word"), KILLS)
def test_kills_are_told_by_the_journal_or_by_the_count_since_the_last_run(
    total: int, booted: float, journal: Evidence, last: LastKills | None, status: str, word: str
) -> None:
    seen = observed(oom=OomKills(total, "this host", booted, "boot-1", journal))
    finding = the_one("oom_kills", seen, history=History(kills=last))
    assert (finding.status, word in finding.message) == (status, True), finding.message


# A container that began an hour ago: what an earlier run saw of it, the status, a word of the message
CONTAINED = [
    (None, OK, f"since {rules_events._moment(NOW - HOUR)}"),  # it may be new
    (LastKills("boot-1 90.00", 0, NOW - 600), OK, f"since {rules_events._moment(NOW - 600)}"),
    (LastKills("boot-1", 0, NOW - 600), OK, f"since {rules_events._moment(NOW - HOUR)}"),  # by an older release
    (LastKills("boot-1 50.00", 0, NOW - HOUR), OK, "no process"),
    (LastKills("boot-1 50.00", 0, NOW - HOUR - 1), UNKNOWN, "when it was started; what was before is not known"),
]


@pytest.mark.parametrize(("last", "status", "words"), CONTAINED)
def test_of_a_container_that_no_run_saw_before_there_was_nothing_before_its_start(
    last: LastKills | None, status: str, words: str
) -> None:
    seen = observed(oom=OomKills(0, "this container", NOW - HOUR, "boot-1 90.00", BLIND, fresh=True))
    finding = the_one("oom_kills", seen, history=History(kills=last))
    assert (finding.status, words in finding.message) == (status, True), finding.message


def test_kills_since_a_container_was_started_anew_are_not_those_of_the_one_before() -> None:
    last = LastKills("boot-1 50.00", 3, NOW - 2 * HOUR)
    seen = observed(oom=OomKills(3, "this container", NOW - HOUR, "boot-1 90.00", BLIND, fresh=True))
    finding = the_one("oom_kills", seen, history=History(kills=last))
    assert (finding.status, finding.actual) == (WARNING, 3)


# what the system noted within the window, the status, a word of the message
NOTED = [
    (NONE, OK, "noted no exhausted memory since"),
    (ONE, WARNING, "held by: python3 (pid 7)"),
    (CUT, WARNING, "at least python3 (pid 7)"),
    (SHORT, UNKNOWN, "the source begins 1380 min after"),
    (Evidence((), NOW - DAY), OK, "noted no"),
    (Evidence((), NOW - DAY + 60), UNKNOWN, "begins 1 min after"),
    (Evidence((), None), UNKNOWN, "how far back the source goes is not known"),
    (BLIND, UNKNOWN, "not root"),
    (Evidence((kill(NOW - 2 * DAY, "old"),), LONG_AGO), OK, "noted no"),
]


@pytest.mark.case("RS3")
@pytest.mark.parametrize(("evidence", "status", "word"), NOTED)
def test_what_a_system_noted_counts_as_far_as_its_log_goes(evidence: Evidence, status: str, word: str) -> None:
    finding = the_one("oom_kills", observed(oom=Exhaustions("Windows", evidence)))
    assert (finding.status, word in finding.message) == (status, True), finding.message


def test_of_many_kills_the_latest_are_named_and_the_rest_is_counted() -> None:
    kills = Evidence((kill(NOW - 100 + number, f"p{number}") for number in range(9)), LONG_AGO)
    message = the_one("oom_kills", observed(oom=OomKills(9, "this host", LONG_AGO, "boot-1", kills))).message
    assert "p8" in message
    assert "and 4 before" in message
    assert "p3 " not in message


OUT = (LeftOut("/proc", "proc holds no data"), LeftOut("/sys", "proc holds no data"), LeftOut("/cd\n", "it is read"))


@pytest.mark.case("RS1")
def test_what_is_left_out_stands_by_name_in_one_finding_with_the_reason() -> None:
    found = the_one("not_looked_at", observed(left_out=OUT))
    named = "3 mounts are not looked at: it is read: /cd\\n; proc holds no data: /proc, /sys"
    assert (found.status, found.message) == (SKIPPED, named)
    assert the_one("not_looked_at", HEALTHY).status == OK
    assert the_one("not_looked_at", observed(left_out=Unavailable("why"))).status == UNKNOWN
    assert the_one("not_looked_at", observed(mounts=Unavailable("why"))).status == UNKNOWN


@pytest.mark.case("RS2")
@pytest.mark.parametrize("declared", ["/", "/srv/www"])
def test_a_disk_is_declared_by_any_path_that_it_is_shown_at(declared: str) -> None:
    (mount,) = mounted(used=95 * GIB, available=5 * GIB)
    seen = observed(mounts=(mount._replace(also=("/srv/www",)),))
    limits = thresholds(mounts=[mount_options(declared, disk_free_warning=4.0, disk_free_critical=3.0)])
    assert the_one("disk_space", seen, limits).status == OK
    assert [found.status for found in findings("mounts", seen, limits)] == [OK]
    ignored = thresholds(mounts=[mount_options(declared, ignore=True)])
    assert {the_one(check, seen, ignored).status for check in ("disk_space", "inodes", "disk_forecast")} == {SKIPPED}


# what /etc/fstab misses, what thresholds.mounts declares (and whether it is ignored), what is said of /data
BOTH: list[tuple[bool, bool, bool, list[str]]] = [
    (True, True, False, [CRITICAL]),  # once, by the stricter of the two
    (True, True, True, [SKIPPED]),
    (True, False, False, [WARNING]),
    (False, True, False, [CRITICAL]),
    (False, True, True, [SKIPPED]),
    (False, False, False, []),
]


@pytest.mark.parametrize(("lost", "declared", "ignore", "statuses"), BOTH)
def test_a_missing_mount_is_told_once_whoever_declares_it(
    lost: bool, declared: bool, ignore: bool, statuses: list[str]
) -> None:
    limits = thresholds(mounts=[mount_options("/data", ignore=ignore)] if declared else [])
    seen = observed(lost_mounts={"/data": "is not mounted"} if lost else {})
    assert [found.status for found in findings("mounts", seen, limits) if found.subject == "/data"] == statuses


@pytest.mark.case("RS5")
def test_a_declared_path_with_doubled_slashes_is_the_same_path() -> None:
    limits = thresholds(mounts=[mount_options("//data//", disk_free_warning=60.0)])
    assert list(limits.mounts) == ["/data"]


def test_the_owners_of_deleted_files_are_named_largest_first() -> None:
    files = (HeldFile("/var/log/big", 3 * GIB, ("uvicorn (pid 7)",)), HeldFile("/tmp/small", 5, ("sh (pid 8)",)))
    message = the_one("deleted_open_files", observed(held=HeldFiles(files))).message
    assert "/var/log/big 3.0 GiB by uvicorn (pid 7)" in message


def test_in_a_container_the_clock_is_said_to_be_the_machines() -> None:
    seen = observed(clock=Clock("the kernel", False), container="systemd-nspawn")
    assert "machine which holds this systemd-nspawn" in the_one("clock", seen).message


def test_the_message_names_the_bound_and_the_number() -> None:
    finding = the_one("disk_space", observed(mounts=mounted(used=96 * GIB, available=4 * GIB)))
    assert finding.expected == "at least 20 % (critical: 5 %) free"
    assert finding.actual == "4 % free, 4.0 GiB of 100.0 GiB"
    assert finding.remedy


@pytest.mark.parametrize("name", SKIPPABLE)
def test_each_check_can_be_left_out_and_says_so(name: str) -> None:
    found = Context(HEALTHY, thresholds(), History(), (name,)).judged_by(RULES)
    seen = [finding for finding in found if finding.check == f"resources.{name}"]
    assert [found.status for found in seen] == [SKIPPED]


def test_every_check_of_the_catalogue_has_a_rule_and_each_rule_a_check() -> None:
    assert {rule.check.id for rule in RULES.all} == RULES.checks.keys() - {"resources.platform"}
    assert {f"resources.{name}" for name in SKIPPABLE} == RULES.checks.keys() - {"resources.platform"}


ROWS = [rule.judge.args[0] for rule in RULES.all if isinstance(rule.judge, partial)]


@pytest.mark.parametrize("bounded", [each for row in ROWS for each in row.bounded], ids=lambda each: each.option)
def test_the_bounds_of_a_row_are_the_defaults_of_the_options(bounded: Bounded) -> None:
    options = SPEC["thresholds"]["options"]
    said = [(options.get(f"{bounded.option}_{step}") or {}).get("default") for step in ("warning", "critical")]
    assert said == [bounded.warning, bounded.critical]
    assert f"{bounded.option}_warning" in options


def test_every_bound_that_an_inventory_can_set_is_that_of_a_row() -> None:
    stated = {
        name.rpartition("_")[0] for name in SPEC["thresholds"]["options"] if re.search("_(warning|critical)$", name)
    }
    assert stated == {each.option for row in ROWS for each in row.bounded}
