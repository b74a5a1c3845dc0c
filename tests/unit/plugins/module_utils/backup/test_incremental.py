# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incremental sets: what is stored again, where the rest lies, and that a chain counts only as a whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import (
    manifest_document,
    parse_manifest,
    seal,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import BackupSet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.retention import Candidate, Policy, decide
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import archive as archiving
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.chain import locate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, InputError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import DAY, NOW, act, database, files, found, sqlite, status

AGO = time.time() - 3600


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """What these tests write a moment before a run counts as written long ago, but for its mtime."""
    monkeypatch.setattr(archiving, "TICK", -60 * 10**9)


@pytest.fixture
def source(tmp_path) -> Path:
    root = tmp_path / "source"
    for name in ("a", "sub/b", "sub/c", "umlaut-ä", 'quo"te, "x'):
        put(root / name, f"content of {name}")
    (root / "link").symlink_to("a")
    return root


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (AGO, AGO))


def run(folder: Path, **more):
    """Make a set, three seconds after the one before it: of two of one second nobody knows which is newer."""
    more.setdefault("sources", [files("config", folder / "source")])
    host, at = choose_host(600.0), time.time() - 60 + 3 * len(list(folder.glob("backups/2*")))
    host.now = lambda: at
    return act(folder, host=host, incremental=True, compression="none", **more)


def sets(folder: Path) -> tuple[BackupSet, ...]:
    return read_catalog(folder / "backups", choose_host()).sets


def stored(result) -> int:
    """Return how many files a run stored of the source config."""
    (entry,) = (one for one in manifest_of(result)["sources"] if one["name"] == "config")
    return entry["stored"]["count"] if "stored" in entry else entry["count"]


def manifest_of(result) -> dict:
    return json.loads((Path(result.data["set"]["path"]) / "manifest.json").read_text())


def unpacked(folder: Path, newest: BackupSet) -> dict[str, tuple]:
    """Unpack the archives of a chain as docs/backup-format.md says, and return what is there."""
    target = folder / "out"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    entry = newest.manifest.sources[0]
    for place in locate(newest, entry, read_catalog(folder / "backups", choose_host())):
        subprocess.run(["tar", "-xpf", place.path, "-C", target], check=True, capture_output=True)
    rows = [json.loads(line) for line in (newest.folder / "config" / "index.jsonl").read_text().splitlines()[1:]]
    listed = {row[0] for row in rows}
    for path in sorted(target.rglob("*"), reverse=True):
        inner = str(path.relative_to(target))
        if inner not in listed and not any(name.startswith(f"{inner}/") for name in listed):
            path.unlink() if not path.is_dir() else path.rmdir()
    return tree_of(target / str(folder / "source").lstrip("/"))


def tree_of(root: Path) -> dict[str, tuple]:
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
        )
        for path in root.rglob("*")
    }


def test_what_is_unchanged_is_not_stored_again_and_the_set_is_whole(tmp_path, source):
    first, second, third = (run(tmp_path) for _unused in range(3))
    assert [stored(result) for result in (first, second, third)] == [5, 0, 0]
    assert manifest_of(third)["chain"] == [first.data["set"]["id"], second.data["set"]["id"]]
    assert third.data["set"]["parent"] == second.data["set"]["id"]
    assert (third.failure, third.data["set"]["good"], third.data["set"]["verified"]) == ("", True, "L2")
    assert third.data["set"]["sources"][0]["count"] == 5
    assert third.data["set"]["raw_bytes"] == first.data["set"]["raw_bytes"]
    assert unpacked(tmp_path, sets(tmp_path)[-1]) == tree_of(source)


CHANGES = [
    ("content", lambda root: put(root / "a", "another thing"), 1),
    ("same size and time", lambda root: put(root / "a", "CONTENT of a"), 1),
    ("mode", lambda root: (root / "a").chmod(0o600), 1),
    ("renamed", lambda root: (root / "a").rename(root / "z"), 1),
    ("gone", lambda root: (root / "sub" / "b").unlink(), 0),
    ("new", lambda root: put(root / "sub" / "new", "n"), 1),
    ("swapped", lambda root: ((root / "a").rename(root / "x"), (root / "sub/b").rename(root / "a")), 2),
    ("a folder in a file's place", lambda root: ((root / "a").unlink(), put(root / "a" / "in", "x")), 1),
    ("a link in a file's place", lambda root: ((root / "a").unlink(), (root / "a").symlink_to("sub/b")), 0),
    ("hard link", lambda root: os.link(root / "a", root / "also"), 1),
    ("replaced by its copy", lambda root: (shutil.copy2(root / "a", root / "t"), (root / "t").rename(root / "a")), 1),
]


