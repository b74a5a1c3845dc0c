# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A SQLite file on Windows: its place, who has it open, its URI, and a replacement that never loses anything."""

from __future__ import annotations

import contextlib
import json
import ntpath
import os
import posixpath
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import is_absolute
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import collect as collecting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import holders as holding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import reader, swap, windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import Holders, is_network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.reader import (
    Busy,
    Corrupt,
    file_uri,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.swap import vacuum_into
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, CoreError, SourceDenied

from .builders import make
from .test_swap import EMPTIED, state

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures" / "powershell" / "database"
COPIED = {"rights": {"value": ["copied"]}}


def answers(release: str, **changes: Any) -> dict[str, Any]:
    """Return the answers of a system in the form of the bridge to PowerShell."""
    found = {file.stem: {"value": json.loads(file.read_text("utf-8"))} for file in (FIXTURES / release).glob("*.json")}
    return {**found, **changes}


def host(release: str = "windows-server-2022", **changes: Any) -> FakeHost:
    return FakeHost("windows", commands={"powershell.exe": json.dumps(answers(release, **changes))})


# the system, the path, and the kind of file system that the database lies on
PLACES = [
    ("windows-server-2019", r"C:\data\demo.db", "NTFS"),
    ("windows-server-2019-de", r"c:\Daten\demo.db", "NTFS"),
    ("windows-server-2022", r"\\?\C:\data\demo.db", "ReFS"),
    ("windows-server-2022-share", r"Z:\demo.db", "network drive"),
    ("windows-server-2022", r"\\server\share\demo.db", "UNC path"),
    ("windows-server-2022", r"\\?\UNC\server\share\demo.db", "UNC path"),
    ("windows-server-2022", "//server/share/demo.db", "UNC path"),
    ("windows-11-usb", r"E:\demo.db", "exFAT"),
    ("windows-11-ram-disk", r"R:\demo.db", "NTFS"),
    ("windows-11-unknown", r"Q:\demo.db", ""),
    ("windows-server-2022-gone", r"X:\demo.db", ""),
    ("hostile", r"C:\demo.db", ""),
]


@pytest.mark.parametrize(("release", "path", "kind"), PLACES)
def test_the_drive_tells_the_file_system_and_a_server_is_a_network_whatever_the_drives_say(
    release: str, path: str, kind: str
) -> None:
    found = collecting.surroundings(path, host(release)).filesystem
    assert found == kind
    assert is_network(found) is (kind in ("network drive", "UNC path"))


@pytest.mark.parametrize("answer", [{"error": "Zugriff verweigert"}, {"value": ["x"]}, {"value": [{"DriveType": []}]}])
def test_a_drive_that_windows_does_not_tell_is_unknown(answer: dict[str, Any]) -> None:
    assert collecting.surroundings(r"C:\demo.db", host(drive=answer, memory=answer)) == ("", None)


def test_without_powershell_the_place_is_unknown_and_a_server_still_one() -> None:
    assert collecting.surroundings(r"C:\demo.db", FakeHost("windows")) == ("", None)
    assert collecting.surroundings(r"\\server\share\demo.db", FakeHost("windows")).filesystem == "UNC path"


def test_free_memory_is_told_in_bytes() -> None:
    assert collecting.surroundings(r"C:\demo.db", host()).memory_free == 5012340 * 1024


URIS = [
    (r"C:\data\demo.db", "file:///C:/data/demo.db"),
    (r"C:\with space\100%#1?.db", "file:///C:/with%20space/100%25%231%3F.db"),
    (r"\\server\share\demo.db", "file:////server/share/demo.db"),
    (r"\\?\C:\long\demo.db", "file:///C:/long/demo.db"),
    (r"\\?\UNC\server\share\demo.db", "file:////server/share/demo.db"),
    ("C:\\Büro\\demo.db", "file:///C:/B%C3%BCro/demo.db"),
]


@pytest.mark.parametrize(("path", "uri"), URIS)
def test_a_path_of_windows_is_the_uri_that_sqlite_wants(path: str, uri: str) -> None:
    assert file_uri(path, windows=True) == uri


NAMES = ["with space.db", "100%#1?.db", 'it\'s "quoted".db', "a&b=c;d.db", "Büro.db", "back\\slash.db", "%41.db"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_opened_by_its_uri(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name)
    with reader.opened(str(path), "ro", 5.0) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (200,)


LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/\\")


@given(name=st.text(LETTERS, min_size=1, max_size=12), root=st.sampled_from(["/x/", "C:\\x\\", "\\\\server\\share\\"]))
def test_the_uri_of_any_path_names_that_path_again(name: str, root: str) -> None:
    uri = file_uri(root + name, windows=root != "/x/")
    assert "?" not in uri and "#" not in uri
    decoded = unquote(uri[len("file://") :])
    named = decoded[1:] if decoded[2:3] == ":" else decoded
    assert named == (root + name).replace("\\", "/")


ABSOLUTE = [
    (ntpath, r"C:\data\x.db", True), (ntpath, r"\\server\share\x.db", True), (ntpath, r"\data\x.db", False),
    (ntpath, r"C:x.db", False), (ntpath, "x.db", False), (posixpath, "/data/x.db", True), (posixpath, "x.db", False),
]  # fmt: skip


@pytest.mark.parametrize(("flavour", "path", "expected"), ABSOLUTE)
def test_a_path_is_absolute_only_with_a_drive_or_a_server(flavour: Any, path: str, expected: bool) -> None:
    assert is_absolute(path, flavour) is expected


# whether each file opens for us alone, and who has it
OPENED_ALONE: list[tuple[list[Optional[bool]], Holders]] = [
    ([True, True], Holders((), complete=True)),
    ([True, False], Holders((windows.SOMEBODY,), complete=False)),
    ([None, False], Holders((windows.SOMEBODY,), complete=False)),
    ([True, None], Holders((), complete=False, unavailable="Windows did not open it for this account alone")),
]


@pytest.mark.parametrize(("opened_alone", "expected"), OPENED_ALONE)
def test_whether_windows_opens_it_for_us_alone_tells_whether_anybody_has_it(
    opened_alone: list[Optional[bool]], expected: Holders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db")
    Path(f"{path}-wal").touch()
    told = iter(opened_alone)
    monkeypatch.setattr(windows, "opens_alone", lambda _name: next(told))
    found = holding.holders(str(path), FakeHost("windows"))
    assert found == expected
    assert "pid" not in found.named()


def test_where_there_is_no_windows_nothing_is_claimed(tmp_path: Path) -> None:
    assert windows.opens_alone(str(make(tmp_path / "demo.db"))) is None


def test_the_temporary_folder_is_where_windows_has_it() -> None:
    known = collecting.TEMP_FOLDERS["windows"]
    environment = {"TMPDIR": "/unix", "TEMP": r"C:\Temp", "TMP": r"C:\gone", "USERPROFILE": r"C:\Users\x"}
    assert collecting.temp_folder(environment, lambda folder: folder != r"C:\gone", known) == r"C:\Temp"


# replacing: on Windows our own connection is closed before


@contextlib.contextmanager
def closed_at_replace(monkeypatch: pytest.MonkeyPatch, error: Optional[OSError] = None) -> Iterator[list[int]]:
    """Have os.replace refuse where a connection to the original is still open, as Windows does, or always."""
    open_now: list[int] = []
    real_replace, real_opened = os.replace, reader.opened

    @contextlib.contextmanager
    def counted(*arguments: Any) -> Iterator[sqlite3.Connection]:
        open_now.append(1)
        try:
            with real_opened(*arguments) as connection:
                yield connection
        finally:
            open_now.pop()

    def replace(source: Any, target: Any, **where: Any) -> None:
        if error or open_now:
            raise error or PermissionError(13, "[WinError 32] it is used by another process")
        real_replace(source, target, **where)

    monkeypatch.setattr(swap, "opened", counted)
    monkeypatch.setattr(swap.os, "replace", replace)
    yield open_now


def swapped(path: Path, **changes: Any) -> None:
    vacuum_into(str(path), host(**{**COPIED, **changes}), 60.0)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_it_is_replaced_after_our_own_connection_is_closed(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    before, inode = state(path), path.stat().st_ino
    with closed_at_replace(monkeypatch):
        swapped(path)
    assert (state(path), path.stat().st_ino != inode) == (before, True)


def test_the_way_of_linux_would_never_succeed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    monkeypatch.setitem(swap._REPLACERS, "windows", swap._replace_under_lock)
    with closed_at_replace(monkeypatch), pytest.raises(ActionFailed, match="WinError 32"):
        swapped(path)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_file_that_somebody_has_open_is_kept_whole_and_the_draft_is_removed(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    before, inode = state(path), path.stat().st_ino
    refusal = PermissionError(13, "[WinError 5] Access is denied")
    with (
        closed_at_replace(monkeypatch, refusal),
        pytest.raises(Busy, match=r"while somebody has it open: .*WinError 5"),
    ):
        swapped(path)
    assert (state(path), path.stat().st_ino) == (before, inode)
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_somebody_wrote_after_we_let_go_is_never_lost(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    real = swap._ensure_untouched

    def write_first(*arguments: Any) -> None:
        with closing(sqlite3.connect(path)) as intruder:
            intruder.execute("INSERT INTO trades VALUES (777, 'late', '')")
            intruder.commit()
        real(*arguments)

    monkeypatch.setattr(swap, "_ensure_untouched", write_first)
    with pytest.raises(Busy, match="somebody opened it meanwhile"):
        swapped(path)
    assert state(path) == (mode, (21, sum(range(20)) + 777))
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


def test_somebody_who_has_it_open_after_we_let_go_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    inode = path.stat().st_ino
    monkeypatch.setattr(windows, "opens_alone", lambda _name: False)
    with pytest.raises(Busy):
        swapped(path)
    assert path.stat().st_ino == inode


def test_a_copy_that_cannot_be_given_the_rights_of_the_original_is_not_put_in_place(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode="wal")
    before, inode = state(path), path.stat().st_ino
    with pytest.raises(SourceDenied, match="rights"):
        swapped(path, rights={"error": "Attempted to perform an unauthorized operation", "kind": "PermissionDenied"})
    assert (state(path), path.stat().st_ino) == (before, inode)


def test_a_copy_that_lost_a_row_is_not_put_in_place_there_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    inode = path.stat().st_ino
    counts = iter([{"trades": 1}, {"trades": 2}])
    monkeypatch.setattr(swap, "_rows", lambda _connection: next(counts))
    with pytest.raises(Corrupt):
        swapped(path)
    assert path.stat().st_ino == inode


def test_any_other_refusal_of_the_system_is_one_clear_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    full = OSError(28, "No space left on device")
    with closed_at_replace(monkeypatch, full), pytest.raises(ActionFailed, match=r"is as it was: .*No space left"):
        swapped(path)


@given(objects=st.lists(st.one_of(st.none(), st.text(), st.dictionaries(
    st.sampled_from(["DeviceID", "DriveType", "FileSystem", "FreePhysicalMemory"]),
    st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just([])),
)), max_size=3))  # fmt: skip
def test_no_answer_however_strange_raises_anything_but_a_named_error(objects: list[Any]) -> None:
    for parser in (windows.parse_drive, windows.parse_memory):
        with contextlib.suppress(CoreError):
            parser(objects)
