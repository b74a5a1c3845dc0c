# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of the application's own scripts: both variants are read as a set is, and hostile ones are refused."""

# Nobody changes the defaults.
# pylint: disable=dangerous-default-value
from __future__ import annotations

import gzip
import io
import json
import os
import stat
import struct
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import Unreadable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.foreign import ForeignReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import database, tree
from .hostile import Hostile, all_hostile, header, member
from .test_hostile import around, fingerprint

HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run
SHELL = {
    "backupName": "nightly",
    "timestamp": "2026-11-28 02:00:05",
    "includeLogs": False,
    "version": "1.0",
    "system": {"hostname": "bot1", "os": "Linux", "kernel": "6.1", "arch": "x86_64"},
}
POWERSHELL = {
    "BackupName": "nightly",
    "Timestamp": "2026-11-28 02:00:05",
    "IncludeLogs": "False",
    "Version": "1.0",
    "System": {"ComputerName": "BOT1", "OSVersion": "Microsoft Windows 10.0.20348", "Architecture": "AMD64"},
}
__all__ = ["around"]


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """The folder that the script puts into its archive."""
    root = tmp_path / "stage" / "nightly"
    (root / "config" / "ssl").mkdir(parents=True)
    (root / "config" / "app.yml").write_text("key: 1\n")
    (root / "config" / "ssl" / "cert.pem").write_text("-----")
    (root / "config" / "current").symlink_to("ssl/cert.pem")
    (root / "data").mkdir()
    (root / "data" / "state.json").write_text("{}")
    database(root / "cryptobot.db", rows=42)
    return root


def tar_of(stage: Path, metadata: Any = SHELL, name: str = "nightly.tar.gz") -> Path:
    (stage / "metadata.json").write_text(json.dumps(metadata))
    path = stage.parent / name
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(stage, arcname="nightly")
    return path


def zip_of(stage: Path, metadata: Any = POWERSHELL, encoding: str = "utf-16") -> Path:
    """Return an archive as Compress-Archive of PowerShell 5.1 makes one: backslashes, no folder of its own."""
    (stage / "metadata.json").write_bytes(json.dumps(metadata).encode(encoding))
    path = stage.parent / "nightly.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(stage.rglob("*")):
            if each.is_file() and not each.is_symlink():
                info = zipfile.ZipInfo("\\".join(each.relative_to(stage).parts), time.localtime(1_700_000_000)[:6])
                info.create_system = 0
                archive.writestr(info, each.read_bytes())
    return path


def read(path: Path, folder: Path) -> ForeignReader:
    (folder / "scratch").mkdir(exist_ok=True)
    return ForeignReader(path, folder / "scratch", HOST)


def restored(reader: ForeignReader, name: str, folder: Path) -> tuple[Path, Any]:
    into = folder / f"into-{name}"
    into.mkdir(mode=0o700)
    [entry] = [one for one in reader.manifest.sources if one.name == name]
    bench = Bench(folder, folder / "scratch", HOST, platform=reader.manifest.platform, thorough=True)
    return into, restore(entry, reader, into, bench)


def test_the_archive_of_the_shell_script_is_read(tmp_path, stage):
    reader = read(tar_of(stage), tmp_path)
    manifest = reader.manifest
    assert (manifest.name, manifest.host, manifest.platform, manifest.label) == ("nightly", "bot1", "linux", "foreign")
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(manifest.created)) == "2026-11-28 02:00:05"
    assert sorted((one.name, one.type, one.things) for one in manifest.sources) == [
        ("config", "files", 2), ("data", "files", 1), ("sqlite", "sqlite", 0),
    ]  # fmt: skip
    into, done = restored(reader, "config", tmp_path)
    assert tree(into / "config") == tree(stage / "config")
    assert done.proof["files"] == 2
    into, done = restored(reader, "sqlite", tmp_path)
    assert (done.proof["rows"], done.things, sorted(done.notes.counts)) == ({"trades": 42}, 42, ["journal", "rows"])
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig"])
def test_the_archive_of_the_powershell_script_is_read(tmp_path, stage, encoding):
    reader = read(zip_of(stage, encoding=encoding), tmp_path)
    manifest = reader.manifest
    assert (manifest.name, manifest.host, manifest.platform) == ("nightly", "BOT1", "windows")
    assert sorted(one.name for one in manifest.sources) == ["config", "data", "sqlite"]
    into, done = restored(reader, "config", tmp_path)
    assert (into / "config" / "ssl" / "cert.pem").read_text() == "-----"
    assert done.proof["files"] == 2
    into, done = restored(reader, "sqlite", tmp_path)
    assert done.proof["rows"] == {"trades": 42}


