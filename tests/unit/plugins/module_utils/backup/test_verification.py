# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The levels of verification over a real set, shares of it, and what a verification leaves as evidence."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import streams
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Subset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    BackupSet,
    Defect,
    Report,
    Verification,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.names import is_set_id
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.verification import evidence, verify
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import NOW, a_set, act, database, files, sqlite

PAYLOADS = ("config/archive.tar.gz", "config/index.jsonl.gz", "config/attributes.jsonl.gz", "main/database.sqlite.gz")


@pytest.fixture
def made(tmp_path) -> BackupSet:
    """A set of two sources, gzip, so that each file has a beginning, a middle and a tail that matter."""
    (tmp_path / "config").mkdir()
    for number in range(60):
        (tmp_path / "config" / f"file {number}").write_bytes(os.urandom(3000))
    sources = [files("config", tmp_path / "config"), sqlite("main", database(tmp_path / "app.db", 3000))]
    act(tmp_path, sources=sources, compression="gzip")
    return read_catalog(tmp_path / "backups", choose_host()).sets[0]


def look(made: BackupSet, level: int, subset=None) -> Report:
    scratch = made.folder.parent.parent
    return verify(made.manifest, Bench(made.folder, scratch, choose_host(120.0)), level, subset)


def levels(report: Report) -> set[int]:
    return {defect.level for defect in report.defects}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_sound_set_holds_at_every_level(made, level):
    report = look(made, level)
    assert (report.ok, report.level, report.sources, report.partial) == (True, level, 2, False)
    assert report.bytes == sum((made.folder / name).stat().st_size for name in PAYLOADS)


REGIONS = [("header", 0), ("near the beginning", 30), ("middle", 0.5), ("tail", -1)]


def flip(path: Path, position: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * position) if isinstance(position, float) else position] ^= 0x01
    path.write_bytes(content)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize(("region", "position"), REGIONS)
def test_one_bit_anywhere_is_noticed_at_l1(made, payload, region, position):
    flip(made.folder / payload, position)
    assert look(made, 0).ok
    report = look(made, 1)
    assert levels(report) == {1}
    assert report.defects[0].message == f"{payload} has another checksum than when it was written"


LENGTHS = [0, 1, 0.5, -1]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_truncation_is_noticed_at_l0(made, payload, length):
    size = (made.folder / payload).stat().st_size
    os.truncate(made.folder / payload, int(size * length) if isinstance(length, float) else length % size)
    assert levels(look(made, 0)) == {0}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_file_that_grew_is_noticed_at_l0(made, payload):
    with (made.folder / payload).open("ab") as stream:
        stream.write(b"\0")
    assert levels(look(made, 0)) == {0}


REPLACED = [
    ("removed", lambda path: path.unlink()),
    ("a folder in its place", lambda path: (path.unlink(), path.mkdir())),
    (
        "a link in its place",
        lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.with_suffix(".x"))),
    ),
]


@pytest.mark.parametrize(("why", "replace_it"), REPLACED, ids=[case[0] for case in REPLACED])
def test_what_is_no_regular_file_is_noticed_at_l0(made, why, replace_it):
    replace_it(made.folder / PAYLOADS[0])
    assert levels(look(made, 0)) == {0}


def test_a_link_of_the_very_same_size_is_noticed_at_l0(made):
    path = made.folder / "config" / "index.jsonl.gz"
    size = path.stat().st_size
    real = path.rename(path.with_name("real"))
    path.symlink_to(("." + "/" * (size - len(real.name) - 1)) + real.name)
    assert path.lstat().st_size == size
    assert levels(look(made, 0)) == {0}


def test_what_fails_at_one_level_is_not_tried_at_the_next_and_the_rest_is(made):
    (made.folder / "config" / "archive.tar.gz").unlink()
    flip(made.folder / "main" / "database.sqlite.gz", 0.5)
    report = look(made, 2)
    assert [(defect.level, defect.subject) for defect in report.defects] == [(0, "config"), (1, "main")]


def test_content_that_never_was_right_is_noticed_at_l2_alone(made):
    """Checksums hold, because the manifest is of the damaged file: the disk did not do this, the run did."""
    path = made.folder / "main" / "database.sqlite.gz"
    flip(path, 0.5)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    main = made.manifest.sources[1]
    payload = main.payloads[0]._replace(sha256=digest)
    manifest = made.manifest._replace(sources=(made.manifest.sources[0], main._replace(payloads=(payload,))))
    assert look(made._replace(manifest=manifest), 1).ok
    assert levels(look(made._replace(manifest=manifest), 2)) == {2}


