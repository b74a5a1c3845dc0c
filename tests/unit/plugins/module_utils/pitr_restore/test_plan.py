# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backup a restore begins with, what is refused before it, and what its end is held against."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import FAILED, Action
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.commands import utc
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.declared import Cluster
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.model import (
    Backup,
    Observation,
    Repository,
    Unavailable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.wal import (
    MIB16,
    Archive,
    Fork,
    Segment,
    name_of,
    position_text,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.act import not_reached
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.copy import (
    GET,
    Moment,
    parse_control,
    without_recovery,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.declared import Wanted, parse_moment
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.plan import (
    Destination,
    Refusal,
    choose,
    refusals,
    steps,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.rules_restore import RULES, Context

WRAPPER = Path(__file__).parents[5] / "roles" / "pitr" / "files" / "cryptobot-wal"
NONE = Unavailable("no reason")
CLUSTER = Cluster("main", "pgbackrest", "main", "/c", "/a", "/b", "", 5432, "", "", "postgres", "postgres", "")
T0 = 1_800_000_000.0


def wal(number: int, timeline: int = 1) -> str:
    return name_of(Segment(timeline, number), MIB16)


def backup(label: str, first: int, ended: float, timeline: int = 1) -> Backup:
    return Backup(label, "full", False, ended - 9, ended, wal(first, timeline), wal(first, timeline), 1000)


def observed(*missing: int, end: int = 20, forked: bool = False) -> Observation:
    """Two backups, in segments 2 and 10, and a segment every minute."""
    segments = {Segment(1, number): T0 + 60 * number for number in range(1, end + 1) if number not in missing}
    histories = {}
    if forked:
        segments.update({Segment(2, number): T0 + 60 * number for number in range(15, 30)})
        histories = {2: (Fork(1, 15 * MIB16 + 5),)}
    both = (backup("first", 2, T0 + 130), backup("second", 10, T0 + 610))
    held = Repository(1, 0, "ok", both, Archive(segments, histories), "77", "15-1")
    return Observation(CLUSTER, NONE, NONE, NONE, (held,), None, {}, None, NONE)


def request(target: str = "time", value: str = "", moment: Any = None, **more: Any) -> Wanted:
    whole = {
        "cluster": CLUSTER, "dir": "/x/copy", "present": True, "target": target, "moment": moment,
        "value": utc(moment) if moment else value, "exclusive": False, "timeline": 0, "label": "", "port": 0,
        "dump_database": "", "dump_file": "", "swap": False, "live_dir": "",
    }  # fmt: skip
    return Wanted(**{**whole, **more})


@pytest.mark.parametrize(
    ("asked", "seen", "label", "words"),
    [
        (request(moment=T0 + 600), observed(), "first", ""),
        (request(moment=T0 + 700), observed(), "second", ""),
        (request(moment=T0 + 129), observed(), "", "oldest backup"),
        (request(moment=T0 + 1201), observed(), "second", "up to which there is WAL"),
        (request(moment=T0 + 600), observed(8), "first", "WAL is missing behind"),
        (request(moment=T0 + 400), observed(8), "first", ""),
        (request(moment=T0 + 700), observed(8), "second", ""),
        # a transaction may be anywhere: the oldest backup with an unbroken way is surely before it
        (request("xid", "735"), observed(), "first", ""),
        (request("xid", "735"), observed(8), "second", ""),
        (request("name", "p"), observed(), "first", ""),
        (request("immediate"), observed(), "second", ""),
        (request("immediate", label="first"), observed(), "first", ""),
        (request("latest"), observed(), "second", ""),
        (request("latest"), observed(15), "second", "WAL is missing behind"),
        (request("latest", label="third"), observed(), "", "the backup third"),
        (request("latest", timeline=7), observed(), "", "timeline 7"),
        # where no server answers, the newest timeline is followed, and an older one can be named
        (request("latest"), observed(forked=True), "second", ""),
        (request(moment=T0 + 1700), observed(forked=True), "second", ""),
        (request(moment=T0 + 1700, timeline=1), observed(forked=True), "second", "up to which"),
    ],
)
def test_which_backup_and_what_speaks_against_it(asked: Wanted, seen: Observation, label: str, words: str) -> None:
    choice, refused = choose(asked, seen)
    assert (choice.backup.label if choice else "") == label
    assert [words in each.message for each in refused] == ([True] if words else [])


ROOM = Destination(free=1 << 40, live_dir="/live", last_commit=T0 + 900, major=15)


@pytest.mark.parametrize(
    ("asked", "place", "words"),
    [
        (request(moment=T0 + 700), ROOM, ""),
        (request(moment=T0 + 900), ROOM, "not before the last commit"),
        (request(moment=T0 + 900, exclusive=True), ROOM, ""),
        (request(moment=T0 + 901, exclusive=True), ROOM, "not before the last commit"),
        (request("latest"), ROOM._replace(last_commit=None), ""),
        (request("latest"), ROOM._replace(there="precious"), "is not empty: precious"),
        (request("latest"), ROOM._replace(faults=("others may write to /x",)), "could be changed by others"),
        (request("latest"), ROOM._replace(free=1 << 20), "are needed"),
        (request("latest", port=5432), ROOM._replace(port_taken=True), "port 5432 is taken"),
        (request("latest", dump_file="/d"), ROOM._replace(dump_there=True), "/d is there already"),
        (request("latest", swap=True), ROOM, ""),
        (request("latest", swap=True), ROOM._replace(live_dir=""), "not known"),
        (request("latest", swap=True), ROOM._replace(same_disk=False), "another file system"),
        (request("latest", swap=True), ROOM._replace(tablespaces={"fast": "/ssd"}), "tablespaces"),
        (request("latest"), ROOM._replace(tablespaces={"fast": "/ssd"}), ""),
        (
            request("latest", cluster=CLUSTER._replace(engine="basebackup")),
            ROOM._replace(tablespaces={"1": "/ssd"}),
            "tablespaces",
        ),
    ],
)
def test_what_is_refused_of_a_place(asked: Wanted, place: Destination, words: str) -> None:
    choice, refused = choose(asked, observed())
    assert choice is not None
    assert refused == []
    found = [each.message for each in refusals(asked, choice, place)]
    assert [words in text for text in found] == ([True] if words else [])


def test_the_plan_has_a_step_for_each_thing_that_is_asked_for() -> None:
    asked = request("latest", dump_database="a", dump_file="/d", swap=True)
    choice, _refused = choose(asked, observed())
    assert choice is not None
    planned = steps(asked, choice, ROOM)
    assert [step.action for step in planned] == ["restore", "replay", "inspect", "promote", "dump", "swap"]
    assert planned[0].details["segments"] == 11


PAUSED = Moment(recovery=True, paused=True, last_commit=T0 + 699, position="0/9000000", timeline=1, system_id="7")
ONLINE = PAUSED._replace(recovery=False, paused=False, position=position_text(20 * MIB16 + 99))


@pytest.mark.parametrize(
    ("asked", "moment", "log", "words"),
    [
        (request(moment=T0 + 700), PAUSED, "", ""),
        (request(moment=T0 + 699), PAUSED, "", ""),
        (request(moment=T0 + 698), PAUSED, "", "beyond"),
        (request(moment=T0 + 699, exclusive=True), PAUSED, "", "beyond"),
        (request(moment=T0 + 700), PAUSED._replace(last_commit=None), "", ""),
        # it came online without a pause: the WAL had ended before
        (request(moment=T0 + 700), ONLINE, "", "without stopping"),
        (request("xid", "735"), PAUSED, "recovery stopping after commit of transaction 735, time x", ""),
        (request("xid", "735"), PAUSED, "recovery stopping after reaching consistency", "stopped elsewhere"),
        (request("name", "p"), PAUSED, 'recovery stopping at restore point "p", time x', ""),
        (request("name", "p"), PAUSED, 'recovery stopping at restore point "q", time x', "stopped elsewhere"),
        (request("immediate"), PAUSED, "recovery stopping after reaching consistency", ""),
        (request("latest"), ONLINE, "", ""),
        # a hole: it comes online there as if nothing were wrong
        (request("latest"), ONLINE._replace(position=position_text(14 * MIB16)), "", "before the last segment"),
    ],
)
def test_the_end_of_replay_is_held_against_what_was_asked(asked: Wanted, moment: Moment, log: str, words: str) -> None:
    choice, _refused = choose(asked._replace(moment=T0 + 700) if asked.moment else asked, observed())
    assert choice is not None
    found = not_reached(asked, choice, moment, log)
    assert (words in found) if words else (found == "")


@pytest.mark.parametrize(
    "text", ["2026-11-29 20:33:19", "2026-11-29 20:33:19+01", "yesterday", "", "2026-02-30 00:00:00Z"]
)
def test_a_time_without_its_zone_is_nobodys_guess(text: str) -> None:
    with pytest.raises(InputError):
        parse_moment(text)


@pytest.mark.parametrize("zone", ["+00", "+00:00", "Z", " UTC", " +00"])
def test_a_time_in_utc_is_written_in_one_way_afterwards(zone: str) -> None:
    assert utc(parse_moment(f"2026-11-29T20:33:19.25{zone}")) == "2026-11-29 20:33:19.250000+00"


AUTO = """# Do not edit this file manually!
work_mem = '64MB'

# Recovery settings generated by pgBackRest restore on 2026-11-29 20:52:17
archive_mode = 'off'
restore_command = 'pgbackrest archive-get %f "%p"'
recovery_target_name = 'p1'
recovery_target_timeline = '1'
"""


def test_what_told_it_to_recover_goes_and_nothing_else() -> None:
    assert without_recovery(AUTO) == "# Do not edit this file manually!\nwork_mem = '64MB'\n"
    own = "restore_command = 'of a standby'\n"
    assert without_recovery(own) == own


def test_what_a_standby_must_have_at_least_is_read_from_the_control_file() -> None:
    text = "Database cluster state:  in production\nmax_connections setting:    250\nwal_level setting: logical\n"
    assert parse_control(text) == {"max_connections": "250", "wal_level": "logical"}


def shell(*words: Any) -> int:
    return subprocess.run(["sh", *map(str, words)], capture_output=True, check=False).returncode


def fetch(kind: str, folder: Path, tmp_path: Path, name: str) -> int:
    """Fetch a file of an archive, by the script of a restore or by the wrapper of the role."""
    if kind == "wrapper":
        return shell(WRAPPER, "restore", folder, name, tmp_path / "got")
    script = tmp_path / "get"
    script.write_text(GET.format(folder=folder))
    return shell(script, name, tmp_path / "got")


@pytest.mark.parametrize("kind", ["script", "wrapper"])
def test_what_is_absent_ends_a_recovery_and_any_trouble_stops_it(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert fetch(kind, archive, tmp_path, "one") > 125  # not mounted
    archive.mkdir()
    assert fetch(kind, archive, tmp_path, "one") > 125  # mounted on nothing
    (archive / "one").write_text("wal")
    assert fetch(kind, archive, tmp_path, "two") == 1
    assert fetch(kind, archive, tmp_path, "one") == 0
    assert (tmp_path / "got").read_text() == "wal"
    if os.geteuid():
        archive.chmod(0)
        assert fetch(kind, archive, tmp_path, "one") > 125


def test_an_archived_segment_is_never_replaced(tmp_path: Path) -> None:
    archive, source = tmp_path / "archive", tmp_path / "wal"
    source.write_text("first")
    assert shell(WRAPPER, "archive", archive, source, "one") > 125
    archive.mkdir()
    assert shell(WRAPPER, "archive", archive, source, "one") == 0
    assert shell(WRAPPER, "archive", archive, source, "one") == 0  # a second attempt after a crash
    source.write_text("other")
    assert shell(WRAPPER, "archive", archive, source, "one") == 1
    assert ((archive / "one").read_text(), os.listdir(archive)) == ("first", ["one"])


def judged(**more: Any) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in RULES.judge(Context(request("latest"), **more)):
        found.setdefault(one.check.partition(".")[2], []).append((one.status, one.message))
    return found


def test_what_stands_against_a_restore_is_critical_and_nothing_else_is_said_of_it() -> None:
    choice, _refused = choose(request("latest"), observed())
    refused = [Refusal("no", "do"), Refusal("not either", "do")]
    assert [status for status, _text in judged(refused=refused, choice=choice)["restore_possible"]] == ["critical"] * 2
    assert [status for status, _text in judged(choice=choice)["restore_possible"]] == ["ok"]
    assert [status for status, _text in judged()["restore_possible"]] == ["skipped"]


def test_the_first_step_that_failed_is_named() -> None:
    failed = [Action("replay", "x", FAILED, "first"), Action("promote", "x", FAILED, "second")]
    assert judged(actions=failed)["restore_reached"] == [("critical", "replay: first")]


def test_a_moment_at_which_a_backup_ends_is_restored_from_that_backup() -> None:
    [second] = [each for each in observed().repositories[0].backups if each.label == "second"]  # type: ignore[union-attr]
    choice, _refused = choose(request(moment=second.ended), observed())
    assert choice is not None
    assert choice.backup.label in ("first", "second")
    exact, _none = choose(request(moment=choice.window.since), observed())
    assert exact is not None
    assert exact.backup.label == choice.backup.label


def test_as_much_room_as_is_needed_is_enough() -> None:
    asked = request("latest")
    choice, _refused = choose(asked, observed())
    needed = int(1000 * 1.1) + (256 << 20)
    assert choice is not None
    assert not list(refusals(asked, choice, ROOM._replace(free=needed)))
    [refusal] = refusals(asked, choice, ROOM._replace(free=needed - 1))
    assert "are needed" in refusal.message
