# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and SQLite databases go back in their place, whole or in part; what is wrong is refused, nothing touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act as backup_run
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import act, survey, swap
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.choose import RestoreRefused

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can prove that nobody has a file open")
pytestmark = ROOT


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path)
    lab.install()
    lab.restored, lab.set = lab.digest(), lab.back_up()
    lab.spoil()
    lab.before = lab.digest()
    return lab


def refused(lab: Lab, **options: Any) -> str:
    """Return why a restore is refused, having seen that nothing was touched and nothing is left."""
    with pytest.raises(CoreError) as error:
        lab.restore(**options)
    assert lab.digest() == lab.before
    assert lab.leftovers() == []
    assert not (lab.root / "state" / "restores").exists() or not list((lab.root / "state" / "restores").iterdir())
    return str(error.value)


def test_all_of_it_comes_back_and_the_state_before_is_in_a_set(lab: Lab) -> None:
    result = lab.restore()
    assert (result.failure, lab.digest()) == ("", lab.restored)
    assert not (lab.app / "config" / "new.yml").exists()
    assert (lab.app / "config" / "logs" / "one.log").read_text() == "after\n", "what no set has moves along"
    assert result.metrics
    again = lab.restore(set=result.data["restore"]["safety_set"])
    assert (again.failure, lab.digest()) == ("", lab.before)


@pytest.mark.skipif(shutil.which("restic") is None, reason="no restic on this machine")
def test_it_comes_back_from_a_repository_of_restic_as_well(lab: Lab) -> None:
    shutil.rmtree(lab.app)
    lab.install()
    store = {"store": "restic", "repository": str(lab.root / "repo"), "repository_password": "w1nter-s3cret"}
    number = lab.back_up(**store)
    lab.spoil()
    result = lab.restore(set=number, **store)
    assert (result.failure, lab.digest()) == ("", lab.restored)
    assert lab.restore(state="rolled_back", **store).failure == ""
    assert lab.digest() == lab.before
    again = lab.restore(set=number, files=["*/config/bot.yml"], **store)
    assert (again.failure, (lab.app / "config" / "bot.yml").read_text()) == ("", "pair: BTC\n")
    shutil.rmtree(lab.app)
    assert (lab.restore(set=number, **store).failure, lab.digest()) == ("", lab.restored)


def test_an_incremental_set_brings_back_what_lies_in_the_ones_before(lab: Lab) -> None:
    shutil.rmtree(lab.app)
    lab.install()
    lab.back_up()
    (lab.app / "config" / "second.yml").write_text("second\n")
    number, second = lab.back_up(incremental=True), lab.digest()
    parts = (lab.root / "backups" / number / "manifest.json").read_text()
    assert "parent" in parts, "it is an incremental set"
    lab.spoil()
    assert (lab.restore(set=number).failure, lab.digest()) == ("", second)


def test_the_plan_is_what_the_run_does_and_touches_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "TELLING", 1)  # so small a restore tells no pace otherwise
    planned = lab.restore(check=True)
    assert (lab.digest(), lab.leftovers()) == (lab.before, [])
    done = lab.restore()
    assert [(a.action, a.subject) for a in planned.actions] == [(a.action, a.subject) for a in done.actions]
    assert planned.data["plan"]["bytes"] == done.data["plan"]["bytes"] > 0
    measured = lab.restore(check=True).data["plan"]
    assert (planned.data["plan"]["pace_measured"], measured["pace_measured"]) == (False, True)


def test_a_destroyed_installation_comes_back(lab: Lab) -> None:
    shutil.rmtree(lab.app)
    result = lab.restore()
    assert (result.failure, lab.digest()) == ("", lab.restored)
    [said] = [finding for finding in result.findings if finding.check == "restore.safety_set"]
    assert (said.status, said.message.count("is not in the safety set")) == ("warning", 2)
    assert lab.restore(state="rolled_back").failure == ""
    assert not lab.app.exists(), "the state before: nothing"


def test_what_a_restore_replaced_is_never_the_newest_backup(lab: Lab) -> None:
    assert lab.restore(only=["config"]).data["restore"]["safety_set"]
    looked = backup_run(lab.root, state="verified", sources=lab.sources)
    assert {found.status for found in looked.findings if found.check == "backup.complete"} == {"ok"}
    assert os.readlink(lab.root / "backups" / "latest") == lab.set


def test_an_older_restore_is_not_taken_back_from_under_a_newer_one(lab: Lab) -> None:
    older = lab.restore(only=["config"]).data["restore"]["id"]
    newer = lab.restore().data["restore"]["id"]
    for check in (True, False):
        with pytest.raises(RestoreRefused, match=f"{newer} came after {older}"):
            lab.restore(state="rolled_back", restore=older, check=check)
    assert lab.digest() == lab.restored
    for restore in (newer, older):
        assert lab.restore(state="rolled_back", restore=restore).failure == ""
    assert lab.digest() == lab.before
    assert (lab.app / "config" / "logs" / "one.log").read_text() == "after\n", "what no set has is in its place"


