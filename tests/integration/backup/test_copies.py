# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of sets elsewhere, for real: what is there afterwards is looked at by other code than the area's own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import act, found, status, steps

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies import act as copies_act

from ..faults.backup_lab import answer, leftovers, run, small_disk, visible_sets

MEGABYTE = 1 << 20
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount, or change owners")


@pytest.fixture(autouse=True)
def config(tmp_path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "app.yml").write_text("key: 1")
    (folder / "large").write_bytes(os.urandom(3 * MEGABYTE))
    return folder


def take(place: Path, *copies: dict, **more):
    """Take a set, copy it; one a second, so that they have an order."""
    if (place / "backups").exists() and more.get("state", "present") == "present":
        time.sleep(1.01 - time.time() % 1)
    sources = [{"name": "config", "type": "files", "path": str(place / "config")}]
    return act(place, sources=sources, copies=list(copies), **more)


def disk(place: Path, name: str = "disk", **more) -> dict:
    return {"name": name, "type": "folder", "path": str(place / "elsewhere" / name), "mounted": False, **more}


def ids(folder: Path) -> list[str]:
    return sorted(visible_sets(folder))


# --- each kind of place ---


def test_a_set_is_copied_and_another_run_copies_the_next(tmp_path, elsewhere):
    first, second = (take(tmp_path, elsewhere.options).data["set"]["id"] for _run in range(2))
    assert ids(elsewhere.folder) == [first, second]
    assert leftovers(elsewhere.folder) == []
    for set_id in (first, second):
        here, there = tmp_path / "backups" / set_id, elsewhere.folder / set_id
        assert (here / "manifest.json").read_bytes() == (there / "manifest.json").read_bytes()
        assert sorted(os.listdir(here)) == sorted(os.listdir(there))


def test_check_mode_plans_just_what_a_run_does(tmp_path, elsewhere):
    more = {"retention": {"daily": 1, "min_keep": 1}}
    take(tmp_path, **more)
    take(tmp_path, elsewhere.options, **more)
    planned = take(tmp_path, elsewhere.options, check_mode=True, **more)
    before = sorted(os.listdir(elsewhere.folder))
    done = take(tmp_path, elsewhere.options, **more)
    assert steps(planned) == steps(done)
    assert before != sorted(os.listdir(elsewhere.folder))
    assert {one.state for one in done.actions} == {"done"}
    assert ids(elsewhere.folder) == [done.data["set"]["id"]]
    assert leftovers(elsewhere.folder) == []


def test_what_was_missed_is_made_up_newest_and_then_oldest_first_and_bounded(tmp_path, elsewhere):
    old = [take(tmp_path).data["set"]["id"] for _run in range(3)]
    new = take(tmp_path, elsewhere.options, copies_at_once=1).data["set"]["id"]
    assert ids(elsewhere.folder) == [old[0], new]
    again = take(tmp_path, elsewhere.options, copies_at_once=1, fresh_for="1h")
    assert again.data["set"]["id"] == new
    assert ids(elsewhere.folder) == [*old, new]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "one bit": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: os.truncate(path, 0),
}


def test_damage_of_a_copy_is_found_and_remembered_and_holds_the_others(tmp_path, elsewhere):
    more = {"retention": {"daily": 1, "min_keep": 1}}
    first = take(tmp_path, elsewhere.options).data["set"]["id"]
    second = take(tmp_path, elsewhere.options).data["set"]["id"]
    DAMAGES["one bit"](next((elsewhere.folder / second / "config").glob("archive*")))
    look = take(tmp_path, elsewhere.options, state="verified", copies_reread=True)
    [told] = found(look, "backup.copy_sound")
    assert told.status == "critical"
    assert second in told.subject
    [told] = found(take(tmp_path, elsewhere.options, state="verified"), "backup.copy_sound")
    assert told.status == "critical", "a later look that reads nothing again forgot it"
    pruned = take(tmp_path, elsewhere.options, state="pruned", **more)
    assert not [one for one in pruned.actions if one.state == "done" and " at " in one.subject]
    assert first in os.listdir(elsewhere.folder)


