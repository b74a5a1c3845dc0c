# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verification asks of the kinds of sources, whatever they are: which, how deep, how many at a time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import streams
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Subset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import (
    CannotJudge,
    CannotRestore,
    NoSpace,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    Defect,
    Manifest,
    Notes,
    Payload,
    Report,
    SourceCopy,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import KINDS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench, Reader, Restored
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.verification import evidence, verify
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed

from .examples import a_set, an_entry

Look = Callable[[SourceCopy, Bench], list[str]]
Back = Callable[[SourceCopy, Reader, Path, Bench], Restored]


def nothing(entry: SourceCopy, _reader: Reader, _into: Path, _bench: Bench) -> Restored:
    return Restored(entry, 0, Notes(), {})


def looked(
    folder: Path,
    names: str,
    level: int,
    monkeypatch: pytest.MonkeyPatch,
    look: Look,
    back: Back = nothing,
    doubt: str = "",
) -> Report:
    """Verify a set of a source for each letter, each a file of its name alone; ``look`` opens them, ``back`` restores
    them.
    """
    monkeypatch.setitem(KINDS, "files", KINDS["files"]._replace(verify=look, restore=back))
    entries = []
    for name in names:
        (folder / name).mkdir()
        (folder / name / "archive").write_text(name)
        payload = Payload(f"{name}/archive", "archive", 1, hashlib.sha256(name.encode()).hexdigest())
        entries.append(an_entry(name)._replace(payloads=(payload,)))
    manifest: Manifest = a_set().manifest._replace(sources=tuple(entries), platform="windows")
    return verify(manifest, Bench(folder, folder, Ticking(), doubt=doubt), level)


class Ticking(FakeHost):
    """A host whose time is 1.2346 seconds later each time it is asked for."""

    def now(self) -> float:
        self.clock += 1.2346
        return self.clock


@pytest.mark.parametrize(("level", "asked"), [(0, []), (1, []), (2, [False]), (3, [True])])
def test_sources_are_opened_from_l2_and_thoroughly_from_l3(tmp_path, monkeypatch, level, asked):
    seen: list[Bench] = []
    report = looked(tmp_path, "a", level, monkeypatch, lambda _entry, bench: seen.append(bench) or [])
    assert [bench.thorough for bench in seen] == asked
    assert {bench.platform for bench in seen} <= {"windows"}, "the one that made the set"
    seconds = 1.235 if level < 3 else 3.704  # the owner of a folder of scratch says since and until when
    assert report == Report(a_set().id, level, sources=1, bytes=1, seconds=seconds)


RETURNS = [
    (ActionFailed("a differs"), False, "it does not come back: a differs", False),
    (OSError(5, "EIO"), False, "it does not come back: a cannot be read: EIO", False),
    (CannotRestore("no PostgreSQL here"), True, "no PostgreSQL here", True),
    (NoSpace("the disk is full"), True, "the disk is full", True),
]


@pytest.mark.parametrize(("error", "unknown", "words", "proved"), RETURNS)
def test_a_source_that_does_not_come_back_is_a_defect_and_one_that_cannot_be_tried_is_unknown(
    tmp_path, monkeypatch, error, unknown, words, proved
):
    def back(_entry: SourceCopy, _reader: Reader, into: Path, _bench: Bench) -> Restored:
        assert into.stat().st_mode & 0o777 == 0o700
        (into / "shut").mkdir(mode=0o000)
        raise error

    report = looked(tmp_path, "ab", 3, monkeypatch, lambda *_given: [], back)
    assert report.defects == [Defect(3, name, words.replace("a cannot", f"{name} cannot"), unknown) for name in "ab"]
    assert (report.proved.ok, report.proved.level) == (proved, 2 if proved else 3)
    found = evidence(report, a_set().manifest, None, 1.0)
    assert found is not None
    assert (found.level, found.ok) == ((2, True) if proved else (3, False))
    assert not list(tmp_path.glob("cryptobot-*"))


def test_what_failed_below_is_not_restored_and_nothing_is_where_another_could_lead_us(tmp_path, monkeypatch):
    report = looked(tmp_path, "a", 3, monkeypatch, lambda *_given: ["broken"], forbidden)
    assert [one.level for one in report.defects] == [2]
    report = looked(tmp_path, "b", 3, monkeypatch, lambda *_given: [], forbidden, doubt="it is another's")
    [defect] = report.defects
    assert (defect.level, defect.unknown, defect.message.endswith("it is another's")) == (3, True, True)


def forbidden(*_given: object) -> Restored:
    raise AssertionError("it is not to be restored")


def raising(error: Exception) -> Look:
    def look(_entry: SourceCopy, _bench: Bench) -> list[str]:
        raise error

    return look


FAILURES = [
    (lambda *_of: ["a is damaged", "b is gone"], [(2, "a is damaged", False), (2, "b is gone", False)]),
    (raising(CannotJudge("there is no pg_restore")), [(2, "there is no pg_restore", True)]),
    (raising(ActionFailed("no gzip")), [(2, "it does not open: no gzip", False)]),
    (raising(OSError("an error of the disk")), [(2, "it does not open: an error of the disk", False)]),
    (raising(KeyError("index")), [(2, "it does not open: 'index'", False)]),
]


@pytest.mark.parametrize(("look", "defects"), FAILURES)
def test_what_cannot_be_told_is_unknown_and_all_else_that_fails_is_a_problem(tmp_path, monkeypatch, look, defects):
    report = looked(tmp_path, "a", 2, monkeypatch, look)
    assert [(one.level, one.message, one.unknown) for one in report.defects] == defects
    assert not report.ok


class Counted:
    """Counts how many are inside at a time. Each waits there until a second one has come, or gives up."""

    def __init__(self) -> None:
        self.lock, self.two = threading.Lock(), threading.Event()
        self.inside = self.most = 0

    def __call__(self, *_of: object) -> list[str]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside > 1:
                self.two.set()
        self.two.wait(5)
        time.sleep(0.02)  # a third would come now
        with self.lock:
            self.inside -= 1
        return []


def test_two_sources_are_opened_side_by_side_and_no_more(tmp_path, monkeypatch):
    counted = Counted()
    assert looked(tmp_path, "abcd", 2, monkeypatch, counted).ok
    assert counted.most == 2


def test_two_files_are_read_side_by_side_and_no_more(tmp_path, monkeypatch):
    counted, real = Counted(), streams.regular_itself

    def opened(path: str, flags: int) -> int:
        counted()
        return real(path, flags)

    monkeypatch.setattr(streams, "regular_itself", opened)
    assert looked(tmp_path, "abcd", 1, monkeypatch, raising(AssertionError())).ok
    assert counted.most == 2


# The first 8 bytes of the SHA-256 of ID/SOURCE (sha256sum) leave 4, 5 and 6 when they are divided by 7.
SHARES = [("main", 5), ("config", 6), ("größe", 7)]


@pytest.mark.parametrize(("source", "part"), SHARES)
def test_a_source_is_in_one_share_for_ever(source, part):
    has = [Subset(number, 7).has("20261118T110640Z-00c0de", source) for number in range(1, 8)]
    assert [number for number, is_in in enumerate(has, 1) if is_in] == [part]


def test_a_report_to_which_nothing_was_added_is_of_nothing():
    begun = Report("id", 2)
    assert (begun.ok, begun.partial, begun.sources, begun.bytes, begun.seconds) == (True, False, 0, 0, 0.0)
    assert Defect(1, "config", "another checksum").unknown is False
