# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area on real files: plan equals run, twice changes nothing, nothing is half done, nothing is claimed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import make as making
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import publish as publishing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    InputError,
    LockHeld,
    ToolMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock

from .examples import DAY, act, database, files, found, sqlite, status, steps, tree

TRULY = type(choose_host())
DAILY = {"daily": 1, "min_keep": 1}


class At(TRULY):
    """This host with a clock of its own."""

    def __init__(self, now: float) -> None:
        super().__init__(600.0)
        self.clock = now

    def now(self) -> float:
        return self.clock


@pytest.fixture
def sources(tmp_path) -> list[dict]:
    (tmp_path / "config").mkdir()
    for name in (".env", "a.yml", "new\nline", "umlaut-ä b"):
        (tmp_path / "config" / name).write_text(name * 50)
    return [files("config", tmp_path / "config"), sqlite("main", database(tmp_path / "app.db"))]


def sets(folder: Path) -> list[str]:
    return [found.id for found in read_catalog(folder / "backups", choose_host()).sets]


def names(folder: Path) -> set[str]:
    path = folder / "backups"
    return {entry.name for entry in path.iterdir()} if path.exists() else set()


def test_a_set_is_taken_verified_published_and_listed(tmp_path, sources):
    result = act(tmp_path, sources=sources)
    assert (result.failure, result.changed, result.status) == ("", True, "ok")
    assert steps(result) == [("back up", "config"), ("back up", "main"), ("verify", "regular"), ("publish", "regular")]
    assert result.data["set"]["verified"] == "L2"
    assert os.readlink(tmp_path / "backups" / "latest") == result.data["set"]["id"]
    listed = act(tmp_path, state="listed")
    assert [one["id"] for one in listed.data["sets"]] == [result.data["set"]["id"]]
    assert listed.changed is False


def test_check_mode_plans_exactly_what_the_run_does(tmp_path, sources):
    for age in (9, 8, 7):
        act(tmp_path, sources=sources, host=At(choose_host().now() - age * DAY))
    (tmp_path / "backups" / "20200101T000000Z-000000.deleting").mkdir()
    before = tree(tmp_path)
    given = {"sources": sources, "retention": {"daily": 2, "min_keep": 2}}
    planned = act(tmp_path, check_mode=True, **given)
    assert tree(tmp_path) == before
    done = act(tmp_path, **given)
    assert steps(planned) == steps(done)
    assert planned.changed is done.changed is True
    assert {one.state for one in planned.actions} == {"planned"}
    assert {one.state for one in done.actions} == {"done"}
    assert [action for action, _subject in steps(done)].count("prune") == 2


def test_a_second_run_changes_nothing(tmp_path, sources):
    given = {"sources": sources, "fresh_for": "20h", "retention": DAILY}
    act(tmp_path, **given)
    before = tree(tmp_path)
    for check_mode in (True, False):
        again = act(tmp_path, check_mode=check_mode, **given)
        assert (again.changed, again.failure) == (False, "")
        assert {one.state for one in again.actions} == {"skipped"}
        assert status(again, "backup.taken") == "ok"
    assert tree(tmp_path) == before


@pytest.mark.case("BK11")
def test_a_name_is_a_label_and_each_run_makes_a_set_of_now(tmp_path, sources):
    given = {"sources": sources, "name": "pre_change", "reason": "upgrade", "requested_by": "me", "pin_until": "30d"}
    first = act(tmp_path, host=At(choose_host().now() - 2), **given)  # sets of one second have no order
    planned, again = act(tmp_path, check_mode=True, **given), act(tmp_path, **given)
    assert steps(planned) == steps(again) == steps(first)
    assert again.data["set"]["id"] != first.data["set"]["id"]
    assert [first.data["set"][key] for key in ("name", "reason", "requested_by")] == ["pre_change", "upgrade", "me"]
    assert first.data["set"]["pin_until"] is not None
    looked = act(tmp_path, state="verified", set="pre_change").data["verifications"]
    assert [one["set"] for one in looked] == [again.data["set"]["id"]]


