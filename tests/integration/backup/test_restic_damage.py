# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damage over every file of a repository of restic: none is missed, at the level that claims it.

A byte that changed, a cut end, a file that is gone and two that changed places are found by L1 when it reads all of the
repository (``subset: 1/1``). What is foreign is no damage; it is named by whatever looks at the repository.
``CASES=1000 pytest -m long`` runs as many; the short form takes a fixed sample.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import database, files, found, sqlite

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result

from .restic_lab import RESTIC, kept, new_repository

pytestmark = pytest.mark.skipif(not RESTIC, reason="restic is needed")
KINDS = ("flip", "truncate", "remove", "swap", "foreign")
SHORT, LONG = 60, int(os.environ.get("CASES", "300"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lie in memory: nobody cuts the power here."""
    folder = tmp_path_factory.mktemp("memory")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield _with_two_sets(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _with_two_sets(folder: Path) -> Path:
    new_repository(folder / "repository")
    (folder / "config").mkdir()
    generator = random.Random(10)
    for number in range(6):
        (folder / "config" / f"{number}.bin").write_bytes(generator.randbytes(40_000 + number))
    database(folder / "app.db")
    for run in range(2):
        (folder / "config" / "settings.yml").write_text(f"run: {run}\n")
        assert kept(folder, sources=sources(folder)).failure == ""
    shutil.copytree(folder / "repository", folder / "whole")
    return folder


def sources(folder: Path) -> list[dict[str, Any]]:
    return [files("config", folder / "config"), sqlite("main", folder / "app.db")]


def of_repository(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "repository").rglob("*") if path.is_file())


def damage(folder: Path, kind: str, path: Path, generator: random.Random) -> str:
    """Do one thing to one file of the repository; return what it was."""
    content = path.read_bytes()
    path.chmod(0o600)
    if kind == "flip":
        place = generator.randrange(len(content))
        changed = content[place] ^ (1 << generator.randrange(8))
        path.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
        return f"flip of byte {place} of {len(content)}"
    if kind == "truncate":
        length = generator.randrange(len(content))
        path.write_bytes(content[:length])
        return f"cut to {length} of {len(content)}"
    if kind == "remove":
        path.unlink()
        return "removed"
    if kind == "foreign":
        stranger = path.with_name(generator.choice(["readme.txt", "f" * 63, path.name + ".bak", "0" * 64]))
        stranger.write_bytes(generator.randbytes(100))
        return f"foreign {stranger.name[:12]}"
    other = generator.choice([one for one in of_repository(folder) if one != path and one.read_bytes() != content])
    other.chmod(0o600)
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return f"swapped with {other.parent.name}/{other.name[:8]}"


def repaired(folder: Path) -> None:
    """Make the repository what it was, and let restic's cache know nothing."""
    shutil.rmtree(folder / "repository")
    shutil.copytree(folder / "whole", folder / "repository")
    shutil.rmtree(folder / "state" / "restic-cache", ignore_errors=True)


def looked(folder: Path) -> Result:
    given = {"sources": sources(folder), "set": "all", "verify_level": "L1", "subset": "1/1"}
    return kept(folder, state="verified", check_mode=True, **given)


def is_found(folder: Path) -> str:
    """Return what says that something is wrong; empty where nothing does."""
    try:
        result = looked(folder)
    except CoreError as error:
        return str(error)
    spoken = [one.message for one in result.findings if one.status in ("critical", "unknown")]
    spoken += [one.message for one in found(result, "backup.repository") if one.status == "warning"]
    return "; ".join(spoken)


def missed(folder: Path, count: int, seed: int) -> list[str]:
    """Try ``count`` cases over every file, each kind as often; return those that nothing spoke of."""
    generator, silent = random.Random(seed), []
    paths = of_repository(folder)
    for number in range(count):
        path, kind = paths[number % len(paths)], KINDS[(number + number // len(paths)) % len(KINDS)]
        what = damage(folder, kind, path, generator)
        if not is_found(folder):
            silent.append(f"{path.relative_to(folder)}: {what}")
        repaired(folder)
    return silent


def test_a_whole_repository_is_not_called_damaged(place: Path) -> None:
    result = looked(place)
    assert (is_found(place), result.status) == ("", "ok")
    assert [one["ok"] for one in result.data["verifications"]] == [True, True]


def test_no_damage_of_a_fixed_sample_is_missed(place: Path) -> None:
    assert missed(place, SHORT, seed=10) == []


@pytest.mark.long
@pytest.mark.skipif("LONG" not in os.environ, reason="long: LONG=1")
def test_no_damage_is_missed(place: Path) -> None:
    assert missed(place, LONG, seed=11) == []
