# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to a folder while it is read: whatever it is, it costs what it happened to, and nothing more."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import folders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import walk as walking
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import FAILED
from ansible_collections.cryptobot.maintenance.plugins.module_utils.folders import NotEntered

from .examples import act, files, found, status

Change = Callable[[Path], None]


@pytest.fixture
def tree(tmp_path) -> Path:
    """Files, a link and a folder in a folder, in this order of names: a, b (link), c (folder), d."""
    source = tmp_path / "source"
    (source / "c").mkdir(parents=True)
    for name in ("a", "c/inner", "d"):
        (source / name).write_text(f"content of {name}")
    (source / "b").symlink_to("a")
    (tmp_path / "secret").write_text("root only")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "inner").write_text("root only")
    return source


def vanishes(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def becomes_a_file(path: Path) -> None:
    vanishes(path)
    path.write_text("another")


def becomes_a_folder(path: Path) -> None:
    vanishes(path)
    path.mkdir()
    (path / "new").write_text("new")


def becomes_a_link(path: Path) -> None:
    to = "../secrets" if path.is_dir() else "../secret"
    vanishes(path)
    path.symlink_to(to)


def becomes_a_pipe(path: Path) -> None:
    vanishes(path)
    os.mkfifo(path)


CHANGES = [vanishes, becomes_a_file, becomes_a_folder, becomes_a_link, becomes_a_pipe]
PLACES = ["a", "b", "c", "c/inner", "d"]


def taken(folder: Path, source: Path) -> tuple[set[str], set[bytes], dict]:
    """Take a folder; return the names below it, the contents of its files, and what was noted."""
    result = act(folder, sources=[files("config", source, may_be_empty=True)], compression="none")
    assert result.failure == ""
    path = Path(result.data["set"]["path"])
    with tarfile.open(path / "config" / "archive.tar") as archive:
        members = archive.getmembers()
        contents = {archive.extractfile(one).read() for one in members if one.isreg()}
    names = {os.path.relpath(f"/{one.name}", source) for one in members}
    manifest = json.loads((path / "manifest.json").read_text())
    return names - {"."}, contents, manifest["sources"][0]["notes"]


def when_listed(monkeypatch, folder: Path, change: Change, place: Path) -> None:
    """Let something happen right after a folder was listed to be taken; it was listed before to be measured."""
    real, done = folders.Folder.entries, []

    def entries(self):
        listed = real(self)
        if self.path == str(folder):
            done.append(1)
            if len(done) == 2:
                change(place)
        return listed

    monkeypatch.setattr(folders.Folder, "entries", entries)


@pytest.mark.case("BK7")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", CHANGES, ids=[one.__name__ for one in CHANGES])
def test_what_changes_between_listing_and_reading_is_noted(tmp_path, tree, monkeypatch, change, place):
    whole = {"a", "b", "c", "c/inner", "d"}
    when_listed(monkeypatch, (tree / place).parent, change, tree / place)
    names, contents, notes = taken(tmp_path, tree)
    lost = {one for one in whole if one == place or one.startswith(f"{place}/")}
    assert whole - lost <= names
    assert b"root only" not in contents
    kept = {one for one in names if one in lost}
    if kept:  # a file in a file's place, a folder in a folder's place, a link in a link's place
        assert change.__name__ in ("becomes_a_file", "becomes_a_folder", "becomes_a_link")
        assert notes == {}
    else:
        assert notes == {("vanished" if change is vanishes else "swapped"): {"count": 1, "first": [str(tree / place)]}}


@pytest.mark.case("BK7")
def test_what_became_something_else_is_a_warning_and_what_vanished_is_said(tmp_path, tree, monkeypatch):
    when_listed(monkeypatch, tree, becomes_a_link, tree / "c")
    result = act(tmp_path, sources=[files("config", tree)])
    assert status(result, "backup.left_out") == "warning"
    assert str(tree / "c") in found(result, "backup.left_out")[0].message


@pytest.mark.case("BK6")
def test_a_file_that_another_took_the_place_of_is_taken(tmp_path, tree, monkeypatch):
    """So do programs save: write beside, rename."""

    def saved(path: Path) -> None:
        path.with_name("new").write_text("saved anew")
        os.rename(path.with_name("new"), path)

    when_listed(monkeypatch, tree, saved, tree / "a")
    names, contents, notes = taken(tmp_path, tree)
    assert (names, b"saved anew" in contents, notes) == ({"a", "b", "c", "c/inner", "d"}, True, {})


@pytest.mark.case("BK6")
@pytest.mark.parametrize("where", ["the declared folder", "the folder above it"])
def test_a_link_of_another_account_leads_only_to_what_is_his(tmp_path, where):
    """A declared path, or one above it, may be swapped by whoever owns the folder that it is in."""
    home = tmp_path / "home"
    (home / "app" / "config").mkdir(parents=True)
    (tmp_path / "root" / "config").mkdir(parents=True)
    (tmp_path / "root" / "config" / "key").write_text("root only")
    link = home / "app" if where == "the folder above it" else home / "app" / "config"
    target = tmp_path / "root" if where == "the folder above it" else tmp_path / "root" / "config"
    shutil.rmtree(link)
    link.symlink_to(target)
    sources = [files("config", home / "app" / "config")]
    assert act(tmp_path, sources=sources, compression="none").failure == ""  # root's own link
    os.lchown(link, 65534, 65534)
    result = act(tmp_path, sources=sources, compression="none")
    assert "leads to what is not his own" in result.failure
    assert [one.state for one in result.actions if one.subject == "config"] == [FAILED]
    os.chown(target, 65534, 65534)
    assert act(tmp_path, sources=sources, compression="none").failure == ""  # his link to his folder


@pytest.mark.case("BK6")
def test_links_are_settled_one_by_one(tmp_path):
    """A link of another account in the middle of a way is not excused by what comes after it."""
    (tmp_path / "root" / "his").mkdir(parents=True)
    os.chown(tmp_path / "root" / "his", 65534, 65534)
    (tmp_path / "link").symlink_to("root")
    os.lchown(tmp_path / "link", 65534, 65534)
    with pytest.raises(NotEntered, match="not his own"), folders.resolved(f"{tmp_path}/link/his"):
        pass
    with folders.resolved(f"{tmp_path}/root/../root/his") as place:
        assert place.path == f"{tmp_path}/root/his"
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"), folders.resolved(f"{tmp_path}/round"):
        pass


@pytest.mark.case("BK20")
@pytest.mark.parametrize("most", [2, 64])
def test_a_path_longer_than_the_system_takes(tmp_path, monkeypatch, most):
    """The system takes paths of 4096 bytes at most; names in open folders have no such end."""
    monkeypatch.setattr(walking, "MOST_OPEN", most)
    root = tmp_path / "source"
    root.mkdir()
    descriptor, name = os.open(root, os.O_RDONLY), "d" * 200
    for _level in range(25):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
        for file in ("a", "z"):
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=descriptor), "w") as stream:
                stream.write("deep")
    os.close(descriptor)
    names, contents, notes = taken(tmp_path, root)
    assert (len(names), contents, notes) == (75, {b"deep"}, {})
    assert max(map(len, names)) > 4096