@pytest.mark.case("BK11")
def test_a_good_set_of_that_name_counts_where_fresh_for_says_so(tmp_path, sources):
    given = {"sources": sources, "name": "pre_change", "fresh_for": "1h"}
    first, again = act(tmp_path, **given), act(tmp_path, **given)
    assert (again.changed, again.data["set"]["id"]) == (False, first.data["set"]["id"])
    for payload in (tmp_path / "backups" / first.data["set"]["id"]).glob("*/*"):
        payload.unlink()
    broken = act(tmp_path, **given)
    assert broken.data["set"]["id"] != first.data["set"]["id"]
    other = act(tmp_path, **{**given, "sources": sources[:1]})
    assert other.changed is False
    more = act(tmp_path, **{**given, "sources": [*sources, files("logs", tmp_path / "config", exclude=["a.yml"])]})
    assert (more.changed, more.data["set"]["good"]) == (True, True)


def changed(sources: list[dict], **more) -> list[dict]:
    return [{**sources[0], **more}, sources[1]]


@pytest.mark.case("BK12")
@pytest.mark.parametrize("more", ["paths", "exclude", "type"])
def test_a_source_is_what_it_is_declared_to_be(tmp_path, sources, more):
    act(tmp_path, sources=sources, host=At(choose_host().now() - 3600))
    other = {
        "paths": changed(sources, paths=[str(tmp_path / "config"), str(tmp_path / "app.db")]),
        "exclude": changed(sources, exclude=["*.yml"]),
        "type": [sources[0], files("main", tmp_path / "app.db")],
    }[more]
    looked = act(tmp_path, state="verified", sources=other)
    said = [one for one in found(looked, "backup.complete") if one.status != "ok"]
    assert [(one.status, one.subject) for one in said] == [("critical", "main" if more == "type" else "config")]
    assert more in said[0].message
    taken = act(tmp_path, sources=other, fresh_for="20h")
    assert taken.changed is True
    assert {one.status for one in found(taken, "backup.complete")} == {"ok"}
    assert act(tmp_path, sources=other, fresh_for="20h").changed is False


@pytest.mark.case("BK12")
def test_the_order_of_paths_and_how_well_a_source_must_do_are_no_other_source(tmp_path, sources):
    two = changed(sources, paths=[str(tmp_path / "config"), str(tmp_path / "app.db")])
    act(tmp_path, sources=two)
    same = changed(sources, paths=[str(tmp_path / "app.db"), str(tmp_path / "config")], optional=True)
    assert act(tmp_path, sources=same, fresh_for="20h").changed is False


@pytest.mark.case("BK4")
@pytest.mark.parametrize("labels", [("weekly", "daily"), ("regular", "regular")], ids=["two labels", "one label"])
def test_what_a_folder_holds_of_one_source_is_not_pushed_out_by_another(tmp_path, sources, labels):
    """The weekly sets of the configuration beside the daily ones of the database, as they lie in the folder."""
    now, (config, main) = choose_host().now(), sources
    for age in (21, 14, 7):
        act(tmp_path, sources=[config], label=labels[0], host=At(now - age * DAY))
    for age in (3, 2, 1):
        act(tmp_path, sources=[main], label=labels[1], host=At(now - age * DAY))
    kept = {"daily": 2, "min_keep": 1}
    done = act(tmp_path, sources=[main], label=labels[1], retention=kept, state="pruned")
    sets_now = act(tmp_path, state="listed").data["sets"]
    held = sorted(source["name"] for one in sets_now for source in one["sources"])
    assert (done.failure, held) == ("", ["config", "config", "main", "main"])


@pytest.mark.case("BK13")
@pytest.mark.parametrize("good", [True, False], ids=["good", "not good"])
def test_a_set_of_next_year_is_set_aside_and_all_else_goes_on(tmp_path, sources, good):
    now = choose_host().now()
    ahead = act(tmp_path, sources=sources, host=At(now + 365 * DAY)).data["set"]["id"]
    if not good:
        (tmp_path / "backups" / ahead / "verified.json").unlink()
    for age in (3, 2):
        act(tmp_path, sources=sources, host=At(now - age * DAY))
    done = act(tmp_path, sources=sources, fresh_for="20h", retention=DAILY)
    assert [action for action, _subject in steps(done)].count("prune") == 2
    assert done.data["set"]["id"] != ahead
    looked = act(tmp_path, state="verified", sources=sources)
    assert [one["set"] for one in looked.data["verifications"]] == [done.data["set"]["id"]]
    assert done.data["set"]["id"] in found(looked, "backup.age")[0].message
    said = [one for one in found(looked, "backup.clock") if one.status == "warning"]
    assert [(one.subject, f"rm -r {tmp_path / 'backups' / ahead}" in one.remedy) for one in said] == [(ahead, True)]


