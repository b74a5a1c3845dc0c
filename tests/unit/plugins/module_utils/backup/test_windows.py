# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows: what its folders hold, what it says of access, and what a file that others have open does to a set."""

from __future__ import annotations

import base64
import errno
import os
from contextlib import suppress

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import windows as asking
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import windows_files as opening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.access import FolderMode
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.attributes import Packed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.windows import (
    others_allowed,
    parse_descriptors,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.windows_files import status_kind
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

from .elsewhere import Elsewhere, powershell, status

FOLDER = 0o040777
KINDS = [  # name, status, kind
    ("a.txt", status(), "file"),
    ("readonly", status(0o100444, 0x1), "file"),
    ("data", status(FOLDER, 0x10), "folder"),
    ("link", status(0o120777, 0x400, 0xA000000C), "link"),
    ("junction", status(FOLDER, 0x410, 0xA0000003), "junction"),
    ("deduplicated", status(attributes=0x600, tag=0x80000013), "file"),
    ("compact", status(attributes=0x400, tag=0x80000017), "file"),
    ("cloud", status(attributes=0x401400, tag=0x9000601A), "file"),
    ("cloud folder", status(FOLDER, 0x410, 0x9000001A), "folder"),
    ("app alias", status(attributes=0x400, tag=0x8000001B), "reparse"),
    ("socket", status(attributes=0x400, tag=0x80000023), "reparse"),
    ("wsl link", status(attributes=0x400, tag=0xA000001D), "reparse"),
    ("no tag", status(attributes=0x400), "reparse"),
    ("nul", status(), "reserved"),
    ("trailing.", status(), "reserved"),
    ("a:b", status(FOLDER, 0x10), "reserved"),
]


@pytest.mark.parametrize(("name", "seen", "kind"), KINDS, ids=[case[0] for case in KINDS])
def test_what_an_entry_of_a_folder_is(name, seen, kind):
    assert status_kind(name, seen) == kind


class Busy(OSError):
    """An error as Windows raises it."""

    def __init__(self, code: int) -> None:
        super().__init__(errno.EACCES, "refused")
        self.winerror = code


@pytest.fixture
def windows(monkeypatch):
    """CreateFile and the C runtime, played: a list of what each call comes to, and of the flags it was made with."""
    outcomes, calls, waits = [], [], []

    def create(path: str, flags: int) -> str:
        calls.append(flags)
        outcome = outcomes.pop(0) if outcomes else None
        if outcome is not None:
            raise outcome
        return path

    class Runtime:
        """Stands for msvcrt."""

        @staticmethod
        def open_osfhandle(handle: str, flags: int) -> int:
            return os.open(handle, flags)

    monkeypatch.setattr(opening, "create_file", lambda: create)
    monkeypatch.setattr(opening.importlib, "import_module", lambda _name: Runtime)
    monkeypatch.setattr(opening.time, "sleep", waits.append)
    return outcomes, calls, waits


@pytest.mark.parametrize("code", [5, 32, 33])
def test_a_file_that_is_busy_for_a_moment_is_tried_again(tmp_path, windows, code):
    outcomes, calls, waits = windows
    outcomes += [Busy(code), Busy(code)]
    (tmp_path / "log").write_text("x")
    descriptor = opening.open_shared(str(tmp_path / "log"))
    assert os.read(descriptor, 9) == b"x"
    os.close(descriptor)
    assert (len(calls), waits) == (3, [0.1, 0.2])
    assert set(calls) == {0x08000000 | 0x00200000}


def test_a_file_that_stays_busy_is_given_up_within_two_seconds(tmp_path, windows):
    outcomes, _calls, waits = windows
    outcomes += [Busy(32)] * 9
    (tmp_path / "log").touch()
    with pytest.raises(Busy) as caught:
        opening.open_shared(str(tmp_path / "log"))
    assert sum(waits) < 2
    assert "another program has it open" in opening.reason(caught.value)
    assert "VSS" in opening.reason(caught.value)


def test_another_error_is_not_tried_again(tmp_path, windows):
    outcomes, _calls, waits = windows
    outcomes.append(Busy(1117))
    (tmp_path / "log").touch()
    with pytest.raises(Busy):
        opening.open_shared(str(tmp_path / "log"))
    assert waits == []
    with pytest.raises(FileNotFoundError):
        opening.open_shared(str(tmp_path / "gone"))
    assert opening.reason(Busy(1117)) == "refused"


def test_a_file_exchanged_for_a_link_is_gone(tmp_path, windows, monkeypatch):
    (tmp_path / "file").touch()
    seen = iter([False, True])
    monkeypatch.setattr(opening, "is_reparse_point", lambda _status: next(seen))
    with pytest.raises(FileNotFoundError):
        opening.open_shared(str(tmp_path / "file"))


def test_content_that_lies_elsewhere_is_read_through_its_reparse_point(tmp_path, windows, monkeypatch):
    (tmp_path / "deduplicated").write_text("x")
    monkeypatch.setattr(opening, "is_reparse_point", lambda _status: True)
    os.close(opening.open_shared(str(tmp_path / "deduplicated")))
    assert windows[1] == [0x08000000]


def test_without_the_functions_of_windows_a_refusal_is_told_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "WAITS", ())
    with pytest.raises(FileNotFoundError):
        opening.open_shared(str(tmp_path / "gone"))
    assert opening.is_busy(PermissionError(errno.EACCES, "x"))
    assert "has it open" in opening.reason(PermissionError(errno.EACCES, "x"))