@pytest.mark.case("BK20")
@pytest.mark.parametrize("end", ["data", "hole", "nothing"])
def test_holes_are_kept(tmp_path, end):
    """10 GB of which a few KB are data; the archive is small, verifies, and unpacks to the same file by GNU tar."""
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "sparse"
    with path.open("wb") as stream:
        if end != "nothing":
            stream.write(b"begin" * 1000)
            stream.seek(5 << 30)
            stream.write(b"middle" * 1000)
        if end == "data":
            stream.seek((10 << 30) - 3)
            stream.write(b"end")
        stream.truncate(10 << 30)
    result = act(tmp_path, sources=[files("config", tmp_path / "source")], compression="none")
    assert (result.failure, result.data["set"]["verified"]) == ("", "L2")
    assert result.data["set"]["bytes"] < 100_000
    assert result.data["space"]["predicted"] < 100_000
    out = tmp_path / "out"
    out.mkdir()
    archive = Path(result.data["set"]["path"]) / "config" / "archive.tar"
    assert os.system(f"tar -C {out} -xf {archive}") == 0
    unpacked = out / str(path)[1:]
    assert (unpacked.stat().st_size, unpacked.stat().st_blocks) == (path.stat().st_size, path.stat().st_blocks)
    assert os.system(f"cmp -n 6000 {path} {unpacked}") == 0
    for offset in (5 << 30, (10 << 30) - 3):
        assert os.system(f"cmp -i {offset} -n 6000 {path} {unpacked}") == 0
    with tarfile.open(archive) as opened:
        assert opened.getmembers()[-1].size == 10 << 30


@pytest.mark.case("BK8")
def test_a_name_that_is_no_utf_8_fits_into_every_message(tmp_path):
    """Named in a finding, in a failure and in the memory of the host, and the set is made."""
    source = os.fsencode(tmp_path / "source")
    os.mkdir(source)
    for name in (b"ok", b"\xff\xfe.db", b"caf\xe9", b"new\nline \x1b[31m"):
        with open(os.path.join(source, name), "wb") as stream:
            stream.write(b"SQLite format 3\0" + bytes(100))
    os.mkfifo(os.path.join(source, b"\xed\xa0\x80 pipe"))
    result = act(tmp_path, sources=[files("config", tmp_path / "source")], retention={"daily": 1})
    assert (result.failure, result.data["set"]["good"]) == ("", True)
    said = found(result, "backup.live_database")[0].message
    assert "\\xff\\xfe.db" in said
    json.dumps(result.as_dict(), ensure_ascii=False).encode("utf-8")
    assert "\x1b" not in said
    assert "\n" not in said


@pytest.mark.case("BK8")
def test_a_name_that_is_no_utf_8_fits_into_a_failure(tmp_path, monkeypatch):
    os.mkdir(os.fsencode(tmp_path / "source"))
    with open(os.path.join(os.fsencode(tmp_path / "source"), b"caf\xe9"), "wb"):
        pass
    refused = PermissionError(13, "Permission denied")
    monkeypatch.setattr(folders.Folder, "open_file", lambda *_unused: (_unused for _unused in ()).throw(refused))
    result = act(tmp_path, sources=[files("config", tmp_path / "source")])
    assert "caf\\xe9 cannot be read: Permission denied" in result.failure
    json.dumps({**result.as_dict(), "failure": result.failure}, ensure_ascii=False).encode("utf-8")
    (tmp_path / "state" / "backup.json").read_text(encoding="utf-8")
