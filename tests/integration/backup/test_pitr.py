# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Back to any moment: a real server, a real repository, a marker row all the time, and each marker where it must be.

LONG=1 restores to five random times instead of two.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore import run as restore_run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore import swap as swap_step

from .pitr_lab import Lab, need, running_lab, utc

TIMES = 5 if os.environ.get("LONG") == "1" else 2
POINT = "before the upgrade"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    need("pgbackrest")
    with running_lab() as running:
        running.write_for(0.3)
        running.base_backup("first")
        running.backrest("--type=full", "backup")
        running.write_for(1.2)
        running.archived()
        running.sql(f"SELECT pg_create_restore_point('{POINT}')")
        running.write_for(1.0)
        running.archived()
        running.write_for(0.8)
        running.stop_writing()
        running.archived()
        yield running


@pytest.fixture
def told(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab, and no copy of it is left behind by a test, from a folder that the server's account may not enter."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    yield lab
    shutil.rmtree(lab.folder.parent / "dumps", ignore_errors=True)
    if lab.copy.exists():
        lab.restore(state="absent")
    assert not lab.copy.exists()


def said(result: Any, check: str) -> tuple[str, str]:
    """Return status and message of the only finding of a check."""
    (found,) = [finding for finding in result.findings if finding.check == check]
    return found.status, found.message


def first_and_last(result: Any) -> tuple[str, str]:
    (repository,) = result.data["pitr"]["clusters"][0]["repositories"]
    return repository["restorable"][0]["since"], result.data["pitr"]["clusters"][0]["last_commit_archived"]


def ids(told: Lab, result: Any) -> set[int]:
    return {int(row[0]) for row in told.in_copy(result, "SELECT id FROM markers")}


def moment_of(text: str) -> float:
    return datetime.strptime(text.replace("+00", "+0000"), "%Y-%m-%d %H:%M:%S.%f%z").timestamp()


def behind_the_backup(told: Lab, commits: dict[int, float]) -> int:
    """Return a marker in the middle of those that replay has to bring."""
    since = moment_of(first_and_last(told.check())[0])
    later = sorted(each for each, at in commits.items() if at > since)
    return later[len(later) // 2]


@pytest.mark.parametrize("engine", ["pgbackrest", "basebackup"])
def test_the_watch_calls_well_what_can_be_restored(told: Lab, engine: str) -> None:
    result = told.check(engine, verify=True)
    bad = [(f.check, f.status, f.message) for f in result.findings if f.status not in ("ok", "skipped")]
    assert [each for each in bad if each[0] not in ("pitr.room", "pitr.config")] == []
    assert result.data["pitr"]["clusters"][0]["rpo_seconds"] == 0.0
    commits = told.commits()
    since, last = first_and_last(result)
    assert moment_of(last) == pytest.approx(max(commits.values()), abs=1e-5)
    assert moment_of(since) < max(commits.values())


@pytest.mark.parametrize("engine", ["pgbackrest", "basebackup"])
@pytest.mark.parametrize("number", range(TIMES))
def test_each_marker_is_there_exactly_if_it_was_committed_by_then(told: Lab, engine: str, number: int) -> None:
    commits = told.commits()
    since, last = (moment_of(text) for text in first_and_last(told.check(engine)))
    moment = random.Random(f"{engine}{number}{os.getpid()}").uniform(since, last - 0.001)
    before = told.listing()
    result = told.restore(engine=engine, target="time", value=utc(moment))
    assert result.failure == ""
    wanted = {each for each, at in commits.items() if at <= moment}
    assert ids(told, result) == wanted
    assert 0 < len(wanted) < len(commits)
    assert result.data["restored"]["content"]["postgres"]["public.markers"] == len(wanted)
    # it is a server of its own: it takes writes, and archives nothing into the repository of the live one
    told.in_copy(result, "INSERT INTO markers DEFAULT VALUES", "SELECT pg_switch_wal()", "CHECKPOINT")
    assert told.in_copy(result, "SELECT pg_is_in_recovery(), current_setting('archive_mode')") == [["f", "off"]]
    assert told.listing() == before
    assert not [name for name in os.listdir(told.archive) if name.startswith("00000002")]
    assert told.restore(engine=engine, target="time", value=utc(moment)).changed is False


@pytest.mark.parametrize(
    ("target", "exclusive"), [("xid", False), ("xid", True), ("name", False), ("immediate", False)]
)
def test_the_other_targets(told: Lab, target: str, exclusive: bool) -> None:
    commits = told.commits()
    number = behind_the_backup(told, commits)
    (xid,) = told.sql(f"SELECT xmin::text FROM markers WHERE id = {number}")[0]
    value = {"xid": str(xid), "name": POINT}.get(target, "")
    result = told.restore(target=target, value=value, exclusive=exclusive)
    assert result.failure == ""
    found = ids(told, result)
    if target == "xid":
        assert found == {each for each in commits if each < number + (not exclusive)}
    elif target == "name":
        point = moment_of(result.data["restored"]["stopped_at"].partition("time ")[2])
        assert found == {each for each, at in commits.items() if at <= point}
    else:
        assert 0 < len(found) < len(commits)


def test_check_mode_plans_what_a_run_does_and_touches_nothing(told: Lab) -> None:
    planned = told.restore(check_mode=True, target="latest")
    assert not told.copy.exists()
    (told.folder.parent / "dumps").mkdir()
    shutil.chown(told.folder.parent / "dumps", told.server.account or None)
    dump = told.folder.parent / "dumps" / "postgres.dump"
    result = told.restore(target="latest", dump_database="postgres", dump_file=str(dump))
    assert result.failure == ""
    assert [(a.action, a.subject) for a in planned.actions] == [(a.action, a.subject) for a in result.actions][:4]
    assert ids(told, result) == set(told.commits())
    read = subprocess.run([told.server.bin / "pg_restore", "-f", "-", dump], capture_output=True, check=True)
    assert b"markers" in read.stdout


def test_a_time_beyond_the_archive_is_refused(told: Lab) -> None:
    result = told.restore(target="time", value=utc(time.time() + 60))
    assert "nothing was done" in result.failure
    last = max(told.commits().values())
    nearly = told.restore(target="time", value=utc(last))
    assert "not before the last commit in the archive" in nearly.failure
    assert said(nearly, "pitr.restore_possible")[0] == "critical"
    assert not told.copy.exists()


def test_a_time_before_the_first_backup_is_refused(told: Lab) -> None:
    assert "is before" in told.restore(target="time", value="2001-01-01 00:00:00+00").failure


def test_a_server_that_starts_and_dies_is_a_clear_failure(told: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no plan can know: pg_ctl says that it has started, and seconds later it dies for want of WAL."""
    seen = restore_run.survey
    monkeypatch.setattr(restore_run, "survey", lambda *given: seen(*given)._replace(last_commit=None))
    result = told.restore(target="time", value=utc(max(told.commits().values()) + 0.000001))
    assert "recovery ended before configured recovery target was reached" in result.failure
    assert [action.state for action in result.actions] == ["done", "failed", "skipped", "skipped"]
    assert not (told.copy / "data" / "postmaster.pid").exists()


def middle(told: Lab) -> Path:
    """Return a segment of the repository between two others, behind the backup."""
    (folder,) = (told.folder / "repo" / "archive" / "main").glob("15-1/0000000100000000")
    return sorted(folder.glob("*-*.gz"))[-2]


def test_a_gap_is_found_within_one_run_and_nothing_is_restored_across_it(told: Lab) -> None:
    path = middle(told)
    aside = told.folder / "aside.gz"
    shutil.move(path, aside)
    try:
        assert '"code":0' in told.backrest("info", "--output=json")  # pgBackRest itself calls it well
        result = told.check()
        assert said(result, "pitr.gap")[0] == "critical"
        assert path.name[:24] in said(result, "pitr.gap")[1]
        assert "WAL is missing behind" in told.restore(target="latest").failure
        assert "WAL is missing behind" in told.restore(target="time", value=utc(time.time())).failure
    finally:
        shutil.move(aside, path)
    assert said(told.check(), "pitr.gap")[0] == "ok"


def test_a_gap_and_a_torn_segment_of_a_plain_archive_are_found(told: Lab) -> None:
    path = sorted(each for each in told.archive.iterdir() if len(each.name) == 24)[-2]
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], None):
        path.write_bytes(torn) if torn else path.unlink()
        assert path.name in said(told.check("basebackup"), "pitr.gap")[1]
    path.write_bytes(whole)
    shutil.chown(path, told.server.account or None)
    assert said(told.check("basebackup"), "pitr.gap")[0] == "ok"


def test_one_changed_byte_of_a_set_is_found(told: Lab) -> None:
    path = told.bases / "first" / "PG_VERSION"
    path.write_bytes(b"25\n")
    try:
        assert said(told.check("basebackup", verify=True), "pitr.verified")[0] == "critical"
    finally:
        path.write_bytes(b"15\n")


def test_a_file_of_root_in_the_repository_is_found(told: Lab) -> None:
    if told.server.account is None:
        pytest.skip("only root can make a file of another account")
    path = told.folder / "repo" / "archive" / "main" / "root-was-here"
    path.touch()
    try:
        status, text = said(told.check(), "pitr.owners")
        assert (status, str(path) in text) == ("critical", True)
    finally:
        path.unlink()


def test_what_fails_now_is_found_and_what_would_be_lost_is_counted(told: Lab) -> None:
    told.check()  # the run before
    told.sql("ALTER SYSTEM SET archive_command = 'exit 1'", "SELECT pg_reload_conf()")
    begun = time.time()
    told.sql("INSERT INTO markers DEFAULT VALUES", "SELECT pg_switch_wal()")
    until = time.monotonic() + 20
    while not told.sql("SELECT failed_count FROM pg_stat_archiver")[0][0] and time.monotonic() < until:
        time.sleep(0.05)
    result = told.check()
    try:
        assert said(result, "pitr.archiving")[0] == "critical"
        assert said(result, "pitr.settings")[0] == "critical"
        assert "1 files" in said(result, "pitr.backlog")[1]
        assert 0 < result.data["pitr"]["clusters"][0]["rpo_seconds"] <= time.time() - begun + 0.1
    finally:
        told.sql("ALTER SYSTEM RESET archive_command", "SELECT pg_reload_conf()")
        told.archived()
    after = told.check()
    assert said(after, "pitr.archiving")[0] in ("ok", "warning")
    assert after.data["pitr"]["clusters"][0]["rpo_seconds"] == 0.0


def test_a_folder_that_is_not_ours_is_neither_used_nor_removed(told: Lab) -> None:
    told.copy.mkdir()
    (told.copy / "precious").touch()
    try:
        assert "is not empty: precious" in told.restore(target="latest").failure
        with pytest.raises(Exception, match="a folder that pitr_restore made"):
            told.restore(state="absent")
        assert (told.copy / "precious").exists()
    finally:
        shutil.rmtree(told.copy)


def test_a_swap_that_does_not_come_up_puts_the_live_cluster_back(told: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    start, tries = swap_step.Live.start, []

    def stumble(live: swap_step.Live) -> None:
        tries.append(live)
        if len(tries) == 1:
            raise swap_step.ActionFailed("planted")
        start(live)

    monkeypatch.setattr(swap_step.Live, "start", stumble)
    before = told.commits()
    result = told.restore(target="immediate", swap=True)
    assert "the old one is back in its place" in result.failure
    assert told.commits() == before


@pytest.mark.parametrize("fails", [1, 2])
def test_a_rename_that_fails_leaves_the_live_cluster_running(
    told: Lab, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    rename, tries = os.rename, []

    def stumble(old: str, new: str) -> None:
        tries.append(old)
        if len(tries) == fails:
            raise OSError(18, "Invalid cross-device link")  # overlayfs, a mount point
        rename(old, new)

    monkeypatch.setattr(swap_step.os, "rename", stumble)
    before = told.commits()
    result = told.restore(target="immediate", swap=True)
    assert "Invalid cross-device link" in result.failure
    assert told.commits() == before


def test_a_swap_puts_the_past_in_the_place_of_the_present_and_keeps_both(told: Lab) -> None:
    commits = told.commits()
    moment = commits[behind_the_backup(told, commits)]
    result = told.restore(target="time", value=utc(moment), swap=True)
    assert result.failure == ""
    assert set(told.commits()) == {each for each, at in commits.items() if at <= moment}
    assert Path(result.data["restored"]["aside"], "PG_VERSION").exists()
    assert "recovery_target" not in (told.server.data / "postgresql.auto.conf").read_text()
    told.sql("INSERT INTO markers DEFAULT VALUES")
    told.archived()  # it archives again, on a timeline of its own
    after = told.check()
    assert said(after, "pitr.archiving")[0] == "ok"
    assert after.data["pitr"]["clusters"][0]["timeline"] == 2
    assert said(after, "pitr.timelines")[0] in ("ok", "warning")  # its history is there
    assert said(after, "pitr.gap")[0] == "ok"
    assert (
        told.restore(check_mode=True, target="time", value=utc(moment), timeline=1, dir=f"{told.copy}2").failure == ""
    )


def test_a_cluster_whose_server_is_gone_comes_back_from_the_repository_alone(told: Lab) -> None:
    before = told.commits()
    told.archived()
    told.server.stop()
    (told.server.data / "global" / "pg_control").unlink()  # nothing of it can be asked any more
    result = told.restore(target="latest", swap=True, live_dir=str(told.server.data))
    assert result.failure == ""
    assert set(told.commits()) == set(before)
