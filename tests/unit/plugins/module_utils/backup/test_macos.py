# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macOS, and extended attributes, which Linux has as well."""

from __future__ import annotations

import base64
import ctypes
import errno
import os
from contextlib import suppress
from typing import Optional

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils import folders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import macos
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.access import FolderMode
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.macos import allowing, parse_lists
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import attributes as members
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.attributes import (
    Packed,
    members_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.content import Found
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

from .elsewhere import FIXTURES, Elsewhere

EVERYTHING = "read,write,append,readattr,writeattr,readextattr,writeextattr,readsecurity"
LISTINGS = [
    ("macos-12/music.txt", {"/Users/user/Music": ("group:everyone deny delete",)}),
    (
        "macos-13/home.txt",
        {
            "/Users/smcho/Library": ("group:com.apple.sharepoint.group.3 allow search", "group:everyone deny delete"),
            "/Users/smcho/Projects": (),
            "/Users/smcho/Public": ("group:everyone deny delete",),
            "/Users/smcho/bin": (),
        },
    ),
    (
        "macos-15/links.txt",
        {
            "/tmp": (),
            "/opt/cryptobot/a -> b (HD).m4v": (
                f"group:owner allow {EVERYTHING},writesecurity,chown",
                "group:everyone allow read,readattr,readextattr,readsecurity",
            ),
            "/dev/null": (),
            "/opt/cryptobot/Gro\u0308ße 漢字.txt": (),
        },
    ),
]


def listing(name: str) -> str:
    return (FIXTURES / "ls" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "expected"), LISTINGS, ids=[case[0] for case in LISTINGS])
def test_access_control_lists_by_path(name, expected):
    assert parse_lists(listing(name), set(expected)) == expected


@pytest.mark.parametrize("name", ["foreign_line.txt", "list_without_a_file.txt", "truncated.txt"])
def test_a_listing_of_something_else_is_an_error_that_names_the_line(name):
    with pytest.raises(ParseError, match="ls -lde, line 1"):
        parse_lists(listing(f"hostile/{name}"), {"/Users/user/Music"})


@given(st.text(alphabet="drwx-+@ /0123:Nov\n >allow", max_size=80))
def test_no_listing_ends_in_anything_but_an_answer_or_one_error(text):
    with suppress(ParseError):
        assert set(parse_lists(text, {"/a", "/a b"})) <= {"/a", "/a b"}


def test_who_a_list_allows_something():
    entries = [
        "user:bob allow read",
        "group:admin inherited allow list",
        "group:everyone deny delete",
        "user:bob allow x",
    ]
    assert allowing(entries) == ("user:bob", "group:admin")


BACKUPS = ["/var/backups/cryptobot", "/var/backups/cryptobot/20261122T020000Z-5f3a91"]


def test_a_list_opens_a_folder_whose_mode_is_closed():
    host = FakeHost("darwin", commands={"ls -lde": listing("macos-14/backups.txt")})
    found = macos.collect_access([FolderMode(path, 0o700) for path in BACKUPS], host)
    assert [folder.others for folder in found.folders] == [(), ("user:bob", "group:admin")]
    assert (found.unknown, "chmod -N" in found.remedy) == ("", True)
    assert "user:bob allow list" in found.folders[1].actual


def test_without_ls_the_modes_speak_and_the_lists_stay_unknown():
    found = macos.collect_access([FolderMode(BACKUPS[0], 0o750)], FakeHost("darwin"))
    assert [folder.others for folder in found.folders] == [("the group",)]
    assert "'ls' was not found" in found.unknown


def test_many_paths_are_asked_in_portions_and_odd_ones_not_at_all():
    def answer(argv):
        return "".join(f"-rw-r--r--  1 u  g  0 Nov 22 20:00 {path}\n" for path in argv[2:])

    host = Elsewhere("darwin", {"ls": answer})
    paths = [f"/x/{number}" for number in range(1201)]
    found, why = macos.lists([*paths, "/x/new\nline", os.fsdecode(b"/x/\xff")], host)
    assert (len(found), len(host.ran)) == (1201, 3)
    assert "do not fit into a line" in why
    macos.lists(["/" + "y" * 60_000, "/" + "z" * 60_000], host)
    assert len(host.ran) == 5


class Library:
    """The system's library as macOS has it, played: the attributes of one file, or the number of an error."""

    def __init__(self, values: dict[str, bytes], error: int = 0, grows: int = 0) -> None:
        self.values, self.error, self.grows, self.options = values, error, grows, set()

    def listxattr(self, path: bytes, buffer: Optional[object], size: int, options: int) -> int:
        return self._fill(b"".join(name.encode() + b"\0" for name in self.values), buffer, size, options)

    def getxattr(
        self, path: bytes, name: bytes, buffer: Optional[object], size: int, position: int, options: int
    ) -> int:
        assert position == 0
        value = self.values[name.decode()]
        if buffer is not None and self.grows:
            self.grows -= 1
            self.values[name.decode()] = value = value + b"+"
        return self._fill(value, buffer, size, options)

    def _fill(self, value: bytes, buffer, size: int, options: int) -> int:
        self.options.add(options)
        if self.error or (buffer is not None and size < len(value)):
            ctypes.set_errno(self.error or errno.ERANGE)
            return -1
        if buffer is not None:
            ctypes.memmove(buffer, value, len(value))
        return len(value)


