# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a plan while the world changes: what is no longer what was planned is left alone."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import act, folders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.act import carry_out
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.collect import Bounds, identities, scan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.linux import LINUX, LINUX_DISK
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    CleanupPlan,
    Context,
    Removal,
    Scan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.plan import plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.sealed import Sealed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, DONE, FAILED, NOT_DONE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host

from .examples import NOTHING_OPEN, rule
from .trees import aged, left, put

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="deleting by folder descriptors")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two old files, one of them deeper, and outside of it the same names in a folder that nobody may touch."""
    for name in ("a.log", "sub/b.log"):
        put(tmp_path / "tree" / name)
        put(tmp_path / "outside" / name)
    return tmp_path / "tree"


def planned(tree: Path, empty_dirs: bool = False) -> tuple[Scan, CleanupPlan]:
    looked = scan(
        rule(path=str(tree), recurse=True, empty_dirs=empty_dirs),
        LINUX_DISK,
        Sealed(),
        Bounds(10**6, time.monotonic() + 60),
    )
    return looked, plan([looked], NOTHING_OPEN, time.time(), None, 10**6)


def carried_out(a_plan: CleanupPlan) -> dict[str, Removal]:
    outcomes = carry_out(a_plan.steps, Host(60), LINUX_DISK, lambda: None, Sealed(identities(LINUX.sealed)))
    return {os.path.basename(outcome.step.subject): outcome for outcome in outcomes}


def replace_by_link(path: Path, target: Path) -> None:
    path.rename(path.with_name(f"{path.name}-aside"))
    path.symlink_to(target)


def forge(path: Path) -> None:
    """Put another file in its place, with the same size and time."""
    before = path.stat()
    path.rename(path.with_name(f"{path.name}-aside"))
    path.write_bytes(b"y" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grow(path: Path) -> None:
    before = path.stat()
    with path.open("ab") as stream:
        stream.write(b"more")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def outside(tree: Path) -> Path:
    return tree.parent / "outside"


# what happens between plan and act, what is done to whom, which name it is about
CHANGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("the file goes", lambda tree: (tree / "a.log").unlink(), "a.log"),
    ("the file is written to", lambda tree: (tree / "a.log").write_bytes(b"new"), "a.log"),
    ("the file grows and its time is set back", lambda tree: grow(tree / "a.log"), "a.log"),
    ("another file takes its place, of the same size and time", lambda tree: forge(tree / "a.log"), "a.log"),
    ("a symlink takes its place", lambda tree: replace_by_link(tree / "a.log", outside(tree) / "a.log"), "a.log"),
    ("a folder takes its place", lambda tree: ((tree / "a.log").unlink(), (tree / "a.log").mkdir()), "a.log"),
    ("its folder goes", lambda tree: shutil.rmtree(tree / "sub"), "b.log"),
    ("its folder is moved", lambda tree: (tree / "sub").rename(tree.parent / "moved"), "b.log"),
    ("a symlink takes its folder's place", lambda tree: replace_by_link(tree / "sub", outside(tree) / "sub"), "b.log"),
    ("a file takes its folder's place", lambda tree: (shutil.rmtree(tree / "sub"), put(tree / "sub")), "b.log"),
    ("a symlink takes the place of the rule's folder", lambda tree: replace_by_link(tree, outside(tree)), "b.log"),
    ("the rule's folder goes", lambda tree: tree.rename(tree.with_name("elsewhere")), "b.log"),
]


@pytest.mark.parametrize(("_what", "change", "name"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_is_no_longer_what_was_planned_is_left_alone(
    _what: str, change: Callable[[Path], object], name: str, tree: Path
) -> None:
    _looked, a_plan = planned(tree)
    assert {os.path.basename(step.subject) for step in a_plan.steps} == {"a.log", "b.log"}
    change(tree)
    before = left(tree.parent)
    outcome = carried_out(a_plan)[name]
    assert outcome.state == NOT_DONE
    assert name not in {os.path.basename(path) for path in set(before) - set(left(tree.parent))}
    assert left(outside(tree)) == ["a.log", "sub", "sub/b.log"]


@pytest.mark.parametrize(("what", "change", "name"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_folder_that_was_replaced_is_critical_and_a_file_that_changed_is_not(
    what: str, change: Callable[[Path], object], name: str, tree: Path
) -> None:
    looked, a_plan = planned(tree)
    change(tree)
    outcomes = list(carried_out(a_plan).values())
    context = Context([looked], NOTHING_OPEN, a_plan, outcomes)
    replaced = [found for found in RULES.judge(context) if found.status == CRITICAL]
    expected = ["cleanup.guard"] if "folder's place" in what or "place of the rule's folder" in what else []
    assert [found.check for found in replaced] == expected, name


def test_the_rest_goes_on_after_one_that_changed(tree: Path) -> None:
    _looked, a_plan = planned(tree)
    (tree / "a.log").unlink()
    assert carried_out(a_plan)["b.log"].state == DONE


REFUSALS = [errno.EROFS, errno.EPERM, errno.EACCES, errno.EBUSY, errno.EIO]


@pytest.mark.parametrize("number", REFUSALS, ids=[errno.errorcode[number] for number in REFUSALS])
def test_a_deletion_that_the_system_refuses_is_told_and_the_rest_goes_on(
    number: int, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, a_plan = planned(tree)
    unlink = os.unlink

    def refuse(name: str, dir_fd: int) -> None:
        if name == "a.log":
            raise OSError(number, os.strerror(number), name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(folders.os, "unlink", refuse)
    outcomes = carried_out(a_plan)
    monkeypatch.undo()
    assert (outcomes["a.log"].state, outcomes["b.log"].state) == (FAILED, DONE)
    (found,) = [
        f for f in RULES.judge(Context([looked], NOTHING_OPEN, a_plan, list(outcomes.values()))) if f.status == CRITICAL
    ]
    assert (found.check, found.actual) == ("cleanup.failed", os.strerror(number))
    assert "a.log" in found.message


def test_a_folder_that_is_no_longer_empty_stays(tree: Path) -> None:
    aged(tree / "sub")
    _looked, a_plan = planned(tree, empty_dirs=True)
    put(tree / "sub" / "new.txt", 0)
    outcomes = carried_out(a_plan)
    assert (outcomes["b.log"].state, outcomes["sub"].state) == (DONE, NOT_DONE)
    assert left(tree) == ["sub", "sub/new.txt"]


def test_a_folder_in_whose_place_a_symlink_stands_is_not_removed(tree: Path) -> None:
    aged(tree / "sub")
    _looked, a_plan = planned(tree, empty_dirs=True)
    (tree / "sub" / "b.log").unlink()
    (tree / "sub").rmdir()
    (tree / "sub").symlink_to(outside(tree) / "sub")
    assert {outcome.state for outcome in carried_out(a_plan).values()} == {DONE, NOT_DONE}
    assert (tree / "sub").is_symlink()
    assert left(outside(tree)) == ["a.log", "sub", "sub/b.log"]


def test_the_lock_is_renewed_while_much_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "HEARTBEAT_EVERY", 3)
    for number in range(10):
        put(tmp_path / "tree" / f"{number}.log")
    beats: list[int] = []
    _looked, a_plan = planned(tmp_path / "tree")
    list(carry_out(a_plan.steps, Host(60), LINUX_DISK, lambda: beats.append(1), Sealed()))
    assert len(beats) == 4


def test_no_descriptor_is_left_open(tree: Path) -> None:
    _looked, a_plan = planned(tree)
    before = len(os.listdir("/dev/fd"))
    for _turn in range(5):
        carried_out(a_plan)
        planned(tree)
    assert len(os.listdir("/dev/fd")) == before
