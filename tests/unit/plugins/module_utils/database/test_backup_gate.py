# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate before a rewrite: only a set that is verified, young and holds this very database opens it."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import backup_gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import (
    ask_gate,
    covers,
    read_sets,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import BackupGate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Fault

from .options import postgresql, settings, sqlite

NOW = 1_800_000_000.0
HOUR = 3600.0
PATH = "/data/demo.db"
SQLITE = settings([sqlite(path=PATH)]).databases[0]
POSTGRESQL = settings([postgresql()]).databases[0]


class DiskHost(FakeHost):
    """The clock of the fake, the files of the disk."""

    def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
        return Host.read_bytes(self, path, limit)


def plant(
    folder: Path,
    name: str = "set-1",
    *,
    age: float = HOUR,
    sources: Optional[list[dict[str, Any]]] = None,
    manifest: Optional[dict[str, Any]] = None,
    verified: Optional[dict[str, Any]] = None,
) -> None:
    place = folder / name
    place.mkdir(parents=True)
    created = datetime.fromtimestamp(NOW - age, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    held = [{"name": "demo", "type": "sqlite", "path": PATH}] if sources is None else sources
    (place / "manifest.json").write_text(
        json.dumps({"id": name, "created": created, "sources": held, **(manifest or {})})
    )
    good = {"set": name, "level": "L2", "ok": True, "at": NOW - age + 60}
    if verified is None or verified:
        (place / "verified.json").write_text(json.dumps({**good, **(verified or {})}))


def ask(folder: Path, database: Any = SQLITE, names: tuple[str, ...] = (PATH,), max_age: float = 26 * HOUR) -> Any:
    return ask_gate(BackupGate(str(folder), max_age, expected=False), database, names, DiskHost(now=NOW))


def test_a_verified_young_set_that_holds_the_database_opens_the_gate(tmp_path: Path) -> None:
    plant(tmp_path)
    gate = ask(tmp_path)
    assert (gate.open, gate.set_id) == (True, "set-1")
    assert "set-1 is verified and 1.0 h old" in gate.reason


# the age of the set in seconds, and how old it is said to be: up to 26 h, and 5 minutes for clocks that differ
AGES = [(26 * HOUR, "1.1 d"), (0.0, "0.0 s"), (-1.0, "0.0 s"), (-300.0, "0.0 s")]


@pytest.mark.parametrize(("age", "told"), AGES)
def test_a_set_counts_up_to_its_age_limit_and_with_clocks_that_differ_a_little(
    age: float, told: str, tmp_path: Path
) -> None:
    plant(tmp_path, age=age)
    gate = ask(tmp_path)
    assert (gate.open, gate.reason) == (True, f"backup set-1 is verified and {told} old")


SHUT: list[tuple[dict[str, Any], str]] = [
    ({"age": 48 * HOUR}, "the newest backup of it, set-1, is 2.0 d old, expected at most 1.1 d"),
    ({"age": 26 * HOUR + 1}, "is 1.1 d old, expected at most 1.1 d"),
    ({"age": -301.0}, "set-1, was made in the future: one of the two clocks is wrong"),
    ({"age": -2 * HOUR, "verified": {}}, "is not verified"),
    ({"verified": {}}, "is not verified"),
    ({"verified": {"ok": False}}, "did not pass its verification"),
    ({"verified": {"ok": "true"}}, "did not pass its verification"),
    ({"verified": {"level": "L1"}}, "verified to level L1, expected L2 or higher"),
    ({"verified": {"level": ""}}, "verified to level none"),
    ({"verified": {"level": "high"}}, "verified to level high"),
    ({"verified": {"set": "set-2"}}, "names another set"),
    ({"manifest": {"id": "set-2"}}, "names another set"),
    ({"sources": []}, "no backup set"),
    ({"sources": [{"type": "sqlite", "path": "/data/other.db"}]}, "no backup set"),
    ({"sources": [{"type": "files", "path": PATH}]}, "no backup set"),
    ({"sources": [{"type": "postgresql", "database": PATH}]}, "no backup set"),
    ({"name": "set-1.partial"}, "no backup set"),
    ({"manifest": {"created": "yesterday"}}, "no backup set"),
    ({"manifest": {"sources": None}}, "no backup set"),
]


@pytest.mark.parametrize(("planted", "reason"), SHUT)
def test_any_doubt_about_a_set_keeps_the_gate_shut(planted: dict[str, Any], reason: str, tmp_path: Path) -> None:
    plant(tmp_path, **planted)
    gate = ask(tmp_path)
    assert not gate.open
    assert reason in gate.reason


# when the set says that it was made (NOW is 08:00:00 in UTC), and how old it is said to be
CREATED = [("2027-01-15T06:00:00", "2.0 h"), ("2027-01-15T09:00:00+02:00", "1.0 h"), ("2027-01-15T05:00:00Z", "3.0 h")]


@pytest.mark.parametrize(("created", "age"), CREATED)
def test_a_time_without_a_zone_is_in_utc_and_one_with_a_zone_in_that(
    created: str, age: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, manifest={"created": created})
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        assert ask(tmp_path).reason == f"backup set-1 is verified and {age} old"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_manifest_is_read_up_to_the_size_that_it_has_with_a_million_files(tmp_path: Path) -> None:
    asked: list[int] = []

    class Reader(DiskHost):
        def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
            asked.append(limit)
            return super().read_bytes(path, limit)

    plant(tmp_path)
    assert len(read_sets(str(tmp_path), Reader(now=NOW))) == 1
    assert asked == [268_435_456, 268_435_456]


@pytest.mark.parametrize("level", ["L2", "L3", "L4", "L10"])
def test_a_higher_level_counts_as_well(level: str, tmp_path: Path) -> None:
    plant(tmp_path, verified={"level": level})
    assert ask(tmp_path).open


def test_an_older_good_set_counts_where_the_newest_is_not_verified(tmp_path: Path) -> None:
    plant(tmp_path, "new", age=HOUR, verified={})
    plant(tmp_path, "old", age=5 * HOUR)
    assert ask(tmp_path).set_id == "old"


def test_the_newest_of_two_unfit_sets_is_the_one_that_is_named(tmp_path: Path) -> None:
    plant(tmp_path, "a-new", age=HOUR, verified={})
    plant(tmp_path, "b-old", age=90 * HOUR)
    assert "a-new, is not verified" in ask(tmp_path).reason


def test_a_path_through_a_symlink_is_the_same_database(tmp_path: Path) -> None:
    real = tmp_path / "real.db"
    real.write_text("")
    (tmp_path / "link.db").symlink_to(real)
    plant(tmp_path / "backups", sources=[{"type": "sqlite", "path": str(tmp_path / "link.db")}])
    assert ask(tmp_path / "backups", SQLITE, (str(real),)).open


HELD = [("cryptobot", True), ("*", True), ("cryptobot_auth", False), ("", False)]


@pytest.mark.parametrize(("database", "opened"), HELD)
def test_a_postgresql_set_must_name_the_database_or_all(database: str, opened: bool, tmp_path: Path) -> None:
    plant(tmp_path, sources=[{"type": "postgresql", "database": database}])
    assert ask(tmp_path, POSTGRESQL, ("cryptobot",)).open is opened


def test_a_folder_that_is_not_there_holds_no_set(tmp_path: Path) -> None:
    assert "no backup set" in ask(tmp_path / "nowhere").reason


def test_a_link_in_the_folder_is_no_set(tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", "set-1")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "latest").symlink_to(tmp_path / "elsewhere" / "set-1")
    assert read_sets(str(tmp_path / "backups"), DiskHost(now=NOW)) == []


def test_without_a_declared_folder_the_gate_is_shut(tmp_path: Path) -> None:
    gate = ask_gate(BackupGate("", 0.0, expected=False), SQLITE, [PATH], DiskHost(now=NOW))
    assert (gate.open, "require_backup.dir" in gate.reason) == (False, True)


def test_a_backup_that_the_same_play_makes_first_opens_the_gate() -> None:
    gate = ask_gate(BackupGate("", 0.0, expected=True), SQLITE, [PATH], DiskHost(now=NOW))
    assert gate.open


def test_a_copy_is_known_by_its_place_however_windows_spells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = settings([sqlite(path="/Data/demo.db")]).databases[0]
    source = {"type": "sqlite", "path": "/data/DEMO.db"}
    assert not covers(entry, ["/Data/demo.db"])(source)
    monkeypatch.setattr(os.path, "normcase", str.lower)
    assert covers(entry, ["/Data/demo.db"])(source)


def _fault(monkeypatch: pytest.MonkeyPatch, *found: Fault) -> None:
    monkeypatch.setattr(backup_gate, "faults", lambda _folder, _others: found)


# (what lets another account change the folder, the words of the answer)
STRANGERS = [
    (Fault("/b", "it belongs to bot", owner=1500), "/b belongs to uid 1500, who can replace the sets in /b"),
    (Fault("/b", "others may write to /b"), "others may write to /b, and so replace the sets in /b"),
    (Fault("/b", "/b cannot be looked at", unseen=True), "/b cannot be looked at"),
]


@pytest.mark.parametrize(("stranger", "words"), STRANGERS)
def test_a_folder_that_another_account_can_change_shuts_the_gate(
    monkeypatch: pytest.MonkeyPatch, stranger: Fault, words: str
) -> None:
    _fault(monkeypatch, stranger)
    gate = ask_gate(BackupGate("/b", 0.0, expected=False), SQLITE, [PATH], DiskHost(now=NOW))
    assert (gate.open, gate.reason) == (False, words)


@pytest.mark.skipif(sys.platform == "win32", reason="the accounts of POSIX")
def test_a_trusted_account_that_this_host_does_not_know_shuts_the_gate() -> None:
    asked = BackupGate("/b", 0.0, expected=False, trusted_accounts=("no-such-account",))
    gate = ask_gate(asked, SQLITE, [PATH], DiskHost(now=NOW))
    assert gate.open is False
    assert "no-such-account" in gate.reason
