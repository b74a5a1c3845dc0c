# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQLite files in trouble: a full disk, kill -9 in the middle. The database is intact afterwards, always."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest

from .conftest import Vacuum, finding
from .sqlite_files import content, entry, make, plant_set, traces


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Have a file system of that size for a block."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        path = make(disk / "main.db", rows=2500)
        plant_set(Path(backup["dir"]), [{"type": "sqlite", "path": str(path)}], created=time.time())
        (disk / "ballast").write_bytes(b"\0" * (4 << 20))
        before = traces(disk)
        result = vacuum(databases=[entry(path)], require_backup=backup)
        assert traces(disk) == before
        found = finding(result, "database.space")
        assert found.status == "warning" and "are free in" in found.message
        assert result.changed is False


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_disk_that_fills_up_in_the_middle_leaves_the_database_intact(
    mode: str, tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        path = make(disk / "main.db", rows=2500, mode=mode)
        plant_set(Path(backup["dir"]), [{"type": "sqlite", "path": str(path)}], created=time.time())
        before = content(path)
        real = os.statvfs
        monkeypatch.setattr(os, "statvfs", lambda _folder: real(tmp_path))  # the space gate is told of another disk
        # what was free at the time of the gate is taken by somebody else a moment later
        (disk / "ballast").write_bytes(b"\0" * (real(disk).f_bavail * real(disk).f_frsize - (1 << 20)))
        result = vacuum(databases=[entry(path)], require_backup=backup)
        assert result.failure and "the database is intact" in result.failure
        assert finding(result, "database.space").status == "warning"
        assert [action.state for action in result.actions] == ["failed"]
        assert content(path) == before


VACUUM_IN_THE_OPEN = """
import json, sys
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
checked = ArgumentSpecValidator(SPEC).validate(json.loads(sys.argv[2]))
run(checked.validated_parameters, choose_host(300))
"""


def killed_after(seconds: float, options: dict[str, Any]) -> Optional[int]:
    """Run db_vacuum in a process of its own, kill it after so many seconds, and return its exit code."""
    tests = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen([sys.executable, "-c", VACUUM_IN_THE_OPEN, tests, json.dumps(options)])
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


def moments(options: dict[str, Any], shares: Sequence[float]) -> list[float]:
    """Return moments within a run, as shares of what such a run takes here."""
    begun = time.monotonic()
    assert killed_after(120.0, options) == 0
    whole = time.monotonic() - begun
    return [share * whole for share in shares]


@pytest.mark.parametrize(
    ("strategy", "mode"),
    [
        ("in_place", "delete"),
        ("in_place", "wal"),
        ("into_swap", "delete"),
        ("into_swap", "wal"),
        ("incremental", "wal"),
    ],
)
def test_a_run_that_is_killed_leaves_the_database_intact_and_the_next_run_succeeds(
    strategy: str, mode: str, tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = tmp_path / "main.db"
    options = {
        "databases": [entry(path)],
        "require_backup": backup,
        "sqlite_strategy": strategy,
        "services_stopped": True,
    }
    form = {"mode": mode, "auto_vacuum": 2 if strategy == "incremental" else 0, "rows": 12_000}
    make(path, **form)
    endings = set()
    killed = {**options, "state_dir": str(vacuum.state)}
    for moment in moments(killed, (0.55, 0.7, 0.82, 0.92)):
        for leftover in tmp_path.glob("main.db*"):
            leftover.unlink()
        before = content(make(path, **form))
        endings.add(killed_after(moment, killed))
        assert content(path) == before
        after = vacuum(**options)
        assert not after.failure and finding(after, "database.freelist").status == "ok"
        assert content(path) == before
        assert [file.name for file in tmp_path.glob("main.db*partial*")] == []
    assert -signal.SIGKILL in endings, "no run was caught in the middle"
