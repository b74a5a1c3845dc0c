# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts publish into one folder: neither touches what the other makes, and whatever is published verifies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .backup_lab import answer, leftovers, params, run, visible_sets

ROUNDS = Path(__file__).with_name("backup_rounds.py")


def sources(folder: Path) -> list[dict]:
    (folder / "config").mkdir()
    for number in range(4):
        (folder / "config" / f"file {number}").write_bytes(os.urandom(2000))
    return [{"name": "config", "type": "files", "path": str(folder / "config")}]


def publishing(folder: Path, name: str, rounds: int, **options) -> subprocess.Popen[str]:
    """Start a host that takes set after set."""
    given = {**params(folder, **options), "state_dir": str(folder / f"state of {name}")}
    argv = [sys.executable, str(ROUNDS), json.dumps(given), name, str(rounds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rounds_of(process: subprocess.Popen[str]) -> list[dict]:
    out, err = process.communicate(timeout=3000)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.case("BK3")
@pytest.mark.parametrize("names", [("one", "two"), ("same", "same")], ids=["two hosts", "two state folders"])
@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.long)])
def test_every_published_set_verifies(tmp_path, names, rounds):
    taken = sources(tmp_path)
    hosts = [
        publishing(tmp_path / f"{number}", name, rounds, sources=taken, dir=str(tmp_path / "backups"))
        for number, name in enumerate(names)
    ]
    done = [one for host in hosts for one in rounds_of(host)]
    assert [one["failure"] for one in done if one["failure"]] == []
    there = visible_sets(tmp_path / "backups")
    assert set(there) == {one["id"] for one in done}
    assert len(there) == 2 * rounds
    assert all(len(manifest["sources"]) == 1 for manifest in there.values())
    assert leftovers(tmp_path / "backups") == []
    looked = answer(run(tmp_path, state="verified", set="all", sources=taken))
    assert [one["ok"] for one in looked["verifications"]] == [True] * 2 * rounds


@pytest.mark.case("BK3")
@pytest.mark.parametrize("marker", ["", "{}", "[", None])
def test_no_marker_is_not_death(tmp_path, marker):
    """A set in the making whose owner cannot be read may belong to a host that is alive."""
    partial = tmp_path / "backups" / "20261118T110640Z-00c0de.partial"
    partial.mkdir(parents=True)
    (partial / "archive").write_text("half")
    if marker is not None:
        (partial / "owner.json").write_text(marker)
    os.utime(partial, (0, 0))
    done = answer(run(tmp_path, sources=sources(tmp_path)))
    assert done["failure"] == ""
    assert (partial / "archive").read_text() == "half"
    said = [one for one in done["findings"] if one["check"] == "backup.leftover"]
    assert [(one["status"], partial.name in one["message"]) for one in said] == [("warning", True)]
    assert f"rm -r {partial}" in said[0]["remedy"]