def test_a_pinned_set_outlives_the_rules_until_its_pin_ends(tmp_path, sources):
    now = choose_host().now()
    pinned = act(tmp_path, sources=sources, host=At(now - 20 * DAY), name="pre", pin_until="30d").data["set"]["id"]
    given = {"sources": sources, "retention": DAILY}
    assert ("prune", pinned) not in steps(act(tmp_path, host=At(now), **given))
    assert ("prune", pinned) in steps(act(tmp_path, host=At(now + 11 * DAY), **given))


def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path, sources):
    before = os.umask(0)
    try:
        act(tmp_path, sources=sources)
    finally:
        os.umask(before)
    for path in [tmp_path / "backups", *(tmp_path / "backups").rglob("*")]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def failing(folder: Path, sources: list[dict], **given) -> str:
    """Run into a failure, prove that nothing came of it, and return its reason."""
    before = {name: value for name, value in tree(folder).items() if name.startswith("backups/")}
    result = act(folder, sources=sources, **given)
    after = {name: value for name, value in tree(folder).items() if name.startswith("backups/")}
    assert after == before
    assert result.failure
    assert not result.changed
    assert result.data["set"] is None
    assert status(result, "backup.taken") == "critical"
    assert all(one.state in ("failed", "skipped") for one in result.actions)
    return result.failure


def test_a_source_that_is_missing_fails_in_check_mode_as_it_does_in_the_run(tmp_path, sources):
    act(tmp_path, sources=sources)
    broken = [*sources, files("logs", tmp_path / "gone")]
    planned = act(tmp_path, check_mode=True, sources=broken)
    assert "logs" in failing(tmp_path, broken)
    assert "gone does not exist" in planned.failure
    assert [(one.action, one.subject, one.state) for one in planned.actions if one.state == "failed"] == [
        ("back up", "logs", "failed")
    ]
    assert status(planned, "backup.source") == "critical"


def test_an_optional_source_that_is_missing_is_left_out_and_said(tmp_path, sources):
    given = {"sources": [*sources, files("logs", tmp_path / "gone", optional=True)]}
    planned, done = act(tmp_path, check_mode=True, **given), act(tmp_path, **given)
    assert steps(planned) == steps(done)
    assert done.failure == ""
    assert "gone does not exist" in done.data["set"]["skipped"]["logs"]
    assert [one.status for one in found(done, "backup.source") if one.subject == "logs"] == ["warning"]


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bulk AS SELECT zeroblob(3000) AS content FROM trades")
        connection.commit()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 9] = b"\xa5" * 4096 * 6
    path.write_bytes(content)


def test_a_source_that_breaks_on_the_way_leaves_no_trace(tmp_path, sources):
    act(tmp_path, sources=sources)
    damage(tmp_path / "app.db")
    assert "main" in failing(tmp_path, sources)
    verified = act(tmp_path, state="verified", sources=sources)
    assert status(verified, "backup.last_run") == "critical"
    assert status(verified, "backup.present") == "ok"


def test_a_run_that_failed_is_named_for_a_week_though_a_later_one_made_it_good(tmp_path, sources):
    act(tmp_path, sources=[*sources, files("gone", tmp_path / "gone")])
    act(tmp_path, sources=sources)
    verified = act(tmp_path, state="verified", sources=sources)
    assert status(verified, "backup.last_run") == "ok"
    [told] = found(verified, "backup.run_errors")
    assert (told.status, told.actual, "the source gone cannot be taken" in told.message) == ("warning", 1, True)
    later = act(tmp_path, state="verified", sources=sources, host=At(time.time() + 8 * DAY))
    assert status(later, "backup.run_errors") == "ok"


def test_an_optional_source_that_breaks_on_the_way_is_left_out_whole(tmp_path, sources):
    damage(tmp_path / "app.db")
    result = act(tmp_path, sources=[sources[0], {**sources[1], "optional": True}])
    assert result.failure == ""
    assert list(result.data["set"]["skipped"]) == ["main"]
    assert not (Path(result.data["set"]["path"]) / "main").exists()
    assert [one.state for one in result.actions if one.subject == "main"] == ["skipped"]