def test_what_such_an_archive_lacks_is_named(tmp_path, stage):
    (stage / "loose.txt").write_text("x")
    lacks = "; ".join(read(tar_of(stage), tmp_path).lacks)
    for words in ("no checksums", "no .env", "no Redis", "no units", "access control lists", "without its -wal",
                  "no logs", "no time zone", "how many rows", "not read: loose.txt"):  # fmt: skip
        assert words in lacks
    assert "no config/" not in lacks


def test_an_archive_without_a_database_says_so(tmp_path, stage):
    (stage / "cryptobot.db").unlink()
    (stage / "database.sql").write_text("--\n-- PostgreSQL database dump\n--\n")
    lacks = "; ".join(read(tar_of(stage), tmp_path).lacks)
    assert "its database is SQL as text, database.sql" in lacks
    (stage / "database.sql").unlink()
    assert "it has no database" in read(tar_of(stage), tmp_path).lacks


@pytest.mark.parametrize("metadata", ["[]", "{", "no JSON"])
def test_metadata_that_is_none_is_refused(tmp_path, stage, metadata):
    path = tar_of(stage)
    (stage / "metadata.json").write_text(metadata)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(stage, arcname="nightly")
    with pytest.raises(ActionFailed, match=r"metadata\.json that is no JSON object"):
        read(path, tmp_path)


def test_what_is_no_archive_of_the_application_is_refused(tmp_path, stage):
    other = tmp_path / "other.tar.gz"
    with tarfile.open(other, "w:gz") as archive:
        archive.add(stage / "config", arcname="config")
    with pytest.raises(ActionFailed, match=r"it has no metadata\.json"):
        read(other, tmp_path)
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(Unreadable, match=r"neither a tar\.gz nor a zip"):
        read(tmp_path / "text.zip", tmp_path)


def test_an_archive_that_changes_between_the_readings_proves_nothing(tmp_path, stage):
    path = tar_of(stage)
    reader = read(path, tmp_path)
    os.utime(path, (1, 1))
    with pytest.raises(ActionFailed, match="changed while it was read"):
        restored(reader, "config", tmp_path)


# What only an index or a manifest can lie about: there is none here.
OF_THE_INDEX = ("index", "another", "more in", "setuid", "declared", "zeros behind", "name that no system", "name ./a")


def meant(one: Hostile) -> bool:
    return one.platform == "linux" and not any(words in one.name for words in OF_THE_INDEX)


HOSTILE = [(number, one.name) for number, one in enumerate(all_hostile("/outside")) if meant(one)]