@pytest.mark.parametrize("damage", ["cut", "removed", "emptied"])
def test_what_sizes_tell_is_found_at_each_look(tmp_path, damage):
    set_id = take(tmp_path, disk(tmp_path)).data["set"]["id"]
    DAMAGES[damage](next((tmp_path / "elsewhere" / "disk" / set_id / "config").glob("archive*")))
    [told] = found(take(tmp_path, disk(tmp_path), state="verified"), "backup.copy_sound")
    assert (told.status, told.subject) == ("critical", f"disk/{set_id}")


def test_nothing_goes_on_the_word_of_yesterday(tmp_path, elsewhere):
    """The newest copy rots after it was written and nobody looked: pruning itself reads it before anything goes."""
    first = take(tmp_path, elsewhere.options).data["set"]["id"]
    second = take(tmp_path, elsewhere.options).data["set"]["id"]
    DAMAGES["one bit"](next((elsewhere.folder / second / "config").glob("archive*")))
    result = take(tmp_path, elsewhere.options, state="pruned", retention={"daily": 1, "min_keep": 1})
    assert first in os.listdir(elsewhere.folder)
    assert [one for one in result.actions if "is damaged, so nothing else goes" in one.reason]


def test_another_set_under_the_name_of_ours_is_told(tmp_path, elsewhere):
    set_id = take(tmp_path, elsewhere.options).data["set"]["id"]
    path = elsewhere.folder / set_id / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["reason"] = "forged"
    del manifest["sha256"]
    text = json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")
    [told] = found(take(tmp_path, elsewhere.options, state="verified"), "backup.copy_sound")
    assert (told.status, "another one than that of the set of this id here" in told.message) == ("critical", True)


def test_a_damaged_set_here_goes_nowhere(tmp_path, elsewhere):
    """It counted when the run began; what is read on the way out decides."""
    set_id = take(tmp_path).data["set"]["id"]
    DAMAGES["one bit"](next((tmp_path / "backups" / set_id / "config").glob("archive*")))
    result = take(tmp_path, elsewhere.options, fresh_for="1h")
    assert result.failure
    assert not elsewhere.folder.exists() or os.listdir(elsewhere.folder) == []


def test_each_place_has_its_own_retention_and_labels(tmp_path, elsewhere):
    own = {**elsewhere.options, "retention": {"daily": 1, "min_keep": 2}}
    monthly = disk(tmp_path, "archive", labels=["monthly"], max_age_hours=800)
    result = [take(tmp_path, own, monthly) for _run in range(3)][-1]
    assert result.failure == ""
    assert len(ids(elsewhere.folder)) == 2
    assert len(ids(tmp_path / "backups")) == 3
    assert not (tmp_path / "elsewhere" / "archive").exists()
    last = take(tmp_path, own, monthly, label="monthly").data["set"]["id"]
    assert ids(tmp_path / "elsewhere" / "archive") == [last]


@as_root
@pytest.mark.parametrize("kind", ["folder", "sftp", "rclone"])
@pytest.mark.parametrize("foreseen", [True, False], ids=["foreseen", "on the way"])
def test_a_place_that_is_full_harms_nobody(tmp_path, request, kind, foreseen, monkeypatch):
    if not foreseen:
        for owner in ("folder.Folder", "sftp.SftpFolder", "rclone.Remote"):
            monkeypatch.setattr(f"{copies_act.__package__}.{owner}.free", lambda _place: 1 << 40)
    (tmp_path / "elsewhere").mkdir()
    with small_disk(tmp_path / "elsewhere" / "full", "2m") as small:
        options = {
            "folder": lambda: disk(tmp_path, "full"),
            "sftp": lambda: request.getfixturevalue("sshd").options(small),
            "rclone": lambda: request.getfixturevalue("rclone")(small),
        }[kind]()
        result = take(tmp_path, options, disk(tmp_path, "good"), copies_policy="any")
        assert result.failure == ""
        assert os.listdir(small) == []
    set_id = result.data["set"]["id"]
    assert ids(tmp_path / "elsewhere" / "good") == ids(tmp_path / "backups") == [set_id]
    told = {one.subject: one.status for one in found(result, "backup.copy")}
    assert told == {options["name"]: "warning", "good": "ok"}
    assert [one.state for one in result.actions if one.action == "copy"] == ["failed", "done"]


