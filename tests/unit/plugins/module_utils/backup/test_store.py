# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup folder: what is a set, what was one, what never became one, and what belongs to somebody else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import make as making
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.act import failure_of, prune_all
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Settings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Verification
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.names import is_set_id
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.plan import PRUNE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import latest as signpost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import publish as publishing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.kinds import open_store
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.latest import lead_to, read_latest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.owner import SWEEP_AFTER, identity
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.publish import (
    begin,
    new_id,
    partial_of,
    publish,
    record_verification,
    remove,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

from .examples import NOW, act, files, settings

HOST = choose_host()
ID = "20261118T110640Z-00c0de"


@pytest.fixture
def backups(tmp_path) -> Path:
    """A backup folder with one set in it."""
    (tmp_path / "config").write_text("x")
    act(tmp_path, sources=[files("config", tmp_path / "config")], compression="none")
    return tmp_path / "backups"


def begun(backups: Path) -> Path:
    """Return a set in the making."""
    partial = partial_of(backups, ID)
    begin(partial, HOST)
    return partial


def only_set(backups: Path) -> Path:
    return next(path for path in backups.iterdir() if is_set_id(path.name))


def test_ids_sort_by_time_and_differ_within_a_second():
    ids = [new_id(NOW), new_id(NOW + 1), new_id(NOW + 86400)]
    assert ids == sorted(ids)
    assert len({new_id(NOW) for _unused in range(50)}) > 1
    assert all(is_set_id(one) for one in ids)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    catalog = read_catalog(tmp_path / "deep" / "down", HOST)
    assert (catalog.exists, catalog.sets) == (False, ())
    assert catalog.free > 0


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "listdir", lambda _path: (_unused for _unused in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(SourceDenied):
        read_catalog(tmp_path, HOST)


def test_a_published_set_is_a_good_one(backups):
    found = read_catalog(backups, HOST).sets
    assert [one.good for one in found] == [True]
    assert os.readlink(backups / "latest") == found[0].id


NO_SETS = [
    ("no manifest", lambda folder: (folder / "manifest.json").unlink(), "does not exist"),
    ("an emptied manifest", lambda folder: (folder / "manifest.json").write_bytes(b""), "it is no JSON"),
    ("an edited manifest", lambda folder: edit(folder / "manifest.json"), "it was changed since it was written"),
]


def edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"label": "regular"', '"label": "monthly"'))


@pytest.mark.parametrize(("why", "damage", "reason"), NO_SETS, ids=[case[0] for case in NO_SETS])
def test_a_set_without_a_manifest_that_holds_is_none(backups, why, damage, reason):
    damage(only_set(backups))
    catalog = read_catalog(backups, HOST)
    assert catalog.sets == ()
    assert reason in catalog.broken[0].reason


def test_a_set_under_another_name_is_none(backups):
    only_set(backups).rename(backups / ID)
    assert "belongs to another set" in read_catalog(backups, HOST).broken[0].reason


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_without_evidence_a_set_does_not_count(backups, content):
    evidence = only_set(backups) / "verified.json"
    if content is None:
        evidence.unlink()
    else:
        evidence.write_bytes(content)
    assert [one.good for one in read_catalog(backups, HOST).sets] == [False]


def test_evidence_against_a_set_counts(backups):
    found = read_catalog(backups, HOST).sets[0]
    record_verification(found.folder, found.id, Verification(1, False, NOW, {"manifest_sha256": found.manifest.sha256}))
    assert [one.good for one in read_catalog(backups, HOST).sets] == [False]


def test_what_somebody_else_put_there_is_left_alone(backups):
    for name in ("notes.txt", "20261118T110640Z", "old.partial", "x.deleting"):
        (backups / name).mkdir()
    catalog = read_catalog(backups, HOST)
    assert (len(catalog.sets), catalog.broken, catalog.leftovers) == (1, (), ())


def leftover(backups: Path, **owner) -> str:
    """Return what a set in the making counts as."""
    partial = begun(backups)
    if owner:
        (partial / "owner.json").write_text(json.dumps({**json.loads((partial / "owner.json").read_text()), **owner}))
    found = read_catalog(backups, HOST)
    assert [one.name for one in found.leftovers] == [f"{ID}.partial"]
    assert not any(one.id == ID for one in found.sets)
    return found.leftovers[0].state


NO_PID = {"pid": 2**22 - 1}
LONG_GONE = {"until": HOST.now() - SWEEP_AFTER - 60}
JUST_GONE = {"until": HOST.now() - SWEEP_AFTER + 1800}
OWNERS = [
    ("this very process", {}, "growing"),
    ("this very process, long after its time", LONG_GONE, "growing"),
    ("a process that is gone", NO_PID, "waiting"),
    ("a process that is gone, hours after its time", {**NO_PID, **LONG_GONE}, "dead"),
    ("a process that is gone, not yet so long", {**NO_PID, **JUST_GONE}, "waiting"),
    ("a younger process of the same pid", {"began": "1", **LONG_GONE}, "dead"),
    ("another boot", {"boot_id": "another"}, "waiting"),
    ("another boot, hours ago", {"boot_id": "another", **LONG_GONE}, "dead"),
    ("another host", {"identity": "another", "boot_id": "another"}, "growing"),
    ("another host, hours ago", {"identity": "another", "boot_id": "another", **LONG_GONE}, "unclear"),
    ("another machine of the same name", {"identity": "another", **NO_PID}, "growing"),
    ("a container on this machine", {"processes": "pid:[1]", **NO_PID}, "growing"),
    ("a container on this machine, hours ago", {"processes": "pid:[1]", **NO_PID, **LONG_GONE}, "unclear"),
    ("a container before the last boot", {"processes": "pid:[1]", "boot_id": "another", **LONG_GONE}, "dead"),
]


@pytest.mark.case("BK3")
@pytest.mark.parametrize(("why", "owner", "state"), OWNERS, ids=[case[0] for case in OWNERS])
def test_whose_leftovers_may_be_swept(backups, why, owner, state):
    assert leftover(backups, **owner) == state


NAMELESS = json.dumps({"pid": "x", "host": HOST.name(), "boot_id": HOST.boot_id(), "began": "1"}).encode()


@pytest.mark.case("BK3")
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", NAMELESS])
def test_a_leftover_that_names_no_owner_is_nobodys_to_sweep(backups, content):
    partial = begun(backups)
    if content is None:
        (partial / "owner.json").unlink()
    else:
        (partial / "owner.json").write_bytes(content)
    assert read_catalog(backups, HOST).leftovers[0].state == "unclear"


@pytest.mark.case("BK3")
@pytest.mark.parametrize(("name", "age", "state"), [
    (f"{ID}.{identity(HOST)}.new", SWEEP_AFTER - 60, "waiting"),
    (f"{ID}.{identity(HOST)}.new", SWEEP_AFTER + 60, "dead"),
    (f"{ID}.0123456789ab.new", SWEEP_AFTER + 60, "unclear"),
    (f"{ID}.deleting", 0, "dead"),
])  # fmt: skip
def test_what_never_got_its_owner(backups, name, age, state):
    (backups / name).mkdir()
    os.utime(backups / name, (0, HOST.now() - age))
    assert [one.state for one in read_catalog(backups, HOST).leftovers] == [state]


@pytest.mark.case("BK3")
def test_a_set_has_its_owner_from_the_first_moment_on(tmp_path, monkeypatch):
    """Whatever another host sees of it under its name at any moment, it sees with its owner."""
    seen = []
    real = os.rename

    def rename(old, new):
        seen.append((Path(old) / "owner.json").exists())
        real(old, new)

    monkeypatch.setattr(publishing.os, "rename", rename)
    partial = begun(tmp_path / "backups")
    assert seen == [True]
    assert {path.name for path in partial.parent.iterdir()} == {partial.name}


@pytest.mark.case("BK3")
def test_a_name_that_somebody_else_has_is_left_to_him(tmp_path, monkeypatch):
    """Two hosts draw the same id: the second one gives up without touching what the first one makes."""
    monkeypatch.setattr(making, "new_id", lambda _now: ID)
    theirs = begun(tmp_path / "backups")
    (theirs / "archive").write_text("half")
    (tmp_path / "config").write_text("x")
    result = act(tmp_path, sources=[files("config", tmp_path / "config")])
    assert "no set was made" in result.failure
    assert {path.name for path in theirs.iterdir()} == {"owner.json", "archive"}
    assert [path.name for path in theirs.parent.iterdir()] == [theirs.name]


@pytest.mark.case("BK3")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_somebody_emptied_is_not_published(tmp_path, monkeypatch, moment):
    real = publishing.publish_folder

    def emptied(partial, final):
        real(partial, final)
        next(final.glob("config/archive*")).unlink()

    if moment == "after":
        monkeypatch.setattr(publishing, "publish_folder", emptied)
    else:
        monkeypatch.setattr(
            making, "record_verification", lambda partial, *_unused: next(partial.glob("config/archive*")).unlink()
        )
    (tmp_path / "config").write_text("x")
    result = act(tmp_path, sources=[files("config", tmp_path / "config")])
    assert "somebody else took something of it away" in result.failure
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.case("BK3")
def test_what_is_swept_loses_its_name_first(backups, monkeypatch):
    """Its maker, were it alive after all, can then publish nothing of it."""
    leftover(backups, **NO_PID, **LONG_GONE)
    monkeypatch.setattr(publishing.shutil, "rmtree", lambda _path: (_unused for _unused in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        publishing.sweep(backups, f"{ID}.partial")
    assert (backups / f"{ID}.deleting").is_dir()
    assert not (backups / f"{ID}.partial").exists()


@pytest.mark.case("BK3")
def test_two_may_remove_the_same_folder(backups, monkeypatch):
    set_id, real, calls = only_set(backups).name, publishing.shutil.rmtree, []

    def rmtree(path):
        calls.append(path)
        if len(calls) == 1:
            real(path)  # by the other one
            raise FileNotFoundError(2, "No such file")
        real(path)

    monkeypatch.setattr(publishing.shutil, "rmtree", rmtree)
    remove(backups, set_id)
    assert [path.name for path in backups.iterdir()] == ["latest"]
    with pytest.raises(FileNotFoundError):
        remove(backups, set_id)


def pruning(backups: Path) -> Settings:
    """Return the options of a run that keeps one set, with a second one there."""
    folder = backups.parent
    later = choose_host()
    later.now = lambda: HOST.now() + 60
    act(folder, sources=[files("config", folder / "config")], compression="none", host=later)
    return settings(folder, sources=[files("config", folder / "config")], retention={"daily": 1, "min_keep": 1})


def prune(steps, given):
    return prune_all(steps, given, HOST, open_store(given, HOST))


def test_a_set_that_is_being_removed_is_none_from_the_first_moment_on(backups, monkeypatch):
    set_id, given = only_set(backups).name, pruning(backups)
    monkeypatch.setattr(publishing.shutil, "rmtree", lambda _path: (_unused for _unused in ()).throw(OSError("killed")))
    done = prune([Step(PRUNE, set_id, "old")], given)
    assert [(one.state, "killed" in one.reason) for one in done] == [(FAILED, True)]
    assert set_id in failure_of(done)
    monkeypatch.undo()
    catalog = read_catalog(backups, HOST)
    assert set_id not in [one.id for one in catalog.sets]
    assert [one.kind for one in catalog.leftovers] == ["deleting"]


def test_removing_removes_that_set_alone(backups):
    (backups / "keep").mkdir()
    set_id, given = only_set(backups).name, pruning(backups)
    assert [one.state for one in prune([Step(PRUNE, set_id, "old")], given)] == [DONE]
    assert sorted(path.name for path in backups.iterdir()) == [only_set(backups).name, "keep", "latest"]
    again = prune_all(
        [Step(PRUNE, set_id, "old"), Step(PRUNE, only_set(backups).name, "old")], given, HOST, open_store(given, HOST)
    )
    assert [(one.state, one.reason) for one in again] == [
        (NOT_DONE, "somebody else has removed it"),
        (NOT_DONE, "the newest good set"),
    ]


def test_a_name_that_is_taken_is_not_overwritten(backups):
    there = read_catalog(backups, HOST).sets[0]
    partial = backups / f"{there.id}.partial"
    shutil.copytree(there.folder, partial)
    with pytest.raises(FileExistsError):
        publish(partial, there.manifest, HOST, latest=True)
    assert read_catalog(backups, HOST).sets[0].good


WAYS = [("linux", True), ("linux", False), ("darwin", True), ("windows", True)]


@pytest.mark.parametrize(("platform", "links"), WAYS)
def test_one_reader_finds_the_latest_set_on_every_system(backups, monkeypatch, platform, links):
    if not links:
        refused = OSError("no privilege")
        monkeypatch.setattr(signpost, "publish_link", lambda *_unused: (_unused for _unused in ()).throw(refused))
    before = read_latest(backups)
    lead_to(backups / ID, FakeHost(platform))
    assert (before, read_latest(backups)) == (only_set(backups).name, ID)
    assert (backups / "latest").is_symlink() is (links and platform != "windows")
    lead_to(backups / before, FakeHost(platform))
    assert read_latest(backups) == before


@pytest.mark.parametrize("content", [b"", b"../../etc", b"\xff" * 99, ID.encode() * 3])
def test_a_signpost_that_names_no_set_names_nothing(tmp_path, content):
    assert read_latest(tmp_path) == ""
    (tmp_path / "latest").write_bytes(content)
    assert read_latest(tmp_path) == ""
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").mkdir()
    assert read_latest(tmp_path) == ""


@pytest.mark.parametrize(("blanks", "named"), [(40, ID), (39, "")])
def test_no_more_than_64_bytes_of_a_signpost_are_read(tmp_path, blanks, named):
    """An id has 23; whoever wrote more than that and a newline there is not listened to for ever."""
    (tmp_path / "latest").write_bytes(f"{ID}\n{' ' * blanks}x".encode())
    assert read_latest(tmp_path) == named


def test_removing_needs_nothing_but_the_name(backups):
    remove(backups, only_set(backups).name)
    assert read_catalog(backups, HOST).sets == ()