@pytest.mark.parametrize(("number", "name"), HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written_outside(number, name, around):
    one = all_hostile(str(around / "outside"))[number]
    good = (member("metadata.json", data=json.dumps(SHELL).encode()), member("config/app.yml", data=b"x"))
    (around / "set" / "a.tar.gz").write_bytes(gzip.compress(b"".join(each.tar for each in good) + one.stream, 1))
    before = fingerprint(around, around / "into")
    with pytest.raises((ActionFailed, Unreadable)) as refused:
        everything(around)
    assert one.entry in str(refused.value)
    assert fingerprint(around, around / "into") == before


def everything(around: Path, name: str = "a.tar.gz") -> None:
    """Read an archive and restore each source of it into a folder of its own."""
    reader = ForeignReader(around / "set" / name, around / "into", HOST)
    for entry in reader.manifest.sources:
        into = around / "into" / f"to-{entry.name}"
        into.mkdir(mode=0o700)
        restore(entry, reader, into, Bench(around, around / "into", HOST, platform="linux"))


def info(name: str, *, system: int = 0, mode: int = 0) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.create_system, found.external_attr = system, mode << 16
    return found


def zipped(*members: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps(POWERSHELL))
        archive.writestr("config/app.yml", "x")
        for one, data in members:
            archive.writestr(one, data)
    return stream.getvalue()


def renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    """Change a name that the standard library would not write."""
    assert len(old) == len(new)
    return content.replace(old, new)


def with_size(content: bytes, name: bytes, size: int) -> bytes:
    """Have both headers of a member claim another size."""
    data = bytearray(content)
    for signature, sizes, names in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            if content[at + names : at + names + len(name)] == name:
                struct.pack_into("<I", data, at + sizes, size)
    return bytes(data)


def overlapping() -> bytes:
    """Have two names of the list lead to the bytes of one member."""
    content = zipped((info("config/first"), b"a" * 1000), (info("config/other"), b"b" * 1000))
    data = bytearray(content)
    entries = [at for at in range(len(content)) if content[at : at + 4] == b"PK\x01\x02"]
    data[entries[-1] + 42 : entries[-1] + 46] = data[entries[-2] + 42 : entries[-2] + 46]
    return bytes(data)


def zips() -> list[tuple[str, bytes, str]]:
    link, device, pipe = stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666
    file, bomb = info("config/x"), info("config/bomb")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    return [
        ("above", zipped((info("../x"), b"x")), "../x"),
        ("above in the middle", zipped((info("config/../../x"), b"x")), "config/../../x"),
        ("above by backslashes", zipped((info("config\\..\\..\\x"), b"x")), "config/../../x"),
        ("absolute", zipped((info("/etc/x"), b"x")), "/etc/x"),
        ("absolute by a backslash", zipped((info("\\etc\\x"), b"x")), "/etc/x"),
        ("drive", zipped((info("C:/x"), b"x")), "C:/x"),
        ("stream", zipped((info("config/a:b"), b"x")), "config/a:b"),
        ("device", zipped((info("config/nul.txt"), b"x")), "config/nul.txt"),
        ("empty name", renamed(zipped((info("Q"), b"x")), b"Q", b"/"), "/"),
        ("symlink", zipped((info("config/l", system=3, mode=link), b"/etc")), "config/l"),
        ("character device", zipped((info("config/d", system=3, mode=device), b"")), "config/d"),
        ("pipe", zipped((info("config/p", system=3, mode=pipe), b"")), "config/p"),
        ("folder with content", zipped((info("config/d/"), b"x")), "config/d/"),
        ("twice", zipped((file, b"x"), (info("config/y"), b"y")).replace(b"config/y", b"config/x"), "config/x"),
        ("file below a file", zipped((file, b"x"), (info("config/x/y"), b"y")), "config/x/y"),
        ("more than it says", with_size(zipped((bomb, bytes(1 << 20))), b"config/bomb", 1000), "config/bomb"),
        ("less than it says", with_size(zipped((bomb, bytes(1000))), b"config/bomb", 1 << 20), "config/bomb"),
        ("says a terabyte", with_size(zipped((bomb, bytes(1000))), b"config/bomb", 0xFFFFFFF0), "config/bomb"),
        ("overlapping", overlapping(), "config/other"),
        ("damaged", zipped((file, b"x" * 1000))[:-200], ""),
    ]


@pytest.mark.parametrize(("name", "content", "entry"), zips(), ids=[case[0] for case in zips()])
def test_a_hostile_zip_is_refused_by_the_name_of_its_entry(name, content, entry, around):
    (around / "set" / "a.zip").write_bytes(content)
    before = fingerprint(around, around / "into")
    with pytest.raises((ActionFailed, Unreadable)) as refused:
        everything(around, "a.zip")
    assert entry in str(refused.value)
    assert fingerprint(around, around / "into") == before


def test_a_bomb_of_zeros_is_bounded_by_the_size_of_the_archive(around, monkeypatch):
    monkeypatch.setattr(f"{ForeignReader.__module__}_members.LEAST", 1 << 20)
    metadata = member("metadata.json", data=json.dumps(SHELL).encode())
    bomb = header(b"config/zeros", size=64 << 20) + bytes(64 << 20)
    path = around / "set" / "a.tar.gz"
    path.write_bytes(gzip.compress(metadata.tar + bomb + bytes(1024), 9))
    with pytest.raises(ActionFailed, match=r"config/zeros.*more than the"):
        everything(around)
