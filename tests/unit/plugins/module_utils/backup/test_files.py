# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A files source: what is found, how it is stored, and that other tars read it."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import Unreadable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import archive as archiving
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.back_up import (
    back_up,
    measure,
    real_paths,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.formats import (
    BadTar,
    Owner,
    header,
    read_members,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.verify import verify
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.walk import leaving_out, walk
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench, Workshop
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.streams import COMPRESSIONS, Codec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.folders import Folder, resolved
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

PLAIN = Codec(COMPRESSIONS["none"], 0)
BIG = (1 << 20) + 12345  # more than is read at a time
ODD_NAMES = [
    ".env",
    "a b",
    " leading and trailing ",
    "new\nline",
    "tab\t",
    "quote'\"",
    "back\\slash",
    "-rf",
    "*",
    "umlaut-ä-漢字",
    os.fsdecode(b"not-utf8-\xff"),
    "n" * 100,
    "n" * 101,
    "n" * 255,
    "ä" * 120,
]


def taken(folder: Path, *paths: Path, protected: frozenset = frozenset(), **more) -> SourceCopy:
    target = folder / "set" / "files"
    target.mkdir(parents=True)
    source = Source("files", "files", paths=tuple(str(path) for path in paths), **more)
    return back_up(source, Workshop(target, choose_host(), PLAIN, protected))


def archive(folder: Path) -> Path:
    return folder / "set" / "files" / "archive.tar"


def names(folder: Path) -> list[str]:
    with tarfile.open(archive(folder)) as tar:
        return [member.name for member in tar]


def rows(folder: Path) -> list[list]:
    lines = (folder / "set" / "files" / "index.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def verified(folder: Path, made: SourceCopy, **changes) -> list[str]:
    entry = SourceCopy(
        "files", "files", "none", made.payloads, made.things, made.raw_bytes, made.live_bytes, made.facts
    )
    return verify(entry, Bench(folder / "set", folder, choose_host()))


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with everything in it that a real one may have."""
    root = tmp_path / "source"
    (root / "deep" / ".hidden").mkdir(parents=True)
    (root / "deep" / ".hidden" / "file").write_bytes(b"hidden")
    (root / "empty").mkdir()
    (root / "big").write_bytes(os.urandom(BIG))
    (root / "zero").touch()
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0o4600)
    (root / "block").write_bytes(b"x" * 512)
    for name in ODD_NAMES:
        (root / name).write_text(f"content of {name!r}")
    (root / "link").symlink_to("deep")
    (root / "dangling").symlink_to("/no/such/place")
    (root / "long").symlink_to("x" * 300)
    os.link(root / "big", root / "deep" / "same")
    for path in [root / "secret", root / "deep" / ".hidden", root / "deep", root]:
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    return root


def test_two_other_tars_read_the_archive_back_as_it_was(tmp_path, source):
    made = taken(tmp_path, source)
    for number, unpack in enumerate((with_gnu_tar, with_tarfile)):
        target = tmp_path / f"restored{number}"
        target.mkdir()
        unpack(archive(tmp_path), target)
        assert listing(target / str(source).lstrip("/")) == listing(source)
    assert made.things == 6 + len(ODD_NAMES) - 1  # regular files; the second name of one is a link to it


def with_gnu_tar(path: Path, target: Path) -> None:
    subprocess.run(["tar", "-xpf", path, "-C", target], check=True, capture_output=True)


def with_tarfile(path: Path, target: Path) -> None:
    with tarfile.open(path) as tar:
        tar.extractall(target, **({"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}))


def listing(root: Path) -> dict:
    seen = {}
    below = [Path(folder, name) for folder, folders, names in os.walk(root) for name in folders + names]
    for path in [root, *below]:
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        mtime = 0 if path.is_symlink() else int(status.st_mtime)
        seen[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_gid, mtime, what)
    return seen


def test_the_archive_holds_what_its_index_says(tmp_path, source):
    assert verified(tmp_path, taken(tmp_path, source)) == []


def test_the_index_keeps_what_tar_does_not(tmp_path, source):
    taken(tmp_path, source)
    row = {Path(row[0]).name: row for row in rows(tmp_path)}["secret"]
    assert row[4:8] == [0o4600, os.geteuid(), os.getegid(), 1_234_567_890_123_456_789]


def test_a_symlink_is_kept_and_what_it_leads_to_is_not(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link").symlink_to(tmp_path / "outside")
    taken(tmp_path, tmp_path / "source")
    assert [Path(name).name for name in names(tmp_path)] == ["source", "link"]


def test_a_declared_path_that_is_a_symlink_is_followed(tmp_path):
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "file").touch()
    (tmp_path / "current").symlink_to("v2")
    taken(tmp_path, tmp_path / "current")
    assert [name.replace(str(tmp_path)[1:], "") for name in names(tmp_path)] == ["/v2", "/v2/file", "/current"]


def test_a_single_file_is_a_source_too(tmp_path):
    (tmp_path / ".env").write_text("x")
    assert taken(tmp_path, tmp_path / ".env").things == 1


def test_sockets_pipes_and_devices_are_noted_and_never_opened(tmp_path):
    (tmp_path / "source").mkdir()
    os.mkfifo(tmp_path / "source" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "source" / "socket"))
        made = taken(tmp_path, tmp_path / "source")
    assert made.notes.counts == {"special": 2}
    assert made.things == 0


EXCLUDED = [
    ("*.pyc", {"keep", "sub", "sub/keep.py", "sub/venv", "sub/venv/x"}),
    ("venv", {"keep", "a.pyc", "sub", "sub/keep.py", "sub/b.pyc"}),
    ("venv/", {"keep", "a.pyc", "sub", "sub/keep.py", "sub/b.pyc"}),
    ("sub/*", {"keep", "a.pyc", "sub"}),
    ("sub/*.py", {"keep", "a.pyc", "sub", "sub/b.pyc", "sub/venv", "sub/venv/x"}),
    ("[!ks]*", {"keep", "sub", "sub/keep.py"}),
]


@pytest.mark.parametrize(("pattern", "expected"), EXCLUDED)
def test_what_a_pattern_leaves_out(tmp_path, pattern, expected):
    for name in ("keep", "a.pyc", "sub/keep.py", "sub/b.pyc", "sub/venv/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with resolved(str(tmp_path)) as place:
        found = {os.path.relpath(one.path, tmp_path) for one in walk(place, leaving_out([pattern]))}
    assert found - {"."} == expected


def test_what_is_protected_is_left_out(tmp_path):
    (tmp_path / "source" / "backups").mkdir(parents=True)
    (tmp_path / "source" / "backups" / "set").touch()
    (tmp_path / "source" / "keep").touch()
    taken(tmp_path, tmp_path / "source", protected=frozenset([str(tmp_path / "source" / "backups")]))
    assert [Path(name).name for name in names(tmp_path)] == ["source", "keep"]


def test_a_path_within_another_is_taken_once(tmp_path):
    for name in ("a/b/c", "ab"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    declared = [f"{tmp_path}/{name}" for name in ("a/b", "a", "ab", "a/b/c", "a/", "link", "link/b")]
    assert real_paths(declared) == [f"{tmp_path}/a", f"{tmp_path}/ab"]


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceMissing, match="gone does not exist"):
        taken(tmp_path, tmp_path / "gone")
    with pytest.raises(SourceMissing, match="gone does not exist"):
        measure(Source("x", "files", paths=(str(tmp_path / "gone"),)), frozenset(), choose_host())


def unprivileged(monkeypatch) -> None:
    """Root may read everything, so make the system refuse as it would anybody else."""
    real = os.open

    def refusing(path, *arguments, **more):
        if str(path).endswith("forbidden"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refusing)


def test_a_file_that_may_not_be_read_fails_the_source_and_is_named(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "forbidden").touch()
    unprivileged(monkeypatch)
    with pytest.raises(SourceDenied, match="forbidden cannot be read: Permission denied"):
        taken(tmp_path, tmp_path / "source")


def test_a_folder_that_may_not_be_read_fails_the_source_and_is_named(tmp_path, monkeypatch):
    (tmp_path / "source" / "sub").mkdir(parents=True)
    real = Folder.entries

    def refusing(folder):
        if folder.path.endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(Folder, "entries", refusing)
    with pytest.raises(SourceDenied, match="sub cannot be read: Permission denied"):
        taken(tmp_path, tmp_path / "source")


def tampering(monkeypatch, times: int, tamper) -> None:
    """Call ``tamper`` right after each of the first so many reads of a file's content."""
    real, left = os.read, [times]

    def read(descriptor, size):
        data = real(descriptor, size)
        if left[0] and data and stat.S_ISREG(os.fstat(descriptor).st_mode):
            left[0] -= 1
            tamper()
        return data

    monkeypatch.setattr(archiving.os, "read", read)


@pytest.mark.parametrize("size", [1000, BIG], ids=["small", "large"])
def test_a_file_that_changes_once_is_read_again(tmp_path, monkeypatch, size):
    path = tmp_path / "source"
    path.write_bytes(b"a" * size)
    tampering(monkeypatch, 1, lambda: path.write_bytes(b"b" * (size + 7)))
    made = taken(tmp_path, path)
    monkeypatch.undo()
    assert made.notes.counts == {}
    with tarfile.open(archive(tmp_path)) as tar:
        assert tar.extractfile(str(path)[1:]).read() == b"b" * (size + 7)
    assert verified(tmp_path, made) == []


@pytest.mark.parametrize("size", [1000, BIG], ids=["small", "large"])
def test_a_file_that_changes_again_and_again_is_noted(tmp_path, monkeypatch, size):
    path = tmp_path / "source"
    path.write_bytes(b"a" * size)
    tampering(monkeypatch, 99, lambda: os.truncate(path, path.stat().st_size + 1))
    made = taken(tmp_path, path)
    assert made.notes.counts == {"changed": 1}
    assert made.notes.named["changed"] == [str(path)]
    assert verified(tmp_path, made) == []


@pytest.mark.parametrize("size", [1000, BIG], ids=["small", "large"])
def test_a_file_that_shrinks_leaves_a_sound_archive(tmp_path, monkeypatch, size):
    path = tmp_path / "source"
    path.write_bytes(b"a" * size)
    tampering(monkeypatch, 99, lambda: os.truncate(path, max(0, path.stat().st_size - 900)))
    made = taken(tmp_path, path)
    assert made.notes.counts == {"changed": 1}
    assert verified(tmp_path, made) == []


def test_a_file_that_vanishes_is_noted(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "gone").touch()
    (tmp_path / "source" / "stays").touch()
    real = archiving.opened
    monkeypatch.setattr(
        archiving,
        "opened",
        lambda found: (os.unlink(found.path) if found.name == "gone" else None, real(found))[1],
    )
    made = taken(tmp_path, tmp_path / "source")
    assert (made.things, made.notes.counts) == (1, {"vanished": 1})


def test_a_link_put_in_the_place_of_a_file_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").touch()
    (tmp_path / "outside").write_text("root:x:0:0")
    real = archiving.opened

    def swapped(found):
        os.unlink(found.path)
        os.symlink(tmp_path / "outside", found.path)
        return real(found)

    monkeypatch.setattr(archiving, "opened", swapped)
    made = taken(tmp_path, tmp_path / "source")
    assert (made.things, made.notes.counts) == (0, {"swapped": 1})


@pytest.mark.parametrize("size", [100, BIG], ids=["small", "large"])
def test_a_database_that_is_copied_as_a_plain_file_is_noted(tmp_path, size):
    (tmp_path / "app.db").write_bytes(b"SQLite format 3\0" + bytes(size))
    assert taken(tmp_path, tmp_path / "app.db").notes.named == {"database": [str(tmp_path / "app.db")]}


NUMBERS = [
    ("uid", {"st_uid": 8**7, "st_gid": 0, "st_mtime": 1.0}),
    ("before 1970", {"st_uid": 0, "st_gid": 0, "st_mtime": -5.0}),
    ("after 2242", {"st_uid": 0, "st_gid": 0, "st_mtime": float(8**11)}),
]


@pytest.mark.parametrize(("why", "fields"), NUMBERS, ids=[case[0] for case in NUMBERS])
def test_numbers_beyond_the_plain_header_are_kept(why, fields):
    status = os.stat_result((0o100644, 1, 1, 1, fields["st_uid"], fields["st_gid"], 3, 0, int(fields["st_mtime"]), 0))
    data = header("name", b"0", 3, status, Owner()) + b"abc".ljust(512, b"\0") + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.next()
        assert (member.name, member.uid, member.mtime) == ("name", fields["st_uid"], int(fields["st_mtime"]))
    assert [(one.name, one.size) for one in read_members(io.BytesIO(data[:-1536] + data[-1024:]))][:1] == [("name", 3)]


def test_a_file_beyond_eight_gigabytes_keeps_its_size():
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 0, 0, 0, 0))
    data = header("name", b"0", 8**11, status, Owner())
    member = next(read_members(io.BytesIO(data + bytes(1024))))
    assert member.size == 8**11
    assert tarfile.TarInfo.frombuf(data[-512:], "utf-8", "strict").name == "name"


def damaged(folder: Path, position: int) -> None:
    content = bytearray(archive(folder).read_bytes())
    content[position] ^= 0xFF
    archive(folder).write_bytes(content)


def test_every_region_of_an_archive_that_is_damaged_is_noticed(tmp_path, source):
    made = taken(tmp_path, source)
    sound = archive(tmp_path).read_bytes()
    # the second block of the end mark carries nothing that a reader would miss; its size is L0's to see
    middle, tail, end = 4096, len(sound) - 8192, len(sound) - 512
    for position in [*range(0, middle, 97), *range(middle, tail, 40_000), *range(tail, end, 97)]:
        damaged(tmp_path, position)
        assert verified(tmp_path, made), f"nobody saw the byte at {position}"
        archive(tmp_path).write_bytes(sound)
    assert verified(tmp_path, made) == []


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 1024, 50_000, -1, -512, -1024])
def test_an_archive_that_was_cut_is_noticed(tmp_path, source, length):
    made = taken(tmp_path, source)
    size = archive(tmp_path).stat().st_size
    os.truncate(archive(tmp_path), length if length >= 0 else size + length)
    found = verified(tmp_path, made)
    # two blocks of zeros end a tar; the first is enough for a reader, and what is cut behind it is L0's to see
    assert bool(found) is (length not in (-1, -512))


def test_a_member_that_is_missing_in_the_index_is_noticed_and_the_other_way_round(tmp_path, source):
    made = taken(tmp_path, source)
    index = tmp_path / "set" / "files" / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(lines[:-1]))
    assert "in the archive and not in the index" in verified(tmp_path, made)[0]
    index.write_bytes(b"".join([*lines, lines[-1]]))
    assert "in the index and not in the archive" in verified(tmp_path, made)[0]
    index.write_bytes(b"".join([lines[0], b"[]\n"]))
    with pytest.raises(Unreadable, match="line 2 is no row"):
        verified(tmp_path, made)
    index.write_bytes(b"".join(lines[1:]))
    with pytest.raises(Unreadable, match="first line"):
        verified(tmp_path, made)


def test_an_archive_is_no_tar(tmp_path):
    with pytest.raises(BadTar):
        list(read_members(io.BytesIO(os.urandom(2048))))
