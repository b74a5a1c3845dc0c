# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account swaps its folders and files for symlinks to what only root may read, while root archives them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import act

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="root archives what another account swaps"
)
NOBODY, FILES = 65534, 40
SECRET = b"this is for root alone"
# Exchanges a folder and a symlink, and a file and a symlink, each in one step, until told to stop.
SWAPPER = """
import ctypes, os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc, tree, swaps = ctypes.CDLL(None), os.fsencode(sys.argv[1]), 0
print("ready", flush=True)
parent = os.getppid()  # whose test was killed ends with it
while not os.path.exists(tree + b"/stop") and os.getppid() == parent:
    for one, other in ((b"/sub", b"/to folder"), (b"/file", b"/to file"), (b"/deep/er/sub", b"/deep/er/link")):
        libc.renameat2(-100, tree + one, -100, tree + other, 2)
        swaps += 1
print(swaps, flush=True)
"""


SEEN = "the race was seen"  # a name beside the tree: what led a reader astray was one, however few its turns


@pytest.fixture
def raced() -> Iterator[Path]:
    """A folder of the account in which names change places all the time, beside what only root may read."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to the account
    folder.chmod(0o755)
    tree, precious = folder / "tree", folder / "precious"
    for place in (tree / "sub", tree / "deep" / "er" / "sub", precious):
        place.mkdir(parents=True)
        for number in range(FILES):
            (place / f"{number}").write_bytes(SECRET if place == precious else b"anybody's")
    precious.chmod(0o700)
    (tree / "file").write_text("anybody's")
    (tree / "to file").symlink_to(precious / "0")
    (tree / "to folder").symlink_to(precious)
    (tree / "deep" / "er" / "link").symlink_to(precious)
    for path in [tree, *tree.rglob("*")]:
        os.lchown(path, NOBODY, NOBODY)
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(tree)], stdout=subprocess.PIPE, text=True)
    assert swapper.stdout is not None
    assert swapper.stdout.readline() == "ready\n"
    try:
        yield folder
    finally:
        (tree / "stop").touch()
        swaps = int(swapper.communicate(timeout=60)[0])
        was_seen = (folder / SEEN).exists()
        shutil.rmtree(folder)
    assert swaps >= 200 or was_seen, "the race was not one"


@pytest.mark.case("BK6")
@pytest.mark.parametrize("backups", [12, pytest.param(200, marks=pytest.mark.long)])
def test_no_byte_that_is_root_s_alone_gets_into_a_set(raced, backups):
    source = {"name": "tree", "type": "files", "path": str(raced / "tree")}
    swapped = taken = 0
    for _round in range(backups):
        result = act(raced, sources=[source], compression="none", verify_level="L1")
        assert result.failure == ""
        folder = Path(result.data["set"]["path"])
        for payload in folder.glob("tree/*"):
            assert SECRET not in payload.read_bytes(), payload
        left_out = next(one for one in result.findings if one.check == "backup.left_out")
        swapped += left_out.status == "warning"
        taken += next(one for one in result.findings if one.check == "backup.source").actual > 0
        shutil.rmtree(folder)
    assert taken > backups / 2, "next to nothing was read, so nothing could have gone wrong"
    assert swapped, "no backup met a swap, so nothing could have gone wrong"


def _archive_by_path(tree: Path) -> bytes:
    """Go about it as a reader by path does: look what each name is, then open it by its path."""
    content = b""
    for folder, _folders, names in os.walk(tree):
        time.sleep(0)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                content += path.read_bytes()
    return content


@pytest.mark.case("BK6")
def test_the_same_race_leads_a_reader_by_path_out_of_the_folder(raced):
    deadline, leaked = time.monotonic() + 30, False
    while not leaked and time.monotonic() < deadline:
        try:
            leaked = SECRET in _archive_by_path(raced / "tree")
        except OSError:
            continue
    assert leaked, "the race is too tame to prove anything"
    (raced / SEEN).touch()