@pytest.mark.parametrize(("policy", "fails"), [("all", True), ("2", True), ("any", False), ("1", False)])
def test_the_policy_says_how_many_must_have_it(tmp_path, policy, fails):
    away = {"name": "away", "type": "folder", "path": str(tmp_path / "nothing" / "mounted")}
    result = take(tmp_path, away, disk(tmp_path, "good"), copies_policy=policy)
    assert bool(result.failure) is fails
    assert status(result, "backup.copies") == ("critical" if fails else "ok")
    assert status(result, "backup.taken") == "ok"
    assert len(ids(tmp_path / "elsewhere" / "good")) == 1


# --- a folder that is mounted, or not ---


@as_root
def test_where_nothing_is_mounted_nothing_is_written_and_later_it_is_made_up(tmp_path):
    mount = tmp_path / "nas"
    mount.mkdir()
    options = {"name": "nas", "type": "folder", "path": str(mount / "host"), "mount": str(mount)}
    first = take(tmp_path, options)
    assert "nothing is mounted" in first.failure
    assert os.listdir(mount) == []
    os.rmdir(mount)
    with small_disk(mount, "24m"):
        second = take(tmp_path, options)
        assert second.failure == ""
        assert ids(mount / "host") == [first.data["set"]["id"], second.data["set"]["id"]]


@as_root
def test_a_mount_that_became_read_only_harms_nobody(tmp_path):
    with small_disk(tmp_path / "nas", "24m") as nas:
        options = {"name": "nas", "type": "folder", "path": str(nas)}
        first = take(tmp_path, options).data["set"]["id"]
        subprocess.run(["mount", "-o", "remount,ro", nas], check=True)
        result = take(tmp_path, options, disk(tmp_path, "good"), copies_policy="1")
        assert (result.failure, status(result, "backup.taken")) == ("", "ok")
        assert ids(nas) == [first]
        assert "Read-only file system" in found(result, "backup.copy")[0].message


@as_root
def test_a_folder_that_another_account_owns_is_left_alone(tmp_path):
    (tmp_path / "elsewhere" / "disk").mkdir(parents=True)
    os.chown(tmp_path / "elsewhere", 4242, 4242)
    result = take(tmp_path, disk(tmp_path))
    assert "uid 4242" in result.failure
    assert os.listdir(tmp_path / "elsewhere" / "disk") == []
    trusted = take(tmp_path, disk(tmp_path), trusted_accounts=["4242"])
    assert trusted.failure == ""


def test_a_link_in_the_place_of_a_file_is_no_file(tmp_path):
    set_id = take(tmp_path, disk(tmp_path)).data["set"]["id"]
    payload = next((tmp_path / "elsewhere" / "disk" / set_id / "config").glob("archive*"))
    payload.rename(tmp_path / "moved")
    payload.symlink_to(tmp_path / "moved")
    [told] = found(take(tmp_path, disk(tmp_path), state="verified"), "backup.copy_sound")
    assert "is no regular file" in told.message