VALUES = {
    "com.apple.quarantine": b"0081;5f3a91;Safari;",
    "com.apple.FinderInfo": bytes(32),
    "empty": b"",
    "ä\nb: c": b"\xff\0",
}


def played(monkeypatch, *args, **more) -> Library:
    library = Library(*args, **more)
    monkeypatch.setattr(macos, "library", lambda: library)
    return library


def test_extended_attributes_are_read_byte_by_byte_and_links_are_not_followed(monkeypatch):
    library = played(monkeypatch, VALUES)
    assert macos.read("/x") == VALUES
    assert library.options == {1}


def test_an_attribute_that_grows_meanwhile_is_asked_for_again(monkeypatch):
    played(monkeypatch, {"a": b"1"}, grows=2)
    assert macos.read("/x") == {"a": b"1++"}


@pytest.mark.parametrize(
    ("code", "raised"), [(errno.ENOTSUP, False), (93, False), (errno.EACCES, True), (errno.EPERM, True)]
)
def test_a_file_system_without_them_has_none_and_a_refusal_is_an_error(monkeypatch, code, raised):
    played(monkeypatch, {"a": b"1"}, code)
    ctypes.set_errno(0)
    if raised:
        with pytest.raises(PermissionError):
            macos.read("/x")
    else:
        assert macos.read("/x") == {}


@pytest.fixture
def marked(tmp_path) -> Packed:
    """A real file with a real attribute."""
    path = tmp_path / "file"
    path.touch()
    os.setxattr(path, "user.note", b"kept")
    return Packed(str(path), "tmp/file", "file", 0)


def test_the_call_itself_works_on_a_real_file(marked):
    # Linux' functions have the same name and fewer arguments; what is beyond them is not looked at
    assert dict(macos.read(marked.path))["user.note"] == b"kept"


def linux_attributes(folder) -> members.Noted:
    """Return what is noted of the files in a folder."""
    members = members_of("linux")
    with folders.opened(str(folder)) as holder:
        for name in holder.names():
            found = Found(f"{folder}/{name}", "file", holder, name)
            descriptor = -1 if (folder / name).is_symlink() else holder.open_file(name)
            members.report(found, f"tmp/{name}", "file", holder.lstat(name), descriptor)
    return members.noted


def test_linux_notes_extended_attributes_too(marked, tmp_path):
    os.symlink(marked.path, tmp_path / "link")
    found = linux_attributes(tmp_path)
    assert found.rows["tmp/file"]["xattrs"]["user.note"] == base64.b64encode(b"kept").decode()
    assert (found.missing, "user.note" in found.rows.get("tmp/link", {}).get("xattrs", {})) == (0, False)


def test_a_large_attribute_is_named_with_its_size_and_checksum(monkeypatch, marked, tmp_path):
    monkeypatch.setattr(members, "VALUE_LIMIT", 3)
    found = linux_attributes(tmp_path)
    assert found.rows["tmp/file"]["xattrs"]["user.note"]["size"] == 4
    assert found.not_kept == [("cut", f"{marked.path} user.note")]


def test_attributes_that_may_not_be_read_are_counted(monkeypatch, marked, tmp_path):
    monkeypatch.setattr(
        os, "listxattr", lambda *_unused, **_more: (_unused for _unused in ()).throw(PermissionError(1, "no"))
    )
    found = linux_attributes(tmp_path)
    assert (found.missing, found.why) == (1, f"{marked.path}: no")


def test_flags_lists_and_attributes_are_noted_by_member(monkeypatch):
    played(monkeypatch, {"com.apple.ResourceFork": bytes(70_000), "a": b"1"})
    host = FakeHost("darwin", commands={"ls -lde": listing("macos-14/backups.txt")})
    seen = [Packed(path, path[1:], "folder", bits) for path, bits in zip(BACKUPS, (0x8000 | 0x20000, 0))]
    found = macos.collect_attributes(seen, host)
    assert found.rows[BACKUPS[0][1:]]["flags"] == ["hidden", "schg"]
    assert "acl" not in found.rows[BACKUPS[0][1:]]
    assert found.rows[BACKUPS[1][1:]]["acl"][1] == "group:admin inherited allow list,search"
    assert [kind for kind, _what in found.not_kept] == ["cut", "cut"]
    assert found.missing == 0


def test_lists_that_ls_does_not_tell_are_counted(monkeypatch):
    played(monkeypatch, {})
    found = macos.collect_attributes([Packed(path, path[1:], "folder", 0) for path in BACKUPS], FakeHost("darwin"))
    assert (found.missing, found.why, found.rows) == (2, "the command 'ls' was not found on this host", {})