def test_a_folder_that_somebody_else_has_put_there_is_not_moved_away(lab: Lab) -> None:
    lab.restore()
    os.rename(lab.app / "config", lab.app / "config.aside")
    (lab.app / "config" / "logs").mkdir(parents=True)
    with pytest.raises(RestoreRefused, match="is not what the restore has put there"):
        lab.restore(state="rolled_back")
    assert (lab.app / "config" / "logs").is_dir()
    shutil.rmtree(lab.app / "config")
    os.rename(lab.app / "config.aside", lab.app / "config")
    assert (lab.restore(state="rolled_back").failure, lab.digest()) == ("", lab.before)


def test_a_stale_log_does_not_bring_the_old_rows_back(lab: Lab) -> None:
    lab.leave_a_log()
    assert lab.restore().failure == ""
    assert lab.digest() == lab.restored
    assert lab.restore(state="rolled_back").failure == ""
    assert "only in the log" in str(lab.sql("SELECT * FROM trades"))


def test_that_test_would_see_a_log_that_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.leave_a_log()
    monkeypatch.setattr(swap, "BESIDE", ())
    lab.restore()
    assert Path(f"{lab.database}-wal").exists()


def test_one_source_one_table_one_file(lab: Lab) -> None:
    assert lab.restore(only=["database"]).failure == ""
    assert (lab.app / ".env").read_text() == "KEY=2\n"
    lab.restore(state="rolled_back")
    assert lab.restore(only=["database"], tables=["trades"]).failure == ""
    assert (lab.sql("SELECT count(*) FROM trades"), lab.sql("SELECT count(*) FROM users")) == ([(50,)], [(3,)])
    assert lab.restore(files=["*/config/deep/*"]).failure == ""
    assert (lab.app / "config" / "deep" / "keys.yml").exists()
    assert (lab.app / "config" / "bot.yml").read_text() == "pair: SPOILT\n"


def test_a_table_with_a_trigger_or_other_columns_is_refused_and_all_is_as_before(lab: Lab) -> None:
    lab.sql("ALTER TABLE users ADD COLUMN name TEXT")
    before = lab.digest()
    result = lab.restore(only=["database"], tables=["users"])
    assert "other columns" in result.failure and "as it was before" in result.failure
    assert (lab.digest(), lab.leftovers()) == (before, [])
    lab.sql("CREATE TRIGGER t AFTER DELETE ON trades BEGIN DELETE FROM users; END")
    assert "has a trigger" in lab.restore(only=["database"], tables=["trades"]).failure


def test_into_a_folder_touches_nothing_else(lab: Lab) -> None:
    into = lab.root / "look"
    assert lab.restore(into=str(into)).failure == ""
    assert lab.digest() == lab.before
    assert (into / "config").is_dir()
    assert "not empty" in refused(lab, into=str(into))


def test_by_time_and_by_label(lab: Lab) -> None:
    assert "begun before 2020-01-01T00:00:00Z" in refused(lab, time="2020-01-01T00:00:00Z")
    assert "with the label weekly" in refused(lab, label="weekly")
    assert lab.restore(time="2100-01-01T00:00:00Z").data["plan"]["set"] == lab.set


def changed(lab: Lab, **values: Any) -> None:
    """Rewrite the manifest of the set with another seal, as somebody with the right to write would."""
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import seal

    path = lab.root / "backups" / lab.set / "manifest.json"
    document = {**json.loads(path.read_text()), **values}
    document.pop("sha256")
    path.write_bytes(seal(document))


def test_a_set_of_another_host_is_refused_unless_it_is_named(lab: Lab) -> None:
    changed(lab, host="elsewhere")
    assert "give from_host: elsewhere" in refused(lab, set=lab.set)
    assert lab.restore(set=lab.set, from_host="elsewhere").failure == ""


def test_a_source_that_is_declared_otherwise_is_refused_unless_told(lab: Lab) -> None:
    other = [{**lab.sources[0], "exclude": []}, lab.sources[1]]
    assert "give accept_other" in refused(lab, sources=other)
    assert lab.restore(sources=other, accept_other=True).failure == ""


def test_a_source_is_never_put_where_none_is_declared(lab: Lab) -> None:
    other = [{**lab.sources[0], "paths": [str(lab.app / "config")]}, lab.sources[1]]
    assert "would be put at" in refused(lab, sources=other, accept_other=True)
    assert "no source of the name database" in refused(lab, sources=lab.sources[:1])