OPEN = [  # fixture, path number, who is let in beside those who have to be
    ("windows-server-2019", "access", 0, ()),
    ("windows-server-2019-de", "access", 0, ("Users (S-1-5-32-545)",)),
    ("windows-server-2019-de", "access", 1, ()),
    ("windows-server-2019-de", "descriptors", 0, ()),
    ("windows-10-fr", "access", 0, ("Users (S-1-5-32-545)",)),
    ("windows-server-2022", "access", 1, ()),
    ("windows-server-2022", "access_runner", 0, ()),
    ("windows-11", "access", 0, ("Authenticated Users (S-1-5-11)", "Users (S-1-5-32-545)")),
    ("hostile", "everybody", 0, ("Everyone (S-1-1-0)",)),
    ("hostile", "everybody", 1, ("S-1-1-0",)),
]


@pytest.mark.parametrize(("version", "name", "number", "others"), OPEN)
def test_who_a_descriptor_lets_in(version, name, number, others):
    found = parse_descriptors(powershell(version, name), 6)
    assert others_allowed(found.sddl[number]) == others


DESCRIPTORS = [
    ("O:SYD:", ()),
    ("O:SYD:P", ()),
    ("O:SYD:(D;OICI;FA;;;WD)", ()),
    ("O:SYD:(A;OICI;0x0;;;WD)", ()),
    ("O:SYD:(A;OICIIO;GR;;;S-1-5-21-1-2-3-1001)", ("S-1-5-21-1-2-3-1001",)),
    ("O:S-1-5-21-1-2-3-1001D:(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;S-1-5-18)(A;;FA;;;S-1-5-32-544)", ()),
    ("D:(A;;FR;;;WD)(A;;FR;;;WD)(A;;FR;;;AN)", ("Everyone (S-1-1-0)", "Anonymous (S-1-5-7)")),
    ("O:SYG:SYD:(A;;FA;;;SY)S:AI(AU;SAFA;FA;;;WD)", ()),
]


@pytest.mark.parametrize(("sddl", "others"), DESCRIPTORS)
def test_which_entries_of_a_descriptor_count(sddl, others):
    assert others_allowed(sddl) == others


@pytest.mark.parametrize(
    "sddl", ["", "O:BA", "O:BAG:SY", "D:(A;;FA", "D:(A;;FA;;;)x", "D:(A)", "late", "x" * 9999, "D:((((", "\0"]
)
def test_a_descriptor_that_is_none_is_an_error(sddl):
    with pytest.raises(ParseError, match="a security descriptor"):
        others_allowed(sddl)


@given(st.text(alphabet='OGDS:()AIP;BUWDFSY0x1-\n "', max_size=60))
def test_no_text_lets_a_descriptor_end_in_anything_but_an_answer_or_one_error(text):
    with suppress(ParseError):
        assert isinstance(others_allowed(text), tuple)


MEMBERS = [
    Packed(f"C:\\CryptoBot\\{name}", f"C/CryptoBot/{name}", kind, 0x20)
    for name, kind in [("a", "folder"), ("b", "folder"), ("1.txt", "file"), ("2", "file"), ("3", "file"), ("4", "file")]
]


def noted(objects, members=tuple(MEMBERS)):
    return asking.collect_attributes(list(members), Elsewhere("windows", queries={"descriptors": objects}))


