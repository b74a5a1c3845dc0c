# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a set holds comes back beside as it was, and what is not as it was is refused. Databases of PostgreSQL are in
tests/integration/backup.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import parse_manifest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Manifest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import archive as archiving
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.restore import compare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import (
    Bench,
    Restored,
    Selection,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import act, database, files, sqlite, tree

HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run


def set_of(folder: Path, *sources: dict, **more) -> tuple[Manifest, Path]:
    """Take a set and return its manifest and its folder."""
    result = act(folder, sources=list(sources), verify_level="L1", **more)
    assert result.failure == ""
    path = Path(result.data["set"]["path"])
    return parse_manifest((path / "manifest.json").read_bytes(), "manifest.json", path.name), path


def restored(folder: Path, manifest: Manifest, path: Path, *, name: str = "", **more) -> Restored:
    """Restore a source of a set, the first one unless it is named, into a new folder ``into``."""
    into = folder / "into"
    into.mkdir(mode=0o700)
    entry = next(one for one in manifest.sources if name in ("", one.name))
    bench = Bench(path, folder, HOST, platform=manifest.platform, thorough=True, **more)
    return restore(entry, ArchiveReader(manifest, path, HOST), into, bench)


def below(into: Path, path: Path) -> Path:
    """Return where a path lies in the folder that it was restored into."""
    return into / str(path.resolve()).lstrip("/")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An installation with all that a file system has."""
    root = tmp_path / "app"
    (root / "config" / "empty").mkdir(parents=True)
    (root / "config" / "app.yml").write_text("key: 1\n")
    (root / "config" / "app.yml").chmod(0o640)
    (root / "config" / "näme\n\udcff").write_bytes(b"odd")
    os.link(root / "config" / "app.yml", root / "twin")
    (root / "current").symlink_to("/opt/nowhere/releases/5")
    (root / "up").symlink_to("../../x")
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "tool").chmod(0o4755)
    with open(root / "holes", "wb") as stream:
        stream.seek(5 << 20)
        stream.write(b"end")
        stream.truncate(9 << 20)
    (root / "large").write_bytes(os.urandom(3 << 20))
    (root / ("d" * 200) / ("e" * 200)).mkdir(parents=True)
    (root / ("d" * 200) / ("e" * 200) / "deep").write_text("x")
    os.setxattr(root / "tool", "user.note", b"kept\0")
    os.chown(root / "twin", 33, 33)
    os.utime(root / "large", ns=(1, 1_600_000_000_123_456_789))
    os.utime(root / "config" / "empty", ns=(1, 1_500_000_000_987_654_321))
    (root / "config" / "empty").chmod(0o2750)
    os.utime(root, ns=(1, 1_400_000_000_111_111_111))
    return root


def statuses(root: Path) -> dict[str, tuple]:
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    return found


def test_files_come_back_as_they_were(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app))
    done = restored(tmp_path, manifest, path)
    again = below(tmp_path / "into", app)
    assert tree(again) == tree(app)
    assert statuses(again) == statuses(app)
    assert os.getxattr(again / "tool", "user.note") == b"kept\0"
    assert (again / "twin").stat().st_ino == (again / "config" / "app.yml").stat().st_ino
    assert (again / "holes").stat().st_blocks * 512 < 1 << 20
    assert (done.things, done.notes.counts) == (done.proof["files"], {})
    assert done.proof["members"] == len(statuses(app))


def test_a_hard_link_alone_is_selected_with_the_content_of_its_first_name(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app))
    done = restored(tmp_path, manifest, path, selection=Selection(paths=(f"{app.resolve()}/twin", "up")))
    again = below(tmp_path / "into", app)
    assert sorted(tree(again)) == ["twin", "up"]
    assert ((again / "twin").read_text(), (again / "twin").stat().st_uid, done.things) == ("key: 1\n", 33, 1)
    assert (again.stat().st_mode, again.stat().st_mtime_ns) == (app.stat().st_mode, app.stat().st_mtime_ns)


def test_a_folder_is_selected_with_all_below_it(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app))
    restored(tmp_path, manifest, path, selection=Selection(paths=("config",)))
    again = below(tmp_path / "into", app)
    assert tree(again / "config") == tree(app / "config")
    assert sorted(path.name for path in again.iterdir()) == ["config"]


def test_a_selection_of_nothing_is_refused(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app))
    with pytest.raises(ActionFailed, match=r"nothing in app matches \*\.nothing"):
        restored(tmp_path, manifest, path, selection=Selection(paths=("*.nothing",)))


def test_what_lies_in_the_folder_already_is_not_mixed_with_what_comes(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app))
    (tmp_path / "into").mkdir(mode=0o700)
    (tmp_path / "into" / "old").touch()
    bench = Bench(path, tmp_path, HOST, platform=manifest.platform)
    with pytest.raises(ActionFailed, match="not empty"):
        restore(manifest.sources[0], ArchiveReader(manifest, path, HOST), tmp_path / "into", bench)
    (tmp_path / "into" / "old").unlink()
    (tmp_path / "into").chmod(0o755)
    with pytest.raises(ActionFailed, match="this account's alone"):
        restore(manifest.sources[0], ArchiveReader(manifest, path, HOST), tmp_path / "into", bench)


def test_a_payload_that_is_not_what_was_written_is_refused_before_anything_is_unpacked(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app), compression="gzip")
    archive = path / "app" / "archive.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ActionFailed, match=r"archive\.tar\.gz has \d+ bytes with the SHA-256"):
        restored(tmp_path, manifest, path)
    assert list((tmp_path / "into").iterdir()) == []


def test_a_payload_that_is_exchanged_while_it_is_used_proves_nothing(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app), compression="gzip")
    archive = path / "app" / "archive.tar.gz"
    content = archive.read_bytes()
    reader = ArchiveReader(manifest, path, HOST).payload("app/archive.tar.gz")
    reader.__enter__()
    archive.unlink()
    archive.write_bytes(content)
    with pytest.raises(ActionFailed, match="changed while it was read"):
        reader.__exit__(None, None, None)


def test_a_payload_that_is_gone_is_named(tmp_path, app):
    manifest, path = set_of(tmp_path, files("app", app), compression="gzip")
    (path / "app" / "index.jsonl.gz").unlink()
    with pytest.raises(SourceMissing, match=r"index\.jsonl\.gz"):
        restored(tmp_path, manifest, path)


def wal(path: Path, rows: int = 100) -> Path:
    database(path, rows)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return path


@pytest.mark.parametrize(("make", "mode", "header"), [(database, "rollback journal", 1), (wal, "wal", 2)])
def test_a_database_comes_back_with_its_rows_and_its_journal_mode(tmp_path, make, mode, header):
    live = make(tmp_path / "live.db")
    live.chmod(0o640)
    os.chown(live, 33, 33)
    os.utime(live, ns=(1, 1_600_000_000_000_000_000))
    manifest, path = set_of(tmp_path, sqlite("db", live))
    done = restored(tmp_path, manifest, path)
    copy = tmp_path / "into" / "database.sqlite"
    assert [one.name for one in (tmp_path / "into").iterdir()] == ["database.sqlite"]
    assert (done.things, done.proof["rows"], done.proof["integrity_check"]) == (100, {"trades": 100}, "ok")
    assert (done.proof["journal_mode"], copy.read_bytes()[18:20]) == (mode, bytes([header, header]))
    status = copy.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_mtime_ns) == (0o640, 33, 1_600_000_000_000_000_000)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (100,)


def changed(manifest: Manifest, **facts) -> Manifest:
    """Return a manifest that says something else of its first source."""
    entry = manifest.sources[0]
    return manifest._replace(sources=(entry._replace(facts={**entry.facts, **facts}),))


LIES = [
    ({"rows": {"trades": 99}}, "trades has 100, expected 99"),
    ({"rows": {}}, "trades has 100, expected None"),
    ({"schema_sha256": "0" * 64}, "another schema"),
    ({"sha256": "0" * 64}, "another content than was packed"),
    ({"size": 4096}, "more than the 4096 bytes declared"),
    ({"size": 1 << 60}, "free, what is to be unpacked takes 1024.0 PiB"),
]


@pytest.mark.parametrize(("facts", "words"), LIES)
def test_a_database_that_is_not_as_the_manifest_says_is_refused(tmp_path, facts, words):
    manifest, path = set_of(tmp_path, sqlite("db", database(tmp_path / "live.db")))
    with pytest.raises(ActionFailed, match=words):
        restored(tmp_path, changed(manifest, **facts), path)


@pytest.fixture
def chain(tmp_path, app, monkeypatch) -> tuple[Manifest, Path]:
    """The third set of a chain: files are new or changed in each of the others."""
    monkeypatch.setattr(archiving, "TICK", -60 * 10**9)
    ago = time.time() - 3600
    for path in app.rglob("*"):
        os.utime(path, (ago, ago), follow_symlinks=False)
    made = Path()
    for number in range(3):
        host, at = choose_host(600.0), time.time() - 60 + 3 * number
        host.now = lambda at=at: at
        result = act(tmp_path, host=host, sources=[files("app", app)], incremental=True, verify_level="L1")
        assert result.failure == ""
        made = Path(result.data["set"]["path"])
        if number < 2:
            (app / f"new-{number}").write_text(f"new in {number}")
            os.utime(app / f"new-{number}", (ago, ago))
        if number == 0:
            (app / "large").write_bytes(os.urandom(3 << 20))
    manifest = parse_manifest((made / "manifest.json").read_bytes(), "manifest.json", made.name)
    assert len(manifest.chain) == 2
    return manifest, made


def test_a_set_of_a_chain_comes_back_whole(tmp_path, app, chain):
    done = restored(tmp_path, *chain)
    assert tree(below(tmp_path / "into", app)) == tree(app)
    assert statuses(below(tmp_path / "into", app)) == statuses(app)
    assert done.proof["members"] == len(statuses(app))
    places = {piece["name"] for piece in chain[0].sources[0].facts["chain"]}
    assert places == {"app/archive.tar.zst"}


def test_one_file_of_an_earlier_set_is_selected(tmp_path, app, chain):
    restored(tmp_path, *chain, selection=Selection(paths=("tool",)))
    assert (below(tmp_path / "into", app) / "tool").read_bytes() == (app / "tool").read_bytes()


def test_an_archive_of_an_earlier_set_that_is_another_is_refused(tmp_path, app, chain):
    manifest, path = chain
    first = path.parent / manifest.chain[0] / "app" / "archive.tar.zst"
    content = bytearray(first.read_bytes())
    content[-9] ^= 1
    first.write_bytes(content)
    with pytest.raises(ActionFailed, match=rf"{manifest.chain[0]}/app/archive\.tar\.zst has"):
        restored(tmp_path, manifest, path)


def test_a_file_that_the_earlier_set_does_not_have_so_is_refused(tmp_path, app, chain):
    manifest, path = chain
    piece = dict(manifest.sources[0].facts["chain"][1])
    with pytest.raises(ActionFailed, match=r"is not in .* as the index has it|another than the index says"):
        restored(tmp_path, changed(manifest, chain=[piece, piece]), path)
    outside = {**piece, "set": "../../etc"}
    (tmp_path / "into").rename(tmp_path / "former")
    with pytest.raises(ActionFailed, match=r"no archive of a set beside this one"):
        restored(tmp_path, changed(manifest, chain=[outside, outside]), path)


def rewritten(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


AFTERWARDS = [
    ("tool", lambda path: path.chmod(0o755), "its mode is 0755, expected 4755"),
    ("tool", lambda path: os.utime(path, (1, 1)), "it is of 1000000000, expected"),
    ("tool", lambda path: path.unlink(), "it cannot be looked at"),
    ("tool", rewritten, "another content"),
    ("large", lambda path: os.truncate(path, 5), "it has 5 bytes, expected 3145728"),
    ("up", lambda path: (path.unlink(), path.symlink_to("/etc")), "it is a link /etc, expected a link ../../x"),
    ("up", lambda path: (path.unlink(), path.mkdir()), "it is a folder, expected a link ../../x"),
    ("twin", lambda path: (path.unlink(), path.write_text("key: 1\n")), "it is not the same file as"),
    ("config", lambda path: (path.rename(f"{path}.x"), path.symlink_to(f"{path}.x")), "it is a link"),
]


@pytest.mark.parametrize(("name", "change", "words"), AFTERWARDS)
def test_what_is_another_by_the_second_way_is_named(tmp_path, app, name, change, words):
    manifest, path = set_of(tmp_path, files("app", app))
    restored(tmp_path, manifest, path)
    again = below(tmp_path / "into", app)
    change(again / name)
    os.utime(again, ns=(1, app.stat().st_mtime_ns))  # which has told already
    bench = Bench(path, tmp_path, HOST, platform=manifest.platform, thorough=True)
    with pytest.raises(ActionFailed) as refused:
        compare(manifest.sources[0], ArchiveReader(manifest, path, HOST), tmp_path / "into", bench)
    assert words in str(refused.value)