def test_a_changed_byte_or_manifest_is_refused(lab: Lab) -> None:
    path = lab.root / "backups" / lab.set / "database" / "database.sqlite"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    assert "does not hold (L1)" in refused(lab)
    manifest = lab.root / "backups" / lab.set / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"pair', '"p4ir').replace("database", "datadase", 1))
    assert "manifest does not hold" in refused(lab, set=lab.set)


def test_that_gate_is_needed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look at the set now the reader still stops it, beside, and it is taken back."""
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import run

    path = lab.root / "backups" / lab.set / "database" / "database.sqlite"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(run, "_verify", lambda *_: None)
    result = lab.restore()
    assert "everything is as it was before" in result.failure
    assert (lab.digest(), lab.leftovers()) == (lab.before, [])


def test_a_writer_that_nothing_holds_down_is_refused(lab: Lab) -> None:
    writer = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM users'); "
        "print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", writer, str(lab.database)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            assert f"(pid {process.pid}) has {lab.database} open, and nothing holds that down" in refused(lab)
        finally:
            process.kill()
    assert lab.restore().failure == ""


def test_one_that_comes_after_the_plan_is_found_before_the_swap(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_require_unheld", lambda *_: None)
    with (lab.app / ".env").open():
        child = subprocess.Popen(["sleep", "60"], stdin=(lab.app / ".env").open())
        try:
            result = lab.restore()
        finally:
            child.kill()
            child.wait()
    assert ".env open, so nothing is swapped" in result.failure
    assert (lab.digest(), lab.leftovers()) == (lab.before, [])


def test_without_room_nothing_is_begun(lab: Lab) -> None:
    assert "there is not enough room" in refused(lab, space_factor=1e15)


def test_a_mount_point_is_no_target(lab: Lab) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", lab.app / "config"], check=True)
    try:
        with pytest.raises(CoreError, match="is a file system of its own"):
            lab.restore()
    finally:
        subprocess.run(["umount", lab.app / "config"], check=True)


def test_a_folder_of_another_account_is_never_worked_in(lab: Lab) -> None:
    os.chown(lab.app, 65534, 65534)
    result = lab.restore()
    assert result.failure == ""
    assert Path(result.data["restore"]["folders"][0]).parent == lab.root, "the nearest folder that is ours alone"


@pytest.mark.parametrize("step", ["_restore", "_prove", "_swap"])
def test_what_fails_before_the_end_of_the_swap_is_taken_back(
    lab: Lab, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, name = step.lstrip("_"), str(lab.database)
    own, calls = act._DO[action], []

    def failing(work: Any, subject: str) -> str:
        calls.append(subject)
        if subject in (name, "database", "open files"):
            raise OSError(28, "No space left on device")
        return own(work, subject)

    monkeypatch.setitem(act._DO, action, failing)
    result = lab.restore(safety_set=False)
    assert "everything is as it was before" in result.failure
    assert (lab.digest(), lab.leftovers()) == (lab.before, [])
    assert {action.state for action in result.actions} == {"done", "failed", "skipped"}


def test_a_restore_that_is_half_done_bars_another_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> tuple[str, ...]:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as context:
        context.setitem(act._DO, "prove", broken)
        context.setattr(act, "go_back", broken)
        assert "going back failed too" in lab.restore(safety_set=False).failure
    with pytest.raises(CoreError, match="was interrupted and its services are held down"):
        lab.restore()
    listed = lab.restore(state="listed")
    assert [f.status for f in listed.findings if f.check == "restore.under_way"] == ["critical"]
    assert lab.restore(state="rolled_back").failure == ""
    assert lab.digest() == lab.before
    assert lab.restore().failure == ""


def test_what_is_kept_goes_when_its_time_is_over_and_not_before(lab: Lab) -> None:
    lab.restore(keep_old="1h")
    assert lab.restore(state="tidied").actions == []
    assert len(lab.leftovers()) == 1
    lab.restore(only=["config"], keep_old="0")
    assert len(lab.restore(state="tidied").actions) == 1
    assert len(lab.leftovers()) == 1


def test_who_opens_a_file_between_the_proof_and_the_swap_is_named_afterwards(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, forwards = list[subprocess.Popen[bytes]](), swap.forwards

    def opened_just_before(unit: Any) -> None:
        if unit.kind == "sqlite":
            with open(unit.target, "rb") as file:
                late.append(subprocess.Popen(["sleep", "60"], stdin=file))
        forwards(unit)

    monkeypatch.setattr(swap, "forwards", opened_just_before)
    try:
        result = lab.restore()
        assert f"(pid {late[0].pid}) has" in result.failure
        assert "swapped out under it" in result.failure
        assert lab.digest() == lab.restored, "the restored state is in its place"
    finally:
        for process in late:
            process.kill()
            process.wait()
    assert lab.restore(state="rolled_back").failure == ""
    assert lab.digest() == lab.before
