# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a macOS host: every source taken away in turn, and the same findings as anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    UNKNOWN,
    WARNING,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SKIPPABLE

from .answers import MAC, MAC_FILES, REPORT, mac
from .examples import fixture, mount_options, options
from .test_windows import EVERY, look, status_of


def test_every_check_of_linux_has_its_finding_on_macos(tmp_path: Path) -> None:
    result = look(mac(), tmp_path)
    assert set(status_of(result)) == EVERY
    assert [found for found in result.findings if found.status == UNKNOWN] == []


def test_a_host_in_trouble_says_so(tmp_path: Path) -> None:
    found = {one.check: one for one in look(mac(), tmp_path).findings}
    assert found["resources.memory"].status == WARNING, "the kernel calls it so, whatever the share"
    assert "the kernel itself calls the pressure warning" in found["resources.memory"].message
    assert found["resources.load"].status == WARNING
    assert found["resources.open_files"].status == CRITICAL
    assert found["resources.deleted_open_files"].status == WARNING
    assert found["resources.oom_kills"].status == WARNING
    assert "sd-server" in found["resources.oom_kills"].message
    assert found["resources.swap"].status == OK, "the swap files may grow by 110 GiB"
    assert (found["resources.clock"].status, found["resources.clock"].actual) == (OK, "+0.033413 s")
    assert {found[f"resources.{name}"].status for name in ("iowait", "steal")} == {SKIPPED}


# the command that is taken away, and the checks that are unknown then
TAKEN = [
    ("sysctl", {"memory", "swap", "load", "open_files"}),
    ("vm_stat", {"memory"}),
    ("mount", {"mounts", "not_looked_at", "disk_space", "inodes", "disk_forecast"}),
    ("df -ki /System/Volumes/Data", {"disk_space", "inodes", "disk_forecast"}),
    ("top -l 2 -n 0 -s 1", {"cpu", "iowait", "steal"}),
    ("pfctl -s info", {"connections"}),
    ("pfctl -s memory", {"connections"}),
    ("systemsetup -getusingnetworktime", {"clock"}),
    ("systemsetup -getnetworktimeserver", {"clock"}),
    ("sntp time.apple.com", {"clock"}),
    ("lsof -nP +L1 -FpcftDisn", {"deleted_open_files"}),
]


@pytest.mark.parametrize(("command", "checks"), TAKEN)
@pytest.mark.parametrize("answer", [None, (2, "", "not permitted"), "garbage\npX\n", ToolTimeout("it", 5)])
def test_a_source_that_is_missing_makes_its_checks_unknown_and_no_others(
    command: str, checks: set[str], answer: Any, tmp_path: Path
) -> None:
    host = mac(without=command) if answer is None else mac(**{command: answer})
    result = look(host, tmp_path)
    unknown = {check.split(".")[1] for check, value in status_of(result).items() if value == UNKNOWN}
    assert unknown == checks
    assert set(status_of(result)) == EVERY


# What the tools of macOS answer where they could not look, though their exit code says that there is nothing.
SILENT: list[tuple[str, Any, set[str]]] = [
    ("mount", "", {"mounts", "not_looked_at", "disk_space", "inodes", "disk_forecast"}),
    ("lsof -nP +L1 -FpcftDisn", (1, "", "lsof: can't get process info"), {"deleted_open_files"}),
    ("lsof -nP +L1 -FpcftDisn", (1, "", "lsof: WARNING: can't stat() smbfs file system /Volumes/x"),
     {"deleted_open_files"}),
    ("sntp time.apple.com", (0, "", "sntp: Exchange failed: Timeout"), {"clock"}),
    ("systemsetup -getusingnetworktime", "You need administrator access to run this tool... exiting!\n", {"clock"}),
    ("pfctl -s memory", (0, "", "pfctl: DIOCGETLIMIT: Operation not permitted"), {"connections"}),
    ("pfctl -s info", (0, "", "pfctl: DIOCGETSTATUS: Operation not permitted"), {"connections"}),
    ("vm_stat", "", {"memory"}),
    ("top -l 2 -n 0 -s 1", (0, "", "top: failed to get processor info"), {"cpu", "iowait", "steal"}),
    ("df -ki /System/Volumes/Data", (0, "", "df: /System/Volumes/Data: Operation not permitted"),
     {"disk_space", "inodes", "disk_forecast"}),
]  # fmt: skip


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("command", "answer", "checks"), SILENT)
def test_a_tool_that_could_not_look_and_ends_as_if_there_were_nothing_is_unknown(
    command: str, answer: Any, checks: set[str], tmp_path: Path
) -> None:
    status = status_of(look(mac(**{command: answer}), tmp_path))
    assert {check.split(".")[1] for check, value in status.items() if value == UNKNOWN} == checks


def test_every_command_is_taken_away_in_turn() -> None:
    assert {command for command, _checks in TAKEN} == set(MAC)


