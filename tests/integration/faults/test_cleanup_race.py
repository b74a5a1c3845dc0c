# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder is swapped for a symlink, thousands of times, while the cleanup runs: nothing outside is ever touched.

This is the attack on every cleaner that deletes by path: an account that may write below the folder replaces a folder
in it by a symlink to /etc between the look and the deletion.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import RULE, SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import InUse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.platforms import PLATFORMS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renameat2, and /proc for files in use")

RUNS, MOST_SECONDS = 200, 90.0
OLD = 1_700_000_000.0  # the precious files look exactly like those to be deleted, down to size and time
FILES = 20
# Swaps "sub" and "link" in one step, again and again, by renameat2(2) with RENAME_EXCHANGE.
SWAPPER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
swaps = 0
print("ready", flush=True)
parent = os.getppid()  # whose test was killed ends with it
while not os.path.exists("stop") and os.getppid() == parent:
    for _turn in range(200):
        if libc.renameat2(-100, b"sub", -100, b"link", 2):
            sys.exit(os.strerror(ctypes.get_errno()))
        swaps += 1
print(swaps)
"""


def _options(folder: Path, **changes: object) -> dict[str, object]:
    rule = {name: option.get("default") for name, option in RULE.items()}
    rule.update({"name": "race", "path": str(folder), "patterns": ["*.log"], "age": "1d", "recurse": True})
    module = {name: option.get("default") for name, option in SPEC.items()}
    return {**module, "rules": [{**rule, **changes}], "state_dir": str(folder.parent / "state")}


def _fill(folder: Path) -> None:
    for number in range(FILES):
        path = folder / f"{number}.log"
        path.write_bytes(b"x")
        os.utime(path, (OLD, OLD))


@pytest.fixture
def raced(tmp_path: Path) -> Iterator[Path]:
    """A folder with old files in which "sub" and a symlink to precious files change places all the time."""
    tree, precious = tmp_path / "tree", tmp_path / "precious"
    (tree / "sub").mkdir(parents=True)
    precious.mkdir()
    _fill(precious)
    (tree / "link").symlink_to(precious)
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(tree)], stdout=subprocess.PIPE, text=True)
    assert swapper.stdout is not None
    assert swapper.stdout.readline() == "ready\n"
    yield tmp_path
    (tree / "stop").touch()
    swaps = int(swapper.communicate(timeout=60)[0])
    assert swaps >= 200, "the race was not one"


def _refill(tree: Path) -> None:
    """Put old files into the real folder, whichever of the two names it has at the moment."""
    descriptor = -1
    while descriptor < 0:
        try:
            descriptor = os.open(tree / "sub", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
    for number in range(FILES):
        file = os.open(f"{number}.log", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=descriptor)
        os.write(file, b"x")
        os.utime(file, (OLD, OLD))
        os.close(file)
    os.close(descriptor)


def test_no_symlink_that_is_swapped_in_leads_the_cleanup_out_of_its_folder(
    raced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = PLATFORMS["linux"]()._replace(in_use=lambda _host: InUse())  # not what this is about, and slow
    monkeypatch.setitem(PLATFORMS, "linux", lambda: quick)
    tree = raced / "tree"
    deleted = avoided = runs = 0
    begun = time.monotonic()
    while runs < RUNS or ((deleted < RUNS or avoided < RUNS) and time.monotonic() < begun + MOST_SECONDS):
        runs += 1
        _refill(tree)
        result = run(_options(tree), choose_host(60))
        done = [action for action in result.actions if action.state == "done"]
        deleted += len(done)
        avoided += len(result.actions) - len(done)
        assert len(list((raced / "precious").iterdir())) == FILES
    assert deleted >= RUNS, "next to nothing was deleted, so nothing could have gone wrong"
    assert avoided >= RUNS, "next to no deletion met a swapped folder"


def _clean_by_path(tree: Path) -> None:
    """Go about it as a cleaner by path does: look, then delete what the look found, by its name."""
    old = [path for path in tree.glob("sub/*.log") if not path.parent.is_symlink()]
    for path in old:
        path.unlink(missing_ok=True)


def test_the_same_race_leads_a_cleaner_by_path_out_of_its_folder(raced: Path) -> None:
    tree = raced / "tree"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and len(list((raced / "precious").iterdir())) == FILES:
        _refill(tree)
        _clean_by_path(tree)
    assert len(list((raced / "precious").iterdir())) < FILES, "the race is too tame to prove anything"


def test_this_system_can_exchange_two_names_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("nowhere")
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(-100, os.fsencode(tmp_path / "a"), -100, os.fsencode(tmp_path / "b"), 2) == 0
    assert (tmp_path / "a").is_symlink()


def test_two_cleanups_at_once_delete_each_file_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    _fill(tree)
    code = (
        "import json, sys; sys.path[:0] = [sys.argv[1]]; import conftest\n"
        "from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run\n"
        "from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host\n"
        "from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import LockHeld\n"
        "try:\n    print(run(json.loads(sys.argv[2]), choose_host(60)).data['cleanup']['done'])\n"
        "except LockHeld:\n    print(0)"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parents[2]), json.dumps(_options(tree))]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _run in range(2)]
    assert sum(int(each.communicate(timeout=60)[0]) for each in both) == FILES
    assert list(tree.iterdir()) == []
