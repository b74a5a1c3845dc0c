# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore that is killed at every step, by SIGKILL: one command ends in the state before or in the restored one.

The loop goes over all writes of the journal, each right before and right after, and over all renames. It is told by
checksum which state it is; a log that had not come into the database yet is part of the state before.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import act, journal, swap
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.journal import read_all, under_way

from .dying import died_at

POINTS = {
    "before each write": (journal, "write", False),
    "after each write": (journal, "write", True),
    "after each rename": (swap, "_move", True),
}
MOST = 80


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return an installation with a set, in another state by now, of which a copy is kept to begin with again."""
    lab = Lab(tmp_path_factory.mktemp("killed"))
    lab.install()
    lab.restored = lab.digest()
    lab.back_up()
    lab.spoil()
    lab.leave_a_log()
    shutil.copytree(lab.app, lab.root / "template", symlinks=True)
    lab.before = lab.digest()
    assert "only in the log" in str(lab.sql("SELECT * FROM trades"))
    return lab


@pytest.fixture(autouse=True)
def memory_is_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL loses nothing that was written; waiting for the disk would only make the loops long."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def begin_again(lab: Lab) -> None:
    for folder in (lab.app, lab.root / "state"):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(lab.root / "template", lab.app, symlinks=True)
    assert Path(f"{lab.database}-wal").stat().st_size > 0, "the log is part of the state before"


def recover(lab: Lab, state: str, where: str) -> None:
    """Take the documented way out, and see that it ends in one of the two states, with nothing half done."""
    left = under_way(read_all(str(lab.root / "state")))
    if left is None:  # it died before the first write, or after the last
        assert lab.digest() in (lab.before, lab.restored), where
        return
    result = lab.restore(state=state)
    assert result.failure == "", where
    expected = lab.restored if state == "resumed" else lab.before
    assert lab.digest() == expected, where
    assert (lab.app / "config" / "logs" / "one.log").read_text() == "after\n", where
    assert under_way(read_all(str(lab.root / "state"))) is None, where
    assert state == "resumed" or lab.leftovers() == [], where


@pytest.mark.parametrize("state", ["resumed", "rolled_back"])
@pytest.mark.parametrize("point", POINTS)
def test_a_restore_that_is_killed_goes_on_or_back(lab: Lab, point: str, state: str) -> None:
    owner, name, after = POINTS[point]
    for nth in range(1, MOST):
        begin_again(lab)
        died = died_at(owner, name, nth, lambda: lab.restore(safety_set=False), after=after)
        recover(lab, state, f"{point}, number {nth}, {state}")
        if not died:
            break
    assert 5 < nth < MOST - 1


@pytest.mark.parametrize("second", ["resumed", "rolled_back"])
def test_a_way_back_that_is_killed_goes_on_or_forward_again(lab: Lab, second: str) -> None:
    for nth in range(1, MOST):
        begin_again(lab)
        assert died_at(journal, "write", 14, lambda: lab.restore(safety_set=False), after=False)
        died = died_at(swap, "_move", nth, lambda: lab.restore(state="rolled_back"), after=True)
        recover(lab, second, f"the way back, rename {nth}, {second}")
        if not died:
            break
    assert 3 < nth < MOST - 1


def test_what_is_done_is_taken_back_as_well(lab: Lab) -> None:
    for nth in range(1, MOST):
        begin_again(lab)
        assert lab.restore(safety_set=False).failure == ""
        assert lab.digest() == lab.restored
        died = died_at(swap, "_move", nth, lambda: lab.restore(state="rolled_back"), after=True)
        if died:
            assert lab.restore(state="rolled_back").failure == ""
        assert lab.digest() == lab.before, nth
        if not died:
            break
    assert 3 < nth < MOST - 1


def test_the_loop_would_see_a_step_that_is_not_written_down(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the defect: what lay at a target is not noted before it is moved."""
    begin_again(lab)
    monkeypatch.setattr(act, "_noted", lambda _work, unit: unit._replace(had=None))
    died = died_at(swap, "_move", 2, lambda: lab.restore(safety_set=False), after=True)
    monkeypatch.undo()
    assert died
    lab.restore(state="rolled_back")
    assert lab.digest() != lab.before
