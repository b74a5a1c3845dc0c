# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of db_vacuum on a real SQLite file of each system: same findings, unknown where a source is missing."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, UNKNOWN, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host

from .options import options, sqlite
from .sqlite.builders import make

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its Linux host looks at /proc")
FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
SMALL = {"freelist_bytes": "100K"}
EMPTIED = "DELETE FROM trades WHERE id >= 20"
VM_STAT = (FIXTURES / "vm_stat/macos-14/swapping.txt").read_text("utf-8")


class OnDisk(FakeHost):
    """Commands are scripted, files are those of the disk."""

    def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
        return Host.read_bytes(self, path, limit)


def answers(release: str) -> dict[str, Any]:
    files = sorted((FIXTURES / "powershell/database" / release).glob("*.json"))
    return {file.stem: {"value": json.loads(file.read_text("utf-8"))} for file in files}


def host(platform: str, **commands: Any) -> Host:
    """Return a host of a system that sees everything, with some of its commands changed."""
    known: dict[str, dict[str, Any]] = {
        "linux": {},
        "darwin": {"mount": "/dev/disk1s1 on / (apfs, local)\n", "vm_stat": VM_STAT, "lsof": (1, "", "")},
        "windows": {"powershell.exe": json.dumps(answers("windows-server-2022"))},
    }
    return OnDisk(platform, commands={**known[platform], **commands}, now=1_800_000_000.0)


@pytest.fixture(autouse=True)
def seen_by_windows(monkeypatch: pytest.MonkeyPatch) -> dict[str, Optional[bool]]:
    """Let a path of this machine have a drive on "Windows", and say whether a file opens for us alone there."""
    told: dict[str, Optional[bool]] = {"alone": True}
    monkeypatch.setenv("TMP", "/tmp")
    monkeypatch.setattr(windows, "letter_of", lambda _path: "C:")
    monkeypatch.setattr(windows, "opens_alone", lambda _path: told["alone"])
    return told


def vacuum(path: Path, on: Host, check_mode: bool = False, **given: Any) -> Result:
    chosen = {"backup_expected": True, "state_dir": str(path.parent / "state"), **given}
    return run(options([sqlite(path=str(path), thresholds=SMALL)], **chosen), on, check_mode)


def ids(result: Result) -> set[str]:
    return {found.check for found in result.findings}


def status_of(result: Result, check: str) -> str:
    (found,) = [one for one in result.findings if one.check == check]
    return found.status


def verbs(result: Result) -> dict[str, str]:
    return {action.action: action.state for action in result.actions}


SYSTEMS = ["linux", "darwin", "windows"]


@pytest.mark.parametrize("strategy", ["auto", "into_swap"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_does_what_it_planned_and_says_the_same(system: str, strategy: str, tmp_path: Path) -> None:
    path = make(tmp_path / "it's 100%#1.db", EMPTIED, mode="wal")
    given = {"sqlite_strategy": strategy, "services_stopped": True, "require_backup": None}
    planned = vacuum(path, host(system), check_mode=True, **given)
    done = vacuum(path, host(system), **given)
    verb = "vacuum" if strategy == "auto" else "vacuum_into"
    assert (verbs(planned), verbs(done)) == ({verb: "planned", "analyze": "planned"}, {verb: "done", "analyze": "done"})
    assert ids(done) == ids(vacuum(make(tmp_path / "b.db", EMPTIED, mode="wal"), host("linux"), **given))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (20,)


@pytest.mark.parametrize("system", SYSTEMS)
def test_litestream_keeps_any_system_from_a_rewrite_in_place(system: str, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode="wal")
    (tmp_path / ".demo.db-litestream").mkdir()
    result = vacuum(path, host(system))
    assert verbs(result)["vacuum"] == "skipped"
    assert "Litestream follows it" in " ".join(action.reason for action in result.actions)


# a share, by what each system calls it
SHARES = [
    ("darwin", {"mount": "//me@nas/x on / (smbfs, nodev)\n"}, "smbfs"),
    ("windows", {"powershell.exe": json.dumps(answers("windows-server-2022-share"))}, "network drive"),
]


@pytest.mark.parametrize(("system", "commands", "kind"), SHARES)
def test_a_database_on_a_share_is_critical_and_never_written(
    system: str, commands: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    before = path.read_bytes()
    result = vacuum(path, host(system, **commands))
    assert status_of(result, "database.filesystem") == CRITICAL
    assert kind in " ".join(action.reason for action in result.actions)
    assert (set(verbs(result).values()), path.read_bytes()) == ({"skipped"}, before)


@pytest.mark.parametrize(("system", "command"), [("darwin", "mount"), ("windows", "powershell.exe")])
@pytest.mark.parametrize("answer", [ToolMissing("it"), "garbage", (1, "", "denied")])
def test_a_file_system_that_is_not_told_is_unknown_and_the_rest_is_said(
    system: str, command: str, answer: Any, tmp_path: Path
) -> None:
    result = vacuum(make(tmp_path / "demo.db", EMPTIED), host(system, **{command: answer}))
    assert status_of(result, "database.filesystem") == UNKNOWN
    assert (status_of(result, "database.integrity"), status_of(result, "database.reachable")) == (OK, OK)


@pytest.mark.parametrize("strategy", ["auto", "into_swap"])
@pytest.mark.parametrize("system", ["darwin", "windows"])
def test_without_any_sight_of_who_has_it_open_it_is_only_rewritten_while_services_are_down(
    system: str, strategy: str, tmp_path: Path, seen_by_windows: dict[str, Optional[bool]]
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    seen_by_windows["alone"] = None
    blind = host(system, **({"lsof": ToolMissing("lsof")} if system == "darwin" else {}))
    refused = vacuum(path, blind, sqlite_strategy=strategy, require_backup=None)
    verb = "vacuum" if strategy == "auto" else "vacuum_into"
    assert verbs(refused)[verb] == "skipped"
    reasons = " ".join(action.reason for action in refused.actions)
    assert "cannot be seen" in reasons and "services_stopped is not set" in reasons
    done = vacuum(path, blind, sqlite_strategy=strategy, require_backup=None, services_stopped=True)
    assert verbs(done)[verb] == "done"


@pytest.mark.parametrize(("system", "who"), [("darwin", "Python (pid 501)"), ("windows", "Windows does not name")])
def test_a_file_that_somebody_has_open_is_not_replaced_and_who_it_is_is_said(
    system: str, who: str, tmp_path: Path, seen_by_windows: dict[str, Optional[bool]]
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    seen_by_windows["alone"] = False
    held = host(system, **({"lsof": "p501\ncPython\n"} if system == "darwin" else {}))
    result = vacuum(path, held, sqlite_strategy="into_swap", require_backup=None, services_stopped=True)
    assert verbs(result)["vacuum_into"] == "skipped"
    assert who in " ".join(action.reason for action in result.actions)


def test_what_is_returned_of_a_holder_that_windows_does_not_name_is_plain(
    tmp_path: Path, seen_by_windows: dict[str, Optional[bool]]
) -> None:
    seen_by_windows["alone"] = False
    data = vacuum(make(tmp_path / "demo.db"), host("windows")).as_dict()["databases"][0]
    assert data["open_in"] == [{"pid": None, "command": "a process that Windows does not name"}]
    assert json.loads(json.dumps(data)) == data