def test_descriptors_streams_and_attributes_are_noted_by_member():
    found = noted(powershell("windows-server-2019", "descriptors"))
    assert (found.missing, found.why, found.not_kept) == (0, "", [])
    assert found.rows["C/CryptoBot/2"]["streams"] == [["Zone.Identifier", 26]]
    assert found.rows["C/CryptoBot/a"]["sddl"].startswith("O:BAG:SYD:AI(A;OICIID;FA;;;SY)")
    assert all(row["attributes"] == ["archive"] for row in found.rows.values())
    assert len(found.rows) == 6


def test_a_stream_that_is_lost_is_named_and_where_a_file_came_from_is_not():
    found = noted(powershell("windows-11", "descriptors"))
    assert found.not_kept == [("stream", "C:\\CryptoBot\\3:notes"), ("stream", "C:\\CryptoBot\\4:Größe 漢")]


MISSED = [  # answer, how many members miss something, why
    (powershell("windows-server-2022", "descriptors"), 1, "the descriptor of C:\\CryptoBot\\2 may not be read"),
    (powershell("hostile", "late"), 4, "was ended after 120 s"),
    (powershell("hostile", "missing_properties"), 5, "may not be read"),
    (powershell("hostile", "numbers_that_are_none"), 5, "may not be read"),
    (powershell("hostile", "streams_refused"), 6, "parameter name 'Stream'"),
    (powershell("hostile", "no_object"), 6, "has no sddl or no numbers"),
    ([], 6, "may not be read"),
    (PermissionError("it is forbidden by policy"), 6, "it is forbidden by policy"),
]


@pytest.mark.parametrize(("objects", "count", "why"), MISSED)
def test_what_could_not_be_looked_at_is_counted_and_its_reason_told(objects, count, why):
    found = noted(objects)
    assert found.missing == count
    assert why in found.why
    assert all(row["attributes"] == ["archive"] for row in found.rows.values())


def test_without_powershell_the_attributes_are_noted_alone():
    found = asking.collect_attributes(MEMBERS, FakeHost("windows"))
    assert (found.missing, len(found.rows)) == (6, 6)
    assert "'powershell.exe' was not found" in found.why


def test_one_call_asks_for_folders_first_within_a_bound(monkeypatch):
    monkeypatch.setattr(asking, "MOST_ASKED", 3)
    monkeypatch.setattr(asking, "SHORT", 40)
    host = Elsewhere("windows")
    deep = Packed("\\\\?\\C:\\" + "x" * 60, "C/" + "x" * 60, "folder", 0)
    odd = Packed("/tmp/new\nline", "tmp/new\nline", "folder", 0)
    found = asking.collect_attributes([*MEMBERS[2:], odd, deep, MEMBERS[0]], host)
    script = base64.b64decode(host.scripts[0]).decode()
    assert len(host.scripts) == 1
    assert f"('\\\\?\\C:\\{'x' * 60}\nC:\\CryptoBot\\a\nC:\\CryptoBot\\1.txt').Split" in script
    assert found.missing >= 4
    assert "at most 3 members" in found.why


def test_a_path_with_quotes_is_a_literal_in_the_query():
    query = asking.descriptors(['C:\\it\'s "quoted" $(x) `n \u2019'], 5, streams=True)
    assert "'C:\\it''s \"quoted\" $(x) `n \u2019\u2019'" in query
    assert "'C:\\it''s'" in asking.protect(["C:\\it's"], "D:P")


FOLDERS = [FolderMode("D:\\backups", 0o777), FolderMode("D:\\backups\\set", 0o777)]
ACCESS = [  # the answer, who is let in by folder, whether something stays unknown
    (powershell("windows-server-2019", "access"), [(), ()], False),
    (powershell("windows-server-2019-de", "access"), [("Users (S-1-5-32-545)",), ()], False),
    (powershell("windows-11", "access")[1:], [()], True),
    (powershell("hostile", "truncated_descriptor"), [], True),
    (powershell("hostile", "late")[:1], [], True),
    ([], [], True),
    (RuntimeError("refused"), [], True),
]


@pytest.mark.parametrize(("objects", "others", "unknown"), ACCESS)
def test_who_may_look_into_the_folders(objects, others, unknown):
    found = asking.collect_access(FOLDERS, Elsewhere("windows", queries={"access": objects}))
    assert [folder.others for folder in found.folders] == others
    assert bool(found.unknown) is unknown
    assert unknown or "icacls" in found.remedy


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["sddl", "of", "stream", "size", "refused"]), inner)
        ),
    )
)
def test_no_answer_of_powershell_raises(objects):
    answer = objects if isinstance(objects, list) else [objects]
    found = asking.collect_access(FOLDERS, Elsewhere("windows", queries={"access": answer}))
    assert found.unknown or len(found.folders) == 2
    noted(answer)