def test_a_set_of_nothing_is_none(tmp_path, sources):
    damage(tmp_path / "app.db")
    assert "none of its sources" in failing(tmp_path, [{**sources[1], "optional": True}])


def test_too_little_room_stops_before_anything_is_written(tmp_path, sources, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1 << 30, 1 << 30, 4096))
    assert "not enough room" in failing(tmp_path, sources)
    assert names(tmp_path) == set()
    assert "not enough room" in act(tmp_path, check_mode=True, sources=sources).failure


def test_what_cannot_be_read_back_is_not_published(tmp_path, sources, monkeypatch):
    real = making.verify

    def damaged_first(manifest, bench, level):
        path = bench.folder / "main" / manifest.sources[1].payloads[0].name.split("/")[1]
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        return real(manifest, bench, level)

    monkeypatch.setattr(making, "verify", damaged_first)
    assert "could not be read back" in failing(tmp_path, sources)


def test_a_compression_that_is_not_there_is_an_error_in_both_modes(tmp_path, sources, monkeypatch):
    monkeypatch.setattr(TRULY, "which", lambda *_unused: None)
    for check_mode in (True, False):
        with pytest.raises(ToolMissing):
            act(tmp_path, check_mode=check_mode, sources=sources, compression="zstd")


def test_time_that_is_up_leaves_no_trace(tmp_path, sources):
    class Late(TRULY):
        """A host whose time is up once the archive is begun."""

        def remaining(self) -> float:
            if any((tmp_path / "backups").glob("*.partial/config/*")):
                raise ToolTimeout("the run", 1.0)
            return super().remaining()

    result = act(tmp_path, sources=sources, host=Late(600.0))
    assert "was ended after" in result.failure
    assert names(tmp_path) == set()


def test_another_run_on_this_host_is_waited_for_by_nobody(tmp_path, sources):
    with (
        host_lock(str(tmp_path / "state"), "W1.3 db_vacuum", choose_host()),
        pytest.raises(LockHeld, match="db_vacuum"),
    ):
        act(tmp_path, sources=sources)


def test_looking_needs_no_lock(tmp_path, sources):
    act(tmp_path, sources=sources)
    with host_lock(str(tmp_path / "state"), "W1.3 db_vacuum", choose_host()):
        assert act(tmp_path, state="verified").status == "ok"
        assert act(tmp_path, check_mode=True, sources=sources).changed


def test_an_emptied_source_makes_a_set_that_does_not_count_and_removes_none(tmp_path, sources):
    now = choose_host().now()
    for age in (3, 2):
        act(tmp_path, sources=sources, host=At(now - age * DAY))
    good = sets(tmp_path)
    for path in (tmp_path / "config").iterdir():
        path.unlink()
    result = act(tmp_path, sources=sources, retention=DAILY)
    assert result.failure == ""
    assert status(result, "backup.size_anomaly") == "critical"
    assert result.data["set"]["good"] is False
    assert [one.state for one in result.actions if one.action == "prune"] == ["skipped"] * 2
    assert set(good) < set(sets(tmp_path))
    assert os.readlink(tmp_path / "backups" / "latest") == good[-1]
    evidence = json.loads((Path(result.data["set"]["path"]) / "verified.json").read_text())
    assert evidence["ok"] is False


def test_an_anomaly_that_a_person_accepted_counts(tmp_path, sources):
    act(tmp_path, sources=sources)
    for path in (tmp_path / "config").iterdir():
        path.unlink()
    result = act(tmp_path, sources=sources, accept_anomaly=True)
    assert (result.data["set"]["good"], status(result, "backup.size_anomaly")) == (True, "ok")


def test_the_backups_do_not_back_up_themselves(tmp_path, sources):
    everything = [files("all", tmp_path), sources[1]]
    for _unused in range(2):
        result = act(tmp_path, sources=everything, compression="none")
    with tarfile.open(Path(result.data["set"]["path"]) / "all" / "archive.tar") as archive:
        taken = [f"/{member.name}" for member in archive if member.isfile()]
    assert str(tmp_path / "config" / "a.yml") in taken
    assert [path for path in taken if path.startswith(str(tmp_path / "backups"))] == []


