# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building once, publishing by rename, and locks that end with their holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fleet import artifact, lock, paths
from fleet.errors import FleetError

HOLD = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from fleet.lock import locked
with locked(Path(sys.argv[2])):
    print("held", flush=True)
    input()
"""


def fill(folder: Path) -> None:
    (folder / "root").mkdir()


def test_what_is_built_is_published_and_found_again():
    first = artifact.ensure("base", "bookworm", "k1", fill)
    assert (first / "root").is_dir()
    assert artifact.ensure("base", "bookworm", "k1", _never) == first


def test_another_key_is_another_folder():
    assert artifact.ensure("base", "bookworm", "k1", fill) != artifact.ensure("base", "bookworm", "k2", fill)


def test_a_build_that_fails_publishes_nothing_and_leaves_nothing():
    def fail(folder: Path) -> None:
        fill(folder)
        raise FleetError("no network")

    with pytest.raises(FleetError, match="no network"):
        artifact.ensure("base", "bookworm", "k1", fail)
    assert not (artifact.built() / "base-bookworm-k1").exists()
    assert list((paths.cache() / "partial").iterdir()) == []


def test_what_a_killed_build_left_is_swept_before_the_next_of_its_release():
    left = paths.cache() / "partial" / "base-bookworm-old"
    other = paths.cache() / "partial" / "base-trixie-running"
    for folder in (left, other):
        fill_partial(folder)
    artifact.ensure("base", "bookworm", "k1", fill)
    assert not left.exists()
    assert other.exists()


def test_two_runs_that_want_the_same_build_it_once():
    built: list[Path] = []
    both_want_it = threading.Barrier(2)

    def build(folder: Path) -> None:
        built.append(folder)
        fill(folder)

    def want(_unused: int) -> Path:
        both_want_it.wait(10)
        return artifact.ensure("base", "bookworm", "k1", build)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(want, range(2))
    assert first == second
    assert len(built) == 1


def test_a_lock_excludes_and_leaves_no_file(tmp_path):
    file = tmp_path / "x.lock"
    with lock.locked(file):
        with pytest.raises(BlockingIOError), lock.locked(file, wait=False):
            pass
        assert file.exists()
    assert not file.exists()


def test_whoever_waits_is_told_and_gets_the_lock_next(tmp_path, capfd):
    file = tmp_path / "trixie.lock"
    got_it, let_go = threading.Event(), threading.Event()
    waiting = threading.Thread(target=_hold, args=(file, got_it, let_go))
    with lock.locked(file):
        waiting.start()
        while "waiting for another run that holds trixie" not in capfd.readouterr().err:
            assert waiting.is_alive()
    assert got_it.wait(10)
    with pytest.raises(BlockingIOError), lock.locked(file, wait=False):
        pass
    let_go.set()
    waiting.join(10)
    assert not file.exists()


def test_a_lock_ends_with_a_holder_that_is_killed(tmp_path):
    file = tmp_path / "x.lock"
    tests = str(Path(lock.__file__).parents[1])
    argv = [sys.executable, "-c", HOLD, tests, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), lock.locked(file, wait=False):
            pass
        holder.kill()
        holder.wait()
        with lock.locked(file, wait=False):
            pass


def fill_partial(folder: Path) -> None:
    folder.mkdir(parents=True)
    fill(folder)


def _hold(file: Path, got_it: threading.Event, let_go: threading.Event) -> None:
    with lock.locked(file):
        got_it.set()
        let_go.wait(10)


def _never(folder: Path) -> None:
    raise AssertionError(f"built again: {folder}")