def test_an_incremental_set_is_worth_no_more_there_than_those_it_needs(tmp_path, config):
    full = take(tmp_path).data["set"]["id"]
    (config / "more").write_text("more")
    part = take(tmp_path, disk(tmp_path), incremental=True, copies_at_once=1)
    there, made = tmp_path / "elsewhere" / "disk", part.data["set"]["id"]
    assert [one.subject for one in part.actions if one.action == "copy"] == [f"{full} to disk", "regular to disk"]
    assert sorted(os.listdir(there)) == [full, made]
    kept = take(tmp_path, disk(tmp_path), state="pruned", retention={"daily": 1, "min_keep": 1})
    assert [one for one in kept.actions if one.state == "done"] == []
    flip(next((there / full / "config").glob("archive*")))
    look = take(tmp_path, disk(tmp_path), state="verified", copies_reread=True)
    assert [(one.status, one.subject) for one in found(look, "backup.copy_sound")] == [("critical", f"disk/{made}")]
    shutil.rmtree(there / full)
    [told] = found(take(tmp_path, disk(tmp_path), state="verified"), "backup.copy_sound")
    assert f"it needs set {full}, which is not there" in told.message or "another checksum" in told.message


def test_a_place_in_a_source_is_no_part_of_the_sets(tmp_path, config):
    inside = {"name": "disk", "type": "folder", "path": str(config / "copies"), "mounted": False}
    take(tmp_path, inside)
    second = take(tmp_path, inside).data["set"]
    assert second["sources"][0]["count"] == 2


