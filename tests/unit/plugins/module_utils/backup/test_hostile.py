# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each hostile archive is refused with its entry named, and nothing is written outside of the folder for it."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import Unreadable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Manifest, Payload, SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import a_set
from .hostile import DIR, HARD, SYM, Hostile, all_hostile, hostile, index_of, member, sparse, with_pax

HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run


def fingerprint(root: Path, besides: Path) -> dict[str, tuple]:
    """Return all that there is below a folder but for one, by another way than what is tried: paths, as find does."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name) != besides]
        for path in (Path(folder), *(Path(folder, name) for name in (*files, *folders))):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
            found[str(path)] = (status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_uid, content)
    return found


def set_with(folder: Path, one: Hostile) -> tuple[Manifest, Path]:
    """Put an archive into a set whose checksums hold."""
    payloads = []
    for name, role, content in (
        ("archive.tar.gz", "archive", one.stream),
        ("index.jsonl.gz", "index", index_of(one.rows)),
    ):
        packed = gzip.compress(content, 1)
        (folder / "app").mkdir(exist_ok=True)
        (folder / "app" / name).write_bytes(packed)
        payloads.append(Payload(f"app/{name}", role, len(packed), hashlib.sha256(packed).hexdigest()))
    files = [row for row in one.rows if row[1] in ("file", "sparse")]
    size = sum(row[2] if row[1] == "file" else 4096 for row in files) if one.declared is None else one.declared
    things = len(files) if one.things is None else one.things
    entry = SourceCopy("app", "files", "gzip", tuple(payloads), things, size, size, {})
    return a_set().manifest._replace(sources=(entry,), platform=one.platform), folder


@pytest.fixture
def around() -> Iterator[Path]:
    """A folder with the set, the folder to unpack into, and a folder outside with what somebody would like to have.

    Its path is short: that of a link has 100 bytes in a plain header.
    """
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        for inner in ("set", "into", "outside"):
            Path(name, inner).mkdir(mode=0o700)
        Path(name, "outside", "secret").write_text("precious")
        yield Path(name)


def unpacked(manifest: Manifest, path: Path, around: Path) -> None:
    bench = Bench(path, around, HOST, platform=manifest.platform)
    restore(manifest.sources[0], ArchiveReader(manifest, path, HOST), around / "into", bench)


@pytest.mark.parametrize(("number", "name"), [*enumerate(one.name for one in all_hostile("/outside"))])
def test_a_hostile_archive_is_refused_by_the_name_of_its_entry(number, name, around):
    one = all_hostile(str(around / "outside"))[number]
    manifest, path = set_with(around / "set", one)
    before = fingerprint(around, around / "into")
    with pytest.raises((ActionFailed, Unreadable)) as refused:
        unpacked(manifest, path, around)
    assert one.name == name
    assert one.words in str(refused.value)
    assert one.entry in str(refused.value)
    assert fingerprint(around, around / "into") == before


def test_there_are_enough_of_them_and_each_is_another():
    hostile = all_hostile("/outside")
    assert len({one.name for one in hostile}) == len(hostile) >= 50
    assert len({(one.stream, repr(one.rows), one.declared, one.things, one.platform) for one in hostile}) == len(
        hostile
    )


def test_what_is_none_is_unpacked(around):
    data = os.urandom(3 << 20)
    described = b"2\n512\n512\n8192\n0\n"
    members = [
        member("d", DIR, mode=0o755),
        member("d/f", data=b"x", mode=0o640),
        member("d/large", data=data[::-1]),
        member("d/large", data=data),  # it changed while it was read
        member("first", HARD, link="d/f", mode=0o640),
        member("out", SYM, link=str(around / "outside"), mode=0o777),
        with_pax({"path": b"p" * 240}, member("p", data=b"y"), "p" * 240),
        sparse("holes", described, b"z" * 512, 8192),
    ]
    manifest, path = set_with(around / "set", hostile("none", members, "", ""))
    unpacked(manifest, path, around)
    into = around / "into"
    assert sorted(os.listdir(into)) == sorted(["d", "first", "out", "p" * 240, "holes"])
    assert (into / "d" / "large").read_bytes() == data
    assert (into / "holes").read_bytes() == bytes(512) + b"z" * 512 + bytes(8192 - 1024)
    assert (into / "first").stat().st_ino == (into / "d" / "f").stat().st_ino
    assert os.readlink(into / "out") == str(around / "outside")