@pytest.mark.parametrize(("change", "again"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_what_changed_is_stored_and_the_chain_gives_it_back(tmp_path, source, change, again):
    run(tmp_path)
    run(tmp_path)
    change(source)
    changed = run(tmp_path)
    last = run(tmp_path)
    assert (changed.failure, changed.data["set"]["good"], stored(changed)) == ("", True, again)
    assert last.data["set"]["good"]
    assert unpacked(tmp_path, sets(tmp_path)[-2]) == tree_of(source)
    assert unpacked(tmp_path, sets(tmp_path)[-1]) == tree_of(source)


def test_what_was_written_a_moment_ago_is_stored_again(tmp_path, source, monkeypatch):
    (source / "a").write_text("mtime is now")
    assert [stored(run(tmp_path)) for _unused in range(3)] == [5, 1, 1]
    monkeypatch.setattr(archiving, "TICK", 2 * 10**9)
    run(tmp_path, max_chain=1)
    assert stored(run(tmp_path)) == 5  # every ctime is of this test


def test_a_database_among_files_is_stored_each_time(tmp_path, source):
    put(source / "app.db", "SQLite format 3\0 and more")
    assert [stored(run(tmp_path)) for _unused in range(2)] == [6, 1]


def test_a_chain_ends(tmp_path, source):
    made = [run(tmp_path, max_chain=3) for _unused in range(5)]
    assert [len(result.data["set"]["chain"]) for result in made] == [0, 1, 2, 0, 1]
    assert run(tmp_path, max_chain=1).data["set"]["chain"] == []


@pytest.mark.parametrize("length", [0, 8])
def test_a_length_that_no_chain_has_is_refused(tmp_path, length):
    with pytest.raises(InputError, match="max_chain"):
        run(tmp_path, max_chain=length)


def test_a_source_that_is_declared_otherwise_is_stored_whole(tmp_path, source):
    run(tmp_path)
    other = run(tmp_path, sources=[files("config", source, exclude=["nothing"])])
    assert (other.data["set"]["chain"], stored(other)) == ([], 5)


def test_databases_are_whole_in_each_set(tmp_path, source):
    database(tmp_path / "app.db")
    declared = [files("config", source), sqlite("db", tmp_path / "app.db")]
    first, second = (run(tmp_path, sources=declared) for _unused in range(2))
    sizes = [entry["payloads"] for entry in (manifest_of(one)["sources"][1] for one in (first, second))]
    assert second.data["set"]["chain"]
    assert "chain" not in manifest_of(second)["sources"][1]
    assert sizes[0][0]["size"] == sizes[1][0]["size"]


def test_extended_attributes_are_carried(tmp_path, source):
    try:
        os.setxattr(source / "a", "user.note", b"kept")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("the file system has no extended attributes")
    run(tmp_path)
    run(tmp_path)
    kept = [(one.folder / "config" / "attributes.jsonl").read_text() for one in sets(tmp_path)]
    assert "user.note" in kept[0]
    assert kept[0] == kept[1]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["archive.tar", "index.jsonl"])
def test_a_parent_that_is_damaged_is_found_before_it_is_used(tmp_path, source, name):
    run(tmp_path)
    damage(sets(tmp_path)[0].folder / "config" / name)
    result = run(tmp_path)
    assert (result.failure, result.data["set"]["good"], stored(result), result.data["set"]["chain"]) == (
        "",
        True,
        5,
        [],
    )
    (said,) = found(result, "backup.source")
    assert (said.status, "another checksum" in said.message) == ("warning", True)


@pytest.mark.parametrize("member", [0, 1])
def test_a_set_of_which_one_in_the_chain_is_gone_counts_no_longer(tmp_path, source, member):
    for _unused in range(3):
        run(tmp_path)
    shutil.rmtree(sets(tmp_path)[member].folder)
    newest = sets(tmp_path)[-1]
    assert (newest.good, newest.damaged) == (False, True)
    result = act(tmp_path, state="listed")
    assert status(result, "backup.chain") == "critical"
    with pytest.raises(ActionFailed, match="there is no such set"):
        locate(newest, newest.manifest.sources[0], read_catalog(tmp_path / "backups", choose_host()))
    assert newest.id not in run(tmp_path).data["set"]["chain"]  # what follows does not build on it


def test_a_set_of_which_one_in_the_chain_failed_its_verification_counts_no_longer(tmp_path, source):
    run(tmp_path)
    run(tmp_path)
    first = sets(tmp_path)[0]
    damage(first.folder / "config" / "attributes.jsonl")  # which the newer one does not need
    act(tmp_path, state="verified", set=first.id)
    assert [found.good for found in sets(tmp_path)] == [False, False]


def test_l1_of_an_incremental_set_reads_the_archives_of_its_chain(tmp_path, source):
    run(tmp_path)
    run(tmp_path)
    damage(sets(tmp_path)[0].folder / "config" / "archive.tar")
    result = act(tmp_path, state="verified", verify_level="L1")
    (said,) = [one for one in found(result, "backup.checksum") if one.status == "critical"]
    assert f"{sets(tmp_path)[0].id}/config/archive.tar" in said.message


def test_a_parent_that_was_replaced_by_another_set_is_found(tmp_path, source):
    run(tmp_path)
    run(tmp_path)
    older, newer = sets(tmp_path)
    put(source / "a", "content of b")  # as long as before
    shutil.move(newer.folder, tmp_path / "aside")
    shutil.rmtree(older.folder)
    run(tmp_path)
    (other,) = sets(tmp_path)
    document = manifest_document(other.manifest._replace(id=older.id))
    (other.folder / "manifest.json").write_bytes(seal(document))
    other.folder.rename(older.folder)
    shutil.move(tmp_path / "aside", newer.folder)
    assert "has another one now" in sets(tmp_path)[-1].chain[0].message


CHAINS = [
    ({"chain": ["../../etc"], "parent": "../../etc"}, "other sets"),
    ({"chain": [], "parent": None}, "a parent that"),
    ({"parent": None}, "a parent that"),
    ({"format": 1}, "a parent that"),
]


@pytest.mark.parametrize(("changes", "why"), CHAINS)
def test_a_chain_that_cannot_be_is_refused(tmp_path, source, changes, why):
    run(tmp_path)
    run(tmp_path)
    newest = sets(tmp_path)[-1]
    document = {**json.loads((newest.folder / "manifest.json").read_text()), **changes}
    with pytest.raises(ParseError, match=why):
        parse_manifest(seal(document), "m", newest.id)


PIECES = [{"name": "../../../etc/shadow"}, {"set": "20261118T110640Z-000000"}, {"set": "../../.."}, {"name": "x"}]


@pytest.mark.parametrize("changes", PIECES)
def test_an_archive_that_no_chain_has_is_refused(tmp_path, source, changes):
    run(tmp_path)
    run(tmp_path)
    newest = sets(tmp_path)[-1]
    document = json.loads((newest.folder / "manifest.json").read_text())
    document["sources"][0]["chain"][0].update(changes)
    with pytest.raises(ParseError, match="a chain that is not its set's"):
        parse_manifest(seal(document), "m", newest.id)


POLICY = Policy(daily=1, weekly=0, monthly=0, yearly=0, min_keep=1, max_leap=35 * DAY)


def test_retention_keeps_what_a_kept_set_needs_and_removes_the_newer_first():
    old = [Candidate(f"old{age}", NOW - age * DAY, good=True, chain=("old9",) if age < 9 else ()) for age in (9, 8)]
    new = [Candidate("full", NOW - 2 * DAY, good=True), Candidate("child", NOW - DAY, good=True, chain=("full",))]
    decided = decide([*old, *new], POLICY, NOW)
    assert decided.kept["full"] == "set child needs it"
    assert list(decided.removed) == ["old8", "old9"]


def test_retention_keeps_the_chain_of_a_set_that_is_about_to_be_made(tmp_path, source):
    for _unused in range(2):
        run(tmp_path)
    policy = {"daily": 1, "min_keep": 1}
    result = run(tmp_path, retention=policy, check_mode=True)
    assert not result.data["retention"]["removed"]
    made = run(tmp_path, retention=policy)
    assert len(sets(tmp_path)) == 3
    assert made.data["set"]["good"]


def test_the_plan_says_since_which_set(tmp_path, source):
    first = run(tmp_path)
    planned = run(tmp_path, check_mode=True)
    assert f"what is not in set {first.data['set']['id']}" in json.dumps(planned.as_dict())


def test_what_has_several_names_stays_one_file(tmp_path, source):
    """Both names are in each archive: unpacked over an older one, a link would else lead to what is no longer it."""
    os.link(source / "a", source / "also")
    made = [run(tmp_path) for _unused in range(3)]
    assert [stored(result) for result in made] == [5, 1, 1]
    unpacked(tmp_path, sets(tmp_path)[-1])
    root = tmp_path / "out" / str(source).lstrip("/")
    assert (root / "a").samefile(root / "also")