FOLDER = "/Library/Logs/DiagnosticReports"
EARLIER, LATER = f"{FOLDER}/Bot-2026-11-18-020000.ips", f"{FOLDER}/Bot_2026-11-21-120000_mac.diag"
MOVED = f"{FOLDER}/Retired/{REPORT.rpartition('/')[2]}"
OLD = fixture("jetsam/macos-13/JetsamEvent-2026-11-01-010203.ips")
DAY_AGO = 1_795_320_000.0 - 86400
# the reports, when their folder was changed last, the status
REPORTS: list[tuple[Any, float, str]] = [
    ({}, 0, UNKNOWN),  # the folder is not there
    ({REPORT: SourceDenied(REPORT)}, 0, UNKNOWN),
    ({REPORT: "{}"}, 0, UNKNOWN),
    ({REPORT: "{}", EARLIER: ""}, DAY_AGO + 3600, UNKNOWN),
    ({LATER: ""}, DAY_AGO, OK),  # nothing was written nor taken away since
    ({LATER: ""}, DAY_AGO + 1, UNKNOWN),  # something was, and what is left is younger than the window
    ({LATER: "", EARLIER: ""}, DAY_AGO + 3600, OK),
    ({f"{FOLDER}/JetsamEvent-2026-11-01-010203.ips": OLD}, DAY_AGO + 3600, OK),  # before the window
    (MAC_FILES, 0, WARNING),
    ({MOVED: MAC_FILES[REPORT]}, 0, WARNING),  # it was sent
    ({**MAC_FILES, f"{FOLDER}/JetsamEvent-x.ips": "{}"}, 0, WARNING),  # one odd report costs itself only
]


@pytest.mark.case("RS3")
@pytest.mark.parametrize(("files", "changed", "status"), REPORTS)
def test_reports_of_exhausted_memory_count_within_the_window(
    files: Any, changed: float, status: str, tmp_path: Path
) -> None:
    host = mac(files={**files, FOLDER: ""} if files else {})
    host.times[FOLDER] = changed
    assert status_of(look(host, tmp_path))["resources.oom_kills"] == status


def test_without_root_the_setting_of_timed_is_asked_and_other_accounts_files_are_unknown(tmp_path: Path) -> None:
    changes = {
        "systemsetup -getusingnetworktime": fixture("systemsetup/macos-14/not-root.txt"),
        "defaults read /Library/Preferences/com.apple.timed TMAutomaticTimeOnlyEnabled": "1\n",
        "lsof -nP +L1 -FpcftDisn": (1, "", ""),
    }
    result = look(mac(admin=False, **changes), tmp_path)
    status = status_of(result)
    assert (status["resources.clock"], status["resources.deleted_open_files"]) == (OK, UNKNOWN)
    unanswered = look(mac(admin=False, **changes, **{"sntp time.apple.com": ToolTimeout("sntp", 5)}), tmp_path)
    (found,) = [one for one in unanswered.findings if one.check == "resources.clock"]
    assert (found.status, "whether it is was not told" in found.message) == (UNKNOWN, True)


def test_a_clock_that_nobody_keeps_is_told(tmp_path: Path) -> None:
    off = {"systemsetup -getusingnetworktime": fixture("systemsetup/macos-14/off.txt")}
    assert status_of(look(mac(**off), tmp_path))["resources.clock"] == WARNING


def test_a_clock_that_is_far_off_is_critical(tmp_path: Path) -> None:
    off = {"sntp time.apple.com": fixture("sntp/macos-10.14/offset.txt")}
    assert status_of(look(mac(**off), tmp_path))["resources.clock"] == CRITICAL


def test_a_share_whose_server_is_gone_holds_nobody_and_is_unknown(tmp_path: Path) -> None:
    data = fixture("df/macos-15/all.txt")
    host = mac(
        mount=fixture("mount/macos-15/simulators-and-shares.txt"),
        **{"df -ki /System/Volumes/Data": data, "df -ki /Volumes/Storage": data,
           "df -ki /Volumes/share": ToolTimeout("the command 'df'", 5)},
    )  # fmt: skip
    space = {one.subject: one.status for one in look(host, tmp_path).findings if one.check == "resources.disk_space"}
    assert space == {"/System/Volumes/Data": WARNING, "/Volumes/Storage": OK, "/Volumes/share": UNKNOWN}


def test_a_mount_that_fstab_or_the_inventory_declares_and_that_is_gone_is_told(tmp_path: Path) -> None:
    host = mac(files={**MAC_FILES, "/etc/fstab": "UUID=1 /Volumes/Backup apfs rw\n"})
    result = look(host, tmp_path, thresholds=options(mounts=[mount_options("/Volumes/Data2")]))
    told = {one.subject: one.status for one in result.findings if one.check == "resources.mounts"}
    assert told == {"mounts": OK, "/Volumes/Data2": CRITICAL, "/Volumes/Backup": WARNING}


def test_a_release_that_lacks_a_name_of_sysctl_says_the_rest(tmp_path: Path) -> None:
    old = (1, fixture("sysctl/macos-12/old-kernel.txt"), "sysctl: unknown oid 'kern.memorystatus_vm_pressure_level'")
    status = status_of(look(mac(sysctl=old), tmp_path))
    assert UNKNOWN not in status.values()


def test_what_is_left_out_is_not_even_asked(tmp_path: Path) -> None:
    host = mac()
    result = look(host, tmp_path, skip=list(SKIPPABLE))
    assert set(status_of(result).values()) == {SKIPPED}
    assert {line.split()[0] for line in host.ran} == {"sysctl", "mount", "df"}


def test_nothing_runs_on_a_host_without_any_of_the_tools(tmp_path: Path) -> None:
    status = status_of(look(FakeHost("darwin"), tmp_path))
    assert {value for check, value in status.items() if check != "resources.platform"} == {UNKNOWN}
