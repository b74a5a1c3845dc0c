# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store restic with the real program: what it takes for done is not what it says, but what is there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import database, files, found, settings, sqlite, status, steps, tree

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import restic as program
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import restic_trees
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.kinds import open_store
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, CoreError, InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .restic_lab import PASSWORD, RESTIC, kept, new_repository, restic, snapshots

pytestmark = pytest.mark.skipif(not RESTIC, reason="restic is needed")
TRULY = type(choose_host())
DAY = 86400.0


class At(TRULY):  # type: ignore[misc, valid-type]
    """This host with a clock of its own."""

    def __init__(self, now: float) -> None:
        super().__init__(600.0)
        self.clock = now

    def now(self) -> float:
        return self.clock


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lie in memory: restic and we wait for the disk on purpose, and nobody cuts the power here."""
    folder = tmp_path_factory.mktemp("memory")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        new_repository(folder / "empty")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def tmp_path(memory: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t", dir=memory) as name:
        yield Path(name)


@pytest.fixture
def place(memory: Path, tmp_path: Path) -> Path:
    shutil.copytree(memory / "empty", tmp_path / "repository")
    folder = tmp_path / "config"
    (folder / "logs").mkdir(parents=True)
    (folder / "sub").mkdir()
    odd = ("a.yml", "new\nline", "umlaut-ä b", "we [x]$HOME*", " space ", "back\\slash", "sub/.env")
    for name in (*odd, "trace.log", "logs/x"):
        (folder / name).write_text(name * 50)
    (folder / "link").symlink_to("a.yml")
    (folder / "sub" / "raw").symlink_to(os.fsdecode(b"../in\xffvalid"))
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/in\xffvalid")).write_text("z")
    database(tmp_path / "app.db")
    return tmp_path


def sources(place: Path) -> list[dict[str, Any]]:
    return [files("config", place / "config", exclude=["logs", "*.log"]), sqlite("main", place / "app.db")]


def take(place: Path, **given: Any) -> Any:
    return kept(place, **{"sources": sources(place), **given})


def the_set(place: Path) -> dict[str, Any]:
    (path,) = (place / "backups").glob("2*Z-*/manifest.json")
    return json.loads(path.read_bytes())


def index_of(place: Path, into: Path) -> dict[str, list[Any]]:
    stage = next(one for one in the_set(place)["store"]["snapshots"] if one["part"] == "stage")
    restic(place / "repository", "restore", stage["id"], "--target", str(into))
    (path,) = into.rglob("index.jsonl")
    return {f"/{row[0]}": row for row in map(json.loads, path.read_text().splitlines()[1:])}


def test_a_set_is_taken_verified_and_published_as_three_snapshots(place: Path) -> None:
    result = take(place)
    assert (result.failure, result.changed, result.status) == ("", True, "ok")
    assert steps(result) == [("back up", "config"), ("back up", "main"), ("verify", "regular"), ("publish", "regular")]
    assert result.data["set"]["verified"] == "L2"
    set_id = result.data["set"]["id"]
    there = snapshots(place / "repository")
    assert {f"part={part}" for part in ("trees-0", "stage", "manifest")} == {
        tag for one in there for tag in one["tags"] if tag.startswith("part=")
    }
    assert all({"cryptobot", f"set={set_id}"} <= {*one["tags"]} for one in there)
    assert there[-1]["paths"] == [f"{place}/backups/{set_id}.partial/manifest.json"]
    listed = {one["id"]: one["tree"] for one in the_set(place)["store"]["snapshots"]}
    assert listed == {one["id"]: one["tree"] for one in there[:-1]}
    assert sorted(path.name for path in (place / "backups" / set_id).iterdir()) == ["manifest.json", "verified.json"]


def test_the_index_lists_what_the_snapshot_holds_and_nothing_that_is_left_out(place: Path, tmp_path: Path) -> None:
    take(place)
    rows = index_of(place, tmp_path / "out")
    left_out = ("trace.log", "logs", "pipe")
    assert rows[str(place / "config" / "in\udcffvalid")][2] == 1
    config = place / "config"
    expected = {str(path) for path in [config, *config.rglob("*")] if not path.name.startswith(left_out)}
    expected -= {str(config / "logs/x")}
    assert {*rows} == expected
    held = restic(place / "repository", "ls", the_set(place)["sources"][0]["snapshot"]).stdout
    assert "trace.log" not in held
    assert "/logs" not in held
    assert rows[str(config / "link")][10] == "a.yml"


def test_a_second_run_is_not_needed_and_an_unchanged_one_reads_no_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(place)
    again = take(place, fresh_for="20h")
    assert (again.changed, again.failure) == (False, "")
    read: list[str] = []
    monkeypatch.setattr(restic_trees, "hash_live", lambda row, _pulse: read.append(row.path) or "")
    unchanged = take(place)
    assert (unchanged.failure, read) == ("", [])
    newest = json.loads((place / "backups" / unchanged.data["set"]["id"] / "manifest.json").read_bytes())
    assert newest["sources"][0]["unchanged"] is True
    assert newest["store"]["former"]["set"] != unchanged.data["set"]["id"]


def test_only_what_changed_is_read_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(place)
    (place / "config" / "a.yml").write_text("changed")
    (place / "config" / "sub" / "new").write_text("new")
    (place / "config" / "umlaut-ä b").unlink()
    read, real = [], restic_trees.hash_live
    monkeypatch.setattr(restic_trees, "hash_live", lambda row, pulse: (read.append(row.path), real(row, pulse))[1])
    result = take(place, verify_level="L3")
    assert (result.failure, result.status) == ("", "ok")
    assert sorted(read) == [str(place / "config" / "a.yml"), str(place / "config" / "sub" / "new")]
    assert result.data["set"]["sources"][0]["count"] == 8


@pytest.mark.parametrize("level", ["L0", "L1", "L2", "L3"])
def test_a_good_set_passes_each_level(place: Path, level: str) -> None:
    take(place)
    looked = kept(place, state="verified", sources=sources(place), verify_level=level)
    assert (looked.failure, looked.status) == ("", "ok")
    assert looked.data["verifications"][0]["ok"] is True


def test_a_file_that_changes_while_restic_runs_gets_the_checksum_of_what_was_stored(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = restic_trees.observe

    def then_changed(*given: Any) -> Any:
        seen = real(*given)
        (place / "config" / "a.yml").write_text("it has changed since")
        (place / "config" / "sub" / "came").write_text("after the walk")
        (place / "config" / "umlaut-ä b").unlink()
        return seen

    monkeypatch.setattr(restic_trees, "observe", then_changed)
    result = take(place, verify_level="L3")
    assert (result.failure, result.status) == ("", "ok")
    rows = index_of(place, tmp_path / "out")
    expected = hashlib.sha256(b"it has changed since").hexdigest()
    assert rows[str(place / "config" / "a.yml")][3] == expected
    assert rows[str(place / "config" / "sub" / "came")][3] == hashlib.sha256(b"after the walk").hexdigest()
    assert str(place / "config" / "umlaut-ä b") not in rows


def test_overlapping_sources_do_not_leave_out_each_other_s_files(place: Path) -> None:
    both = [files("all", place / "config", exclude=["logs"]), files("logs", place / "config" / "logs")]
    result = kept(place, sources=both, verify_level="L3")
    assert (result.failure, result.status) == ("", "ok")
    counts = {one["name"]: one["count"] for one in result.data["set"]["sources"]}
    assert counts == {"all": 9, "logs": 1}


def test_a_missing_source_fails_the_set_and_leaves_nothing(place: Path) -> None:
    gone = files("gone", place / "nowhere")
    result = take(place, sources=[*sources(place), gone])
    assert "nowhere does not exist" in result.failure
    assert snapshots(place / "repository") == []
    assert take(place, sources=[*sources(place), {**gone, "optional": True}]).failure == ""


def test_a_source_that_goes_before_restic_reads_it_fails_the_set(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = restic_trees.groups

    def then_gone(seen: Any) -> Any:
        shutil.rmtree(place / "other")
        return real(seen)

    (place / "other").mkdir()
    (place / "other" / "x").write_text("x")
    monkeypatch.setattr(restic_trees, "groups", then_gone)
    result = take(place, sources=[*sources(place), files("other", place / "other")])
    assert "other does not exist" in result.failure
    assert (snapshots(place / "repository"), list((place / "backups").iterdir())) == ([], [])


def test_a_wrong_password_is_said_and_nothing_is_made(place: Path) -> None:
    take(place)
    with pytest.raises(ActionFailed, match="the password does not open the repository"):
        take(place, repository_password="another")
    with pytest.raises(ActionFailed, match="the password does not open"):
        kept(place, state="listed", repository_password="another")


def test_a_repository_that_was_known_and_is_gone_is_not_made_anew(place: Path) -> None:
    take(place)
    (place / "repository").rename(place / "unmounted")
    result = take(place)
    assert "is gone; none is made in its place" in result.failure
    assert not (place / "repository").exists()
    new_repository(place / "repository")
    assert "expected" in take(place).failure


def test_the_first_run_makes_the_repository(place: Path) -> None:
    result = take(place, repository=str(place / "first"))
    assert (result.failure, result.status) == ("", "ok")


def test_a_password_file_that_others_may_read_is_refused(place: Path) -> None:
    path = place / "password"
    path.write_text("only-for-tests\n")
    path.chmod(0o644)
    given = {"repository_password": "", "repository_password_file": str(path)}
    with pytest.raises(InputError, match="mode 0600"):
        take(place, **given)
    path.chmod(0o600)
    assert take(place, **given).failure == ""


def test_the_password_is_in_no_command_line_and_no_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place / "log"
    wrapper = place / "restic"
    wrapper.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> {log}\nenv | grep ^RESTIC_ >> {log}.env\nexec {RESTIC} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("RESTIC_PASSWORD_COMMAND", "false")
    monkeypatch.setenv("RESTIC_KEY_HINT", "00000000")
    result = take(place, restic=str(wrapper))
    assert result.failure == ""
    assert PASSWORD not in log.read_text(errors="replace")
    assert PASSWORD not in repr(result)
    seen = {*Path(f"{log}.env").read_text().splitlines()}
    assert "RESTIC_PASSWORD_COMMAND=" in seen
    assert f"RESTIC_CACHE_DIR={place}/state/restic-cache" in seen


def test_a_snapshot_that_was_deleted_behind_our_back_is_found(place: Path) -> None:
    take(place)
    first = the_set(place)
    assert kept(place, state="listed").status == "ok"
    restic(place / "repository", "forget", first["store"]["snapshots"][0]["id"])
    assert restic(place / "repository", "check").returncode == 0
    looked = kept(place, state="verified", sources=sources(place))
    assert status(looked, "backup.present") == "critical"
    assert "is not in the repository any more" in found(looked, "backup.payload")[0].message


def test_a_whole_set_that_was_deleted_behind_our_back_is_found(place: Path) -> None:
    take(place)
    restic(place / "repository", "forget", *[one["id"] for one in snapshots(place / "repository")])
    shutil.rmtree(place / "backups")
    listed = kept(place, state="listed")
    assert status(listed, "backup.repository") == "critical"
    assert "is gone from" in found(listed, "backup.repository")[0].message


def test_a_foreign_snapshot_and_a_foreign_file_are_found(place: Path) -> None:
    take(place)
    restic(place / "repository", "backup", "--tag", "mine", str(place / "app.db"))
    (place / "repository" / "data" / "00" / "readme.txt").write_text("x")
    listed = kept(place, state="listed")
    assert status(listed, "backup.repository") == "warning"
    message = found(listed, "backup.repository")[0].message
    assert "2 things" in message
    assert "file data/00/readme.txt" in message


def test_a_copy_of_a_set_s_tags_is_foreign(place: Path) -> None:
    take(place)
    tags = [word for tag in snapshots(place / "repository")[0]["tags"] for word in ("--tag", tag)]
    restic(place / "repository", "backup", *tags, str(place / "app.db"))
    assert status(kept(place, state="listed"), "backup.repository") == "warning"


def test_retention_forgets_the_full_ids_of_its_sets_and_no_others(place: Path) -> None:
    now = time.time()
    for age in (3, 2, 1):
        assert take(place, host=At(now - age * DAY)).failure == ""
    restic(place / "repository", "backup", "--tag", "cryptobot", str(place / "app.db"))
    foreign = snapshots(place / "repository")[-1]["id"]
    before = {one["id"] for one in snapshots(place / "repository")}
    oldest = sorted((place / "backups").glob("2*Z-*"))[0].name
    result = take(place, retention={"daily": 2, "min_keep": 2})
    assert result.failure == ""
    pruned = [subject for action, subject in steps(result) if action == "prune"]
    assert pruned[:1] == [oldest]
    assert len(pruned) == 2
    after = {one["id"] for one in snapshots(place / "repository")}
    assert foreign in after
    assert len(before - after) == 6
    tags = {tag for one in snapshots(place / "repository") for tag in one["tags"] or ()}
    assert not any(f"set={set_id}" in tags for set_id in pruned)
    assert restic(place / "repository", "check", "--read-data").returncode == 0


def test_a_folder_that_was_lost_is_read_from_the_repository(place: Path) -> None:
    set_id = take(place).data["set"]["id"]
    shutil.rmtree(place / "backups")
    shutil.rmtree(place / "state")
    listed = kept(place, state="listed")
    assert [(one["id"], one["good"]) for one in listed.data["sets"]] == [(set_id, False)]
    looked = kept(place, state="verified", sources=sources(place))
    assert (looked.failure, status(looked, "backup.present")) == ("", "ok")
    assert [one["good"] for one in kept(place, state="listed").data["sets"]] == [True]
    (place / "backups" / set_id / "manifest.json").write_text("{}")
    assert [one["id"] for one in kept(place, state="listed").data["sets"]] == [set_id]


def test_a_lock_that_is_held_is_waited_for_and_then_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(program, "LOCK_PAUSE", 0.1)
    monkeypatch.setattr(program.Restic.__init__, "__defaults__", (0.5,))
    argv = [RESTIC, "--no-cache", "backup", "--stdin"]
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(place / "repository")}
    other = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        locks = place / "repository" / "locks"
        until = time.monotonic() + 20
        while not list(locks.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        result = take(place)
        assert "locked" in result.failure
        assert list(locks.iterdir()), "the lock of a process that lives was removed"
    finally:
        other.communicate(b"something")
    result = take(place)
    assert (result.failure, steps(result)[0][0]) == ("", "sweep")
    assert len(snapshots(place / "repository")) == 4


RUNNER = """
import json, os, sys
sys.path[:0] = [{tests!r}, {checkout!r}]
import tests.conftest
from tests.integration.backup import restic_lab
real = os.environ["REAL"]
restic_lab.kept(restic_lab.Path({place!r}), sources=json.loads({sources!r}), restic=real)
"""
CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("word", ["--exclude-file", "restore", "manifest.json"])
def test_killed_midway_no_set_is_there_and_the_next_run_sweeps(place: Path, word: str) -> None:
    wrapper, here = place / "restic", place / "here"
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *{word}*) touch {here}; sleep 60;; esac\nexec {RESTIC} "$@"\n')
    wrapper.chmod(0o755)
    script = RUNNER.format(
        tests=str(CHECKOUT / "tests" / "unit"),
        checkout=str(CHECKOUT),
        place=str(place),
        sources=json.dumps(sources(place)),
    )
    environment = {**os.environ, "REAL": str(wrapper)}
    killed = subprocess.Popen([sys.executable, "-c", script], env=environment, start_new_session=True, cwd=CHECKOUT)
    until = time.monotonic() + 40
    while not here.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert here.exists()
    left = len(snapshots(place / "repository"))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    listed = kept(place, state="listed")
    assert listed.data["sets"] == []
    assert len(listed.data["leftovers"]) == 1
    result = take(place)
    assert (result.failure, steps(result)[0][0]) == ("", "sweep")
    there = snapshots(place / "repository")
    assert {tag for one in there for tag in one["tags"] if tag.startswith("set=")} == {
        f"set={result.data['set']['id']}"
    }
    assert left == {"--exclude-file": 0, "restore": 2, "manifest.json": 2}[word]
    assert sorted(path.name for path in (place / "backups").iterdir()) == [result.data["set"]["id"], "latest"]


def test_a_full_repository_publishes_nothing(place: Path) -> None:
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        new_repository(small / "repository")
        (place / "config" / "large").write_bytes(os.urandom(3 << 20))
        result = take(place, repository=str(small / "repository"), space_factor=0.0)
        assert "full" in result.failure
        assert kept(place, state="listed", repository=str(small / "repository")).data["sets"] == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_database_under_a_writer_comes_back_whole(place: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(place / "app.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO trades (symbol) VALUES ('ETH')")
        writer.commit()
        assert take(place).failure == ""
    stage = next(one for one in the_set(place)["store"]["snapshots"] if one["part"] == "stage")
    restic(place / "repository", "restore", stage["id"], "--target", str(tmp_path / "out"))
    (copy,) = (tmp_path / "out").rglob("database.sqlite")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (101,)


def test_min_keep_is_kept_whatever_asks(place: Path) -> None:

    set_id = take(place).data["set"]["id"]
    with pytest.raises(CoreError, match="stays: without it only 0 good sets are left"):
        opened(place).remove(set_id)
    assert [one["id"] for one in kept(place, state="listed").data["sets"]] == [set_id]


def opened(place: Path) -> Any:
    given = settings(
        place,
        sources=sources(place),
        store="restic",
        repository=str(place / "repository"),
        repository_password=PASSWORD,
    )
    return open_store(given, choose_host())


def test_a_set_is_read_back_beside_as_it_was(place: Path, tmp_path: Path) -> None:
    take(place)
    store = opened(place)
    (newest,) = store.catalog().sets
    reader = store.reader(newest, tmp_path, lambda: None)
    entry = newest.manifest.sources[0]
    into = tmp_path / "into"
    into.mkdir()
    notes = reader.tree(entry, into, Bench(into, tmp_path, choose_host()))
    assert notes.counts == {}
    (place / "config" / "pipe").unlink()
    back = into / str(place / "config").lstrip("/")
    expected = tree(place / "config")
    for gone in ("trace.log", "logs", "logs/x"):
        expected.pop(gone, None)
    assert tree(back) == expected
    with reader.payload("main/database.sqlite") as path, closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (100,)
    assert not path.exists()


def test_a_target_that_is_not_empty_is_refused(place: Path, tmp_path: Path) -> None:
    take(place)
    store = opened(place)
    (newest,) = store.catalog().sets
    (tmp_path / "into").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "into" / str(place).strip("/").partition("/")[0]).symlink_to(tmp_path / "precious")
    with pytest.raises(ActionFailed, match="not empty"):
        store.reader(newest, tmp_path, lambda: None).tree(
            newest.manifest.sources[0], tmp_path / "into", Bench(tmp_path, tmp_path, choose_host())
        )
    assert list((tmp_path / "precious").iterdir()) == []


@pytest.mark.parametrize("how", ["missing", "changed", "more"])
def test_what_restic_restores_otherwise_than_it_should_is_refused(place: Path, tmp_path: Path, how: str) -> None:
    take(place)
    spoil = {"missing": "rm -f {}/a.yml", "changed": "echo x > {}/a.yml", "more": "touch {}/more"}[how]
    wrapper = place / "restic"
    there = '"$5"' + str(place / "config")
    wrapper.write_text(f'#!/bin/sh\n{RESTIC} "$@"; rc=$?\n[ -e {there} ] && {spoil.format(there)}\nexit $rc\n')
    wrapper.chmod(0o755)
    store = opened(place)
    (newest,) = store.catalog().sets
    reader = store.reader(newest, tmp_path, lambda: None)
    (tmp_path / "into").mkdir()
    reader._restic.repository = reader._restic.repository._replace(program=str(wrapper))
    with pytest.raises(ActionFailed, match=r"a\.yml|more"):
        reader.tree(newest.manifest.sources[0], tmp_path / "into", Bench(tmp_path, tmp_path, choose_host()))