def test_a_file_that_cannot_be_read_is_unknown_and_not_bad(made, monkeypatch):
    real = streams.regular_itself

    def refusing(path, flags):
        if Path(path).name == "archive.tar.gz":
            raise OSError(5, "Input/output error")
        return real(path, flags)

    monkeypatch.setattr(streams, "regular_itself", refusing)
    defects = look(made, 1).defects
    assert [(defect.unknown, "Input/output error" in defect.message) for defect in defects] == [(True, True)]


@given(st.integers(1, 40), st.text(max_size=8))
def test_shares_cover_everything_exactly_once(parts, source):
    has = [Subset(part, parts).has("20261118T110640Z-00c0de", source) for part in range(1, parts + 1)]
    assert has.count(True) == 1


def test_a_share_is_the_same_every_time_and_on_every_host():
    assert [Subset(part, 3).has("20261118T110640Z-00c0de", "config") for part in (1, 2, 3)] == [False, False, True]


def test_a_share_reads_its_sources_and_looks_for_all(made):
    flip(made.folder / "config" / "archive.tar.gz", 0.5)
    flip(made.folder / "main" / "database.sqlite.gz", 0.5)
    reports = [look(made, 1, Subset(part, 5)) for part in range(1, 6)]
    assert sorted(defect.subject for report in reports for defect in report.defects) == ["config", "main"]
    assert [report.partial for report in reports] == [report.sources < 2 for report in reports]
    (made.folder / "config" / "index.jsonl.gz").unlink()
    assert all(0 in levels(look(made, 0, Subset(part, 5))) for part in range(1, 6))


BAD = Defect(1, "config", "another checksum")
UNKNOWN = Defect(2, "main", "no pg_restore", unknown=True)
BEFORE = Verification(2, True, NOW - 10)
FAILED = Verification(1, False, NOW - 10)
EVIDENCE = [
    ("a first look", Report("x", 2), None, (2, True)),
    ("a first look at the sizes alone", Report("x", 0), None, (0, True)),
    ("checksums hold: it still opens", Report("x", 1), BEFORE, (2, True)),
    ("sizes alone prove nothing new", Report("x", 0), BEFORE, None),
    ("a share proves nothing good", Report("x", 2, partial=True), None, None),
    ("a share proves nothing good later either", Report("x", 2, partial=True), BEFORE, None),
    ("a problem takes a good word back", Report("x", 1, defects=[BAD]), BEFORE, (1, False)),
    ("a problem in a share does too", Report("x", 1, partial=True, defects=[BAD]), BEFORE, (1, False)),
    ("what is unknown proves nothing", Report("x", 2, defects=[UNKNOWN]), BEFORE, None),
    ("a problem counts beside what is unknown", Report("x", 2, defects=[UNKNOWN, BAD]), BEFORE, (2, False)),
    ("what failed and holds now counts again, as deep as it was looked", Report("x", 1), FAILED, (1, True)),
]


@pytest.mark.parametrize(("why", "report", "before", "expected"), EVIDENCE, ids=[case[0] for case in EVIDENCE])
def test_evidence(why, report, before, expected):
    found = evidence(report, a_set().manifest, before, NOW)
    assert (found and (found.level, found.ok)) == expected


def test_a_set_that_looks_emptied_is_never_ok():
    found = evidence(Report("x", 2), a_set(anomalies=("config has no files at all",)).manifest, None, NOW)
    assert found is not None
    assert not found.ok
    assert found.evidence["anomalies"] == ["config has no files at all"]


def test_evidence_says_what_was_looked_at_and_the_first_ten_problems():
    defects = [Defect(1, "config", f"file {number}") for number in range(11)]
    found = evidence(Report("x", 1, defects=defects, bytes=7, seconds=0.5), a_set().manifest, None, NOW)
    assert found == Verification(
        1,
        False,
        NOW,
        {
            "manifest_sha256": "0" * 64,
            "looked_at": "L1",
            "bytes": 7,
            "seconds": 0.5,
            "problems": [f"file {number}" for number in range(10)],
            "anomalies": [],
        },
    )


def test_only_set_folders_are_there(made):
    assert is_set_id(made.folder.name)