@as_root
def test_that_a_copy_is_immutable_is_seen(tmp_path):
    copy = disk(tmp_path, immutable=True)
    set_id = take(tmp_path, copy).data["set"]["id"]
    folder = tmp_path / "elsewhere" / "disk" / set_id
    assert status(take(tmp_path, copy, state="verified"), "backup.copy_immutable") in ("warning", "unknown")
    if subprocess.run(["chattr", "+i", folder], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this container, has no immutable flag")
    try:
        assert status(take(tmp_path, copy, state="verified"), "backup.copy_immutable") == "ok"
        take(tmp_path, copy)
        result = take(tmp_path, copy, state="pruned", retention={"daily": 1, "min_keep": 1})
        assert "it is immutable there for now" in [one.reason for one in result.actions]
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


# --- kill -9 ---

POINTS = [
    ("before the copy has its owner", "copies.folder.Folder.put", 1),
    ("before the first file", "copies.folder.Folder.put", 2),
    ("in the middle of a file", "copies.folder._write", 3),
    ("before it is read again", "copies.act._require_same", 1),
    ("before it gets its name", "copies.folder.publish_folder", 1),
    ("after it got its name", "+copies.folder.publish_folder", 1),
    ("before its owner goes", "copies.folder.Folder.remove_file", 1),
    ("in the middle of removing an old one", "copies.folder.shutil.rmtree", 1),
]
RCLONE_POINTS = [
    ("before the first file", "copies.rclone.Remote.put", 2),
    ("before it gets its name", "copies.rclone.Remote.rename", 1),
    ("between its name and its manifest", "+copies.rclone.Remote.rename", 1),
    ("in the middle of removing an old one", "copies.rclone.Remote.remove", 1),
]


def killed(place: Path, options: dict, point: str, nth: int, there: Path) -> None:
    more = {
        "sources": [{"name": "config", "type": "files", "path": str(place / "config")}],
        "copies": [options],
        "retention": {"daily": 1, "min_keep": 1},
    }
    first = answer(run(place, **more))["set"]["id"]
    time.sleep(1.01 - time.time() % 1)
    died = run(place, point, str(nth), **more)
    assert died.returncode == -signal.SIGKILL, f"the run did not come by {point}: {died.stdout}{died.stderr}"
    visible = whole_sets(there)
    assert first in visible or len(visible) == 1
    time.sleep(1.01 - time.time() % 1)
    after = answer(run(place, **more))
    assert after["failure"] == ""
    assert ids(there) == [after["set"]["id"]]
    assert leftovers(there) == []


def whole_sets(there: Path) -> list[str]:
    """Return what a reader takes for sets; each must be whole. One without a manifest is none."""
    for path in there.iterdir():
        if not (path / "manifest.json").exists() and not path.name.endswith((".partial", ".deleting")):
            shutil.move(path, there.parent / "aside")
    found = ids(there)
    for path in there.parent.glob("aside"):
        shutil.move(path, there / _name_of(path))
    return found


def _name_of(path: Path) -> str:
    return json.loads((path / "verified.json").read_text())["set"]


@pytest.mark.parametrize(("why", "point", "nth"), POINTS, ids=[case[0] for case in POINTS])
def test_killed_on_the_way_to_a_folder(tmp_path, why, point, nth):
    killed(tmp_path, disk(tmp_path), point, nth, tmp_path / "elsewhere" / "disk")


@pytest.mark.parametrize(("why", "point", "nth"), RCLONE_POINTS, ids=[case[0] for case in RCLONE_POINTS])
def test_killed_on_the_way_to_a_remote(tmp_path, rclone, why, point, nth):
    (tmp_path / "elsewhere").mkdir()
    there = tmp_path / "elsewhere" / "copies"
    killed(tmp_path, rclone(there), point, nth, there)


# --- a server ---


def test_a_server_that_goes_away_in_the_middle_costs_nothing_but_time(tmp_path, sshd):
    there = tmp_path / "there"
    slow = sshd.options(there, rate_limit=1024)
    threading.Thread(target=end_when, args=(sshd, there), daemon=True).start()
    sources = [{"name": "config", "type": "files", "path": str(tmp_path / "config")}]
    result = answer(run(tmp_path, sources=sources, copies=[slow, disk(tmp_path, "good")], copies_policy="any"))
    assert result["failure"] == ""
    [told] = [one for one in result["findings"] if (one["check"], one["subject"]) == ("backup.copy", "server")]
    assert "127.0.0.1 port" in told["message"]
    assert ids(tmp_path / "elsewhere" / "good") == [result["set"]["id"]]
    assert visible_sets(there) == {}
    again = take(tmp_path, sshd.options(there), fresh_for="1h")
    assert ids(there) == [again.data["set"]["id"]]
    assert leftovers(there) == []


def end_when(sshd, there: Path) -> None:
    """End all sessions as soon as the first file is on its way."""
    until = time.monotonic() + 20
    while not list(there.glob("*.partial/config/arch*")) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in sshd.sessions():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"known_hosts_file": "/dev/null"}, "Host key verification failed"),
        ({"key_file": "/nonexistent"}, "Permission denied"),
        ({"port": 9}, "Connection refused"),
        ({"host": "no-such-host.invalid"}, "not resolve"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_with_ssh_s_reason(tmp_path, sshd, change, words):
    result = take(tmp_path, {**sshd.options(tmp_path / "there"), **change}, disk(tmp_path, "good"))
    [told] = [one for one in found(result, "backup.copy") if one.subject == "server"]
    assert told.status == "critical"
    assert words in told.message
    assert len(ids(tmp_path / "elsewhere" / "good")) == 1


def test_no_faster_than_declared(tmp_path, elsewhere):
    begun = time.monotonic()
    take(tmp_path, {**elsewhere.options, "rate_limit": 1536})
    assert time.monotonic() - begun > 1.6, "3 MiB went at more than 1.5 MiB/s"


# --- the share of a day ---


def test_shares_of_seven_days_read_every_copy_again(tmp_path):
    for number in range(6):
        (tmp_path / f"source{number}").mkdir()
        (tmp_path / f"source{number}" / "x").write_text("x")
    sources = [{"name": f"s{one}", "type": "files", "path": str(tmp_path / f"source{one}")} for one in range(6)]
    set_id = act(tmp_path, sources=sources, copies=[disk(tmp_path)]).data["set"]["id"]
    DAMAGES["one bit"](next((tmp_path / "elsewhere" / "disk" / set_id / "s4").glob("archive*")))
    found_on = []
    for day in range(1, 8):
        more = {
            "state": "verified",
            "copies_reread": True,
            "subset": f"{day}/7",
            "state_dir": str(tmp_path / f"s{day}"),
        }
        if status(act(tmp_path, sources=sources, copies=[disk(tmp_path)], **more), "backup.copy_sound") == "critical":
            found_on.append(day)
    assert len(found_on) == 1
