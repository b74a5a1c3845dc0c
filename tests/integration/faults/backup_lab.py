# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fault tests of backups share: a run in a process of its own, and a look at the folder by another route."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugins.module_utils.backup.examples import params  # tests/unit is on the path

RUNNER = Path(__file__).with_name("backup_runner.py")
SET = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def run(folder: Path, *point: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the area in a process of its own, which dies at ``point`` where one is given."""
    argv = [sys.executable, str(RUNNER), json.dumps(params(folder, **options)), *point]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the result that a run printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def visible_sets(backups: Path) -> dict[str, dict[str, Any]]:
    """Return the manifests of all that a reader would take for a set, after checking each file of it.

    This shares no code with the area: it is what somebody without the collection would do.
    """
    sets = {}
    for folder in backups.iterdir() if backups.exists() else ():
        if SET.fullmatch(folder.name):
            sets[folder.name] = checked_manifest(folder)
    if (backups / "latest").is_symlink():
        assert os.readlink(backups / "latest") in sets, "latest leads nowhere"
    return sets


def checked_manifest(folder: Path) -> dict[str, Any]:
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)
    claimed = manifest.pop("sha256")
    canonical = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=True) + "\n"
    assert hashlib.sha256(canonical.encode()).hexdigest() == claimed, f"the manifest of {folder.name} does not hold"
    for source in manifest["sources"]:
        for payload in source["payloads"]:
            content = (folder / payload["name"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (payload["size"], payload["sha256"])
    assert json.loads((folder / "verified.json").read_text())["set"] == folder.name
    return manifest


def leftovers(backups: Path) -> list[str]:
    known = {"latest"}
    return sorted(path.name for path in backups.iterdir() if path.name not in known and not SET.fullmatch(path.name))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system for a block."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