def test_what_died_is_swept_and_what_lives_is_not(tmp_path, sources):
    act(tmp_path, sources=sources)
    dead, living = [publishing.partial_of(tmp_path / "backups", f"20200101T000000Z-00000{n}") for n in (1, 2)]
    for partial in (dead, living):
        publishing.begin(partial, choose_host())
    owner = json.loads((dead / "owner.json").read_text())
    (dead / "owner.json").write_text(json.dumps({**owner, "pid": 4194303, "until": 0}))
    verified = act(tmp_path, state="verified")
    assert [dead.name in one.message for one in found(verified, "backup.leftover") if one.status == "warning"] == [True]
    result = act(tmp_path, sources=sources, fresh_for="1h")
    assert ("sweep", dead.name) in steps(result)
    assert result.changed is True
    assert not dead.exists()
    assert living.exists()
    assert status(result, "backup.leftover") == "ok"


def test_pruning_alone(tmp_path, sources):
    now = choose_host().now()
    for age in (5, 4, 3):
        act(tmp_path, sources=sources, host=At(now - age * DAY))
    first = sets(tmp_path)
    planned = act(tmp_path, state="pruned", check_mode=True, retention=DAILY)
    assert sets(tmp_path) == first
    done = act(tmp_path, state="pruned", retention=DAILY)
    assert steps(planned) == steps(done) == [("prune", first[0]), ("prune", first[1])]
    assert (planned.changed, done.changed) == (True, True)
    assert sets(tmp_path) == first[2:]
    again = act(tmp_path, state="pruned", retention=DAILY)
    assert (again.changed, again.actions) == (False, [])


def test_pruning_after_a_jump_of_the_clock_removes_nothing(tmp_path, sources):
    now = choose_host().now()
    for age in (5, 4, 3):
        act(tmp_path, sources=sources, host=At(now - age * DAY))
    result = act(tmp_path, state="pruned", retention=DAILY, host=At(now + 365 * DAY))
    assert (result.changed, status(result, "backup.clock")) == (False, "critical")
    assert len(sets(tmp_path)) == 3


def test_verifying_writes_evidence_and_in_check_mode_nothing(tmp_path, sources):
    act(tmp_path, sources=sources)
    payload = next((tmp_path / "backups").glob("*Z-*/config/archive*"))
    content = payload.read_bytes()
    payload.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = tree(tmp_path)
    looked = act(tmp_path, state="verified", check_mode=True)
    assert status(looked, "backup.checksum") == "critical"
    assert status(looked, "backup.present") == "critical"
    assert tree(tmp_path) == before
    assert act(tmp_path, state="listed").data["sets"][0]["good"] is True
    result = act(tmp_path, state="verified")
    assert result.changed is False
    assert act(tmp_path, state="listed").data["sets"][0]["good"] is False
    payload.write_bytes(content)
    act(tmp_path, state="verified", verify_level="L1")
    assert act(tmp_path, state="listed").data["sets"][0]["verified"] == "L1"


def test_which_sets_are_verified(tmp_path, sources):
    now = choose_host().now()
    act(tmp_path, sources=sources, host=At(now - DAY), name="old")
    act(tmp_path, sources=sources)
    first, second = sets(tmp_path)
    looked = {
        which: [one["set"] for one in act(tmp_path, state="verified", set=which).data["verifications"]]
        for which in ("newest", "all", first, "old")
    }
    assert looked == {"newest": [second], "all": [first, second], first: [first], "old": [first]}
    with pytest.raises(InputError, match="set is 'other'"):
        act(tmp_path, state="verified", set="other")


def test_verifying_with_no_backup_at_all_says_so(tmp_path, sources):
    result = act(tmp_path, state="verified", sources=sources)
    assert result.status == "critical"
    assert status(result, "backup.present") == "critical"
    assert names(tmp_path) == set()


def test_a_secret_is_nowhere_in_a_result(tmp_path):
    secret = "hunter2-hunter2"
    login = {"name": "pg", "type": "postgresql", "login_host": "127.0.0.1", "login_port": 1, "login_password": secret}
    result = act(tmp_path, sources=[login])
    assert result.failure
    assert secret not in json.dumps(result.as_dict(), default=str)
    assert secret not in (tmp_path / "state" / "backup.json").read_text()
