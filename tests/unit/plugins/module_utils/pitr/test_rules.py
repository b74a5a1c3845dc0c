# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a cluster: one state that is well, and what each single change of it makes of it."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr import SPEC, rules_archive, rules_repository
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.context import Context, Memory, memory_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.declared import Cluster, read_settings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.model import (
    Archiver,
    Backup,
    Config,
    Exposure,
    Observation,
    Repository,
    Room,
    ServerState,
    Strangers,
    Unavailable,
    Waiting,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.run import RULES, as_data, metrics
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.wal import (
    MIB16,
    Archive,
    Fork,
    Gap,
    Segment,
    name_of,
)

NOW, HOUR = 1_800_000_000.0, 3600.0
NONE = Unavailable("no reason")
PUSH = "pgbackrest --config=/etc/pgbackrest.conf --stanza=main archive-push %p"
SETTINGS = {
    "archive_mode": "on",
    "archive_command": PUSH,
    "wal_level": "replica",
    "fsync": "on",
    "full_page_writes": "on",
    "data_directory": "/data",
}


def defaults() -> dict[str, Any]:
    thresholds = {name: each.get("default") for name, each in SPEC["thresholds"]["options"].items()}
    return {"clusters": [], "thresholds": thresholds, "verify": False}


def wal_name(number: int, timeline: int = 1) -> str:
    return name_of(Segment(timeline, number), MIB16)


def archive(*numbers: int, timeline: int = 1, **more: Any) -> Archive:
    return Archive(
        {Segment(timeline, number): NOW - 60 for number in numbers or range(1, 9)}, **{"histories": {}, **more}
    )


def backup(label: str = "20270101-000000F", kind: str = "full", first: int = 2, last: int = 3, **more: Any) -> Backup:
    return Backup(
        label,
        kind,
        **{"error": False, "started": NOW - HOUR, "ended": NOW - HOUR, **more},
        first_wal=wal_name(first),
        last_wal=wal_name(last),
    )


def server(
    settings: Optional[dict[str, str]] = None, archiver: Optional[dict[str, Any]] = None, **more: Any
) -> ServerState:
    row = {"last_wal": wal_name(8), "last_time": NOW - 60, "failed_wal": "", "failed_time": None, "failed": 0}
    whole = {
        "now": NOW, "version": 150018, "recovery": False, "position": 9 * MIB16 + 500, "timeline": 1, "size": MIB16,
        "system_id": "77", "settings": {**SETTINGS, **(settings or {})},
        "archiver": Archiver(**{**row, **(archiver or {})}),
    }  # fmt: skip
    return ServerState(**{**whole, **more})


def repository(*backups: Backup, **more: Any) -> Repository:
    whole = {"key": 1, "code": 0, "message": "ok", "archive": archive(), "system_id": "77", "archive_id": "15-1"}
    return Repository(backups=backups or (backup(),), **{**whole, **more})


CLUSTER = Cluster(
    "main", "pgbackrest", "main", "/etc/pgbackrest.conf", "", "", "", 5432, "", "", "postgres", "postgres", ""
)
WELL: dict[str, Any] = {
    "cluster": CLUSTER,
    "server": server(),
    "waiting": Waiting(0, None),
    "tool": (2, 45),
    "repositories": (repository(),),
    "config": Config({"repo1-path": "/repo"}, secret=True, mode=0o640),
    "rooms": {"pg_wal": Room("/data/pg_wal", 50, 100)},
    "strangers": Strangers((), 0, 100, whole=True),
    "exposure": Exposure(NOW - 30, exact=True, bytes=500, archived=Segment(1, 8)),
}

NEW = Memory()


def findings(before: Memory = NEW, **changed: Any) -> dict[str, tuple[str, str]]:
    context = Context(Observation(**{**WELL, **changed}), read_settings(defaults()).bounds, before, NOW)
    assert as_data(context)
    assert list(metrics(context)) is not None
    return {each.check.partition(".")[2]: (each.status, each.message) for each in RULES.judge(context)}


def test_a_cluster_that_is_well_is_well() -> None:
    said = findings()
    assert {check: status for check, (status, _text) in said.items() if status != "ok"} == {"verified": "skipped"}


GAP = repository(archive=archive(1, 2, 3, 4, 6, 7, 8))
LATER = backup("20270102-000000F", first=7, last=7, ended=NOW - 1800)


@pytest.mark.parametrize(
    ("changed", "check", "status", "words"),
    [
        ({"server": server({"archive_mode": "off"})}, "settings", "critical", "no WAL is archived"),
        ({"server": server({"archive_command": "/bin/true"})}, "settings", "critical", "nothing is kept"),
        ({"server": server({"archive_command": PUSH.replace("main", "old")})}, "settings", "critical", "stanza main"),
        ({"server": server({"wal_level": "minimal"})}, "settings", "critical", "restores nothing"),
        ({"server": server({"fsync": "off"})}, "settings", "warning", "fsync"),
        (
            {"server": server(archiver={"failed": 3, "failed_time": NOW, "failed_wal": wal_name(9)})},
            "archiving",
            "critical",
            "none succeeded",
        ),
        (
            {"server": server(archiver={"last_time": None, "last_wal": ""})},
            "archiving",
            "unknown",
            "nothing was archived",
        ),
        ({"waiting": Waiting(9, NOW - 1)}, "backlog", "warning", "9 files"),
        ({"waiting": Waiting(8, NOW - 1)}, "backlog", "ok", "8 files"),
        ({"waiting": Waiting(1, NOW - 301)}, "backlog", "warning", "5.0 min"),
        ({"waiting": Waiting(65, NOW - 1)}, "backlog", "critical", "65 files"),
        ({"waiting": NONE}, "backlog", "unknown", "cannot be seen"),
        ({"server": server(archiver={"last_wal": wal_name(9)})}, "archived_is_there", "critical", "does not have it"),
        (
            {"repositories": (repository(code=1, message="missing stanza path"),)},
            "stanza",
            "critical",
            "missing stanza",
        ),
        ({"repositories": (repository(system_id="78"),)}, "stanza", "critical", "another cluster"),
        ({"repositories": (repository(backup(error=True)),)}, "page_errors", "critical", "were broken"),
        ({"repositories": (repository(backup(error=None)),)}, "page_errors", "unknown", "checksums off"),
        ({"repositories": (GAP,)}, "gap", "critical", wal_name(5)),
        # behind the gap a newer backup begins: today can be restored to, only the past has a hole
        ({"repositories": (GAP._replace(backups=(backup(), LATER)),)}, "gap", "warning", wal_name(5)),
        ({"repositories": (repository(archive=archive(1, 2, 4, 5, 6, 7, 8)),)}, "gap", "critical", "cannot be started"),
        ({"repositories": (repository(archive=archive(1, 2, 4, 5, 6, 7, 8)),)}, "restorable", "critical", "no time"),
        ({"repositories": (repository(archive=NONE),)}, "gap", "unknown", "cannot be seen"),
        ({"repositories": NONE}, "gap", "unknown", "no reason"),
        (
            {"repositories": (repository(archive=archive(timeline=1, histories={2: (Fork(1, 9),)})),)},
            "timelines",
            "critical",
            "promoted",
        ),
        (
            {"server": server(timeline=2), "repositories": (repository(archive=archive(timeline=2)),)},
            "timelines",
            "critical",
            "history",
        ),
        (
            {"strangers": Strangers(("/repo/archive.info",), 1, 9, whole=True)},
            "owners",
            "critical",
            "/repo/archive.info",
        ),
        ({"strangers": Strangers((), 0, 9, whole=False)}, "owners", "unknown", "only 9"),
        ({"config": Config({}, secret=True, mode=0o644)}, "config", "warning", "secret"),
        ({"config": Config({}, secret=False, mode=0o644)}, "config", "ok", ""),
        ({"config": Config({"archive-push-queue-max": "1G"}, mode=0o640)}, "config", "warning", "dropped"),
        ({"config": Config({"repo1-retention-archive": "2"}, mode=0o640)}, "config", "warning", "older backups"),
        ({"server": server(version=160001)}, "version", "critical", "does not know PostgreSQL 16"),
        ({"server": server(version=160001), "tool": (2, 46)}, "version", "ok", ""),
        ({"server": server(version=170001), "tool": (2, 53)}, "version", "critical", "2.53.1"),
        ({"server": server(version=990001)}, "version", "unknown", "99"),
        ({"repositories": (repository(backup(ended=NOW - 8 * 86400 - 1)),)}, "full_age", "warning", "8.0 d"),
        ({"repositories": (repository(backup(ended=NOW - 8 * 86400)),)}, "full_age", "ok", "8.0 d"),
        ({"repositories": (repository(backup(kind="incr")),)}, "full_age", "critical", "no backup of this kind"),
        ({"repositories": (repository(backup(ended=NOW - 27 * HOUR)),)}, "backup_age", "warning", "1.1 d"),
        ({"rooms": {"pg_wal": Room("/d", 19, 100)}}, "room", "warning", "19 %"),
        ({"rooms": {"pg_wal": Room("/d", 9, 100)}}, "room", "critical", "9 %"),
        ({"exposure": Exposure(NOW - 601, exact=True, bytes=9, archived=Segment(1, 8))}, "rpo", "warning", "10.0 min"),
        (
            {"exposure": Exposure(NOW - 3601, exact=True, bytes=9, archived=Segment(1, 8))},
            "rpo",
            "critical",
            wal_name(8),
        ),
        ({"exposure": Exposure(None, exact=True, bytes=9, archived=Segment(1, 8))}, "rpo", "ok", "0 s"),
        (
            {"exposure": Unavailable("no backup can be restored: all would be lost")},
            "rpo",
            "critical",
            "all would be lost",
        ),
        ({"exposure": NONE}, "rpo", "unknown", "cannot be told"),
        ({"verified": "a file is gone"}, "verified", "critical", "a file is gone"),
        ({"verified": ""}, "verified", "ok", ""),
        ({"verified": NONE}, "verified", "unknown", ""),
        ({"server": NONE}, "server", "unknown", "does not answer"),
    ],
)
def test_what_one_change_makes_of_it(changed: dict[str, Any], check: str, status: str, words: str) -> None:
    said = findings(**changed)[check]
    assert said[0] == status
    assert words in said[1]


def test_failures_count_against_the_run_before_and_only_of_the_same_cluster() -> None:
    failing = {"server": server(archiver={"failed": 5, "failed_time": NOW - 100, "failed_wal": wal_name(7)})}
    assert findings(Memory(failed=5, system_id="77"), **failing)["archiving"][0] == "ok"
    assert findings(Memory(failed=2, system_id="77"), **failing)["archiving"] == (
        "warning",
        (
            f"3 attempts to archive failed since the last run, the last of {wal_name(7)} at 2027-01-15 07:58:20 UTC; "
            "it has succeeded again"
        ),
    )
    assert findings(Memory(failed=2, system_id="78"), **failing)["archiving"][0] == "ok"


def test_a_new_timeline_is_named_once() -> None:
    held = Archive({Segment(2, number): NOW for number in range(1, 9)}, {2: (Fork(1, MIB16),)})
    promoted = {"server": server(timeline=2), "repositories": (repository(archive=held),)}
    assert findings(Memory(timelines=0), **promoted)["timelines"][0] == "warning"
    after = memory_of(Observation(**{**WELL, **promoted}), Memory())
    assert after.timelines == 1
    assert findings(after, **promoted)["timelines"][0] == "ok"


def test_an_idle_server_is_no_alarm_only_where_nothing_was_written() -> None:
    guess = {"exposure": Exposure(NOW - 90000, exact=False, bytes=200, archived=Segment(1, 8), why="no pg_waldump")}
    assert findings(Memory(position=9 * MIB16 + 500), **guess)["rpo"][0] == "unknown"
    assert findings(Memory(position=9 * MIB16), **guess)["rpo"][0] == "critical"


def test_a_gap_is_named_by_its_first_and_last_segment() -> None:
    assert rules_archive._name(Gap(1, 5, 5), MIB16) == wal_name(5)
    assert rules_archive._name(Gap(1, 5, 6), MIB16) == f"{wal_name(5)} to {wal_name(6)}"


def test_the_worst_of_several_wrong_settings_gives_status_and_remedy() -> None:
    both = Observation(**{**WELL, "server": server({"archive_mode": "off", "fsync": "off"})})
    context = Context(both, read_settings(defaults()).bounds, NEW, NOW)
    [found] = [each for each in RULES.judge(context) if each.check == "pitr.settings"]
    assert found.status == "critical"
    assert "fsync" not in found.remedy


@pytest.mark.parametrize(("name", "value", "wrong"), [("repo1-block", "y", 1), ("repo1-block", "n", 0), ("a", "y", 0)])
def test_block_backups_are_named_where_they_are_on(name: str, value: str, wrong: int) -> None:
    config = Config({name: value}, 0o640, False)
    assert len(list(rules_repository._wrong_options(config))) == wrong
