# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders of scratch: gone afterwards, and swept where their run was killed, never where nobody can tell. What runs
from them is ended for real in tests/integration/backup/test_level_3.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import scratch
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import CannotJudge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.scratch import (
    DRILL,
    SCRATCH,
    killed,
    owned_folder,
    places,
    sweep,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.owner import owner_document
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run
OWNER = {"pid": 2, "began": "77", "boot_id": "boot-1"}


def a_folder(place: Path, prefix: str = SCRATCH, **changed: Any) -> Path:
    """Make what a run leaves, whose owner file differs from this process's own in what is given."""
    folder = place / f"{prefix}12345678"
    (folder / "restored" / "shut").mkdir(parents=True)
    (folder / "restored" / "shut").chmod(0)
    (folder / "owner.json").write_text(json.dumps({**json.loads(owner_document(HOST)), **changed}))
    return folder


def test_a_folder_has_its_owner_and_is_gone_afterwards(tmp_path):
    with owned_folder(tmp_path, HOST, DRILL) as folder:
        assert folder.name.startswith(DRILL)
        assert folder.stat().st_mode & 0o777 == 0o711
        assert json.loads((folder / "owner.json").read_text())["pid"] == os.getpid()
        (folder / "a" / "shut").mkdir(parents=True)
        (folder / "a" / "shut").chmod(0)
        assert killed([tmp_path], HOST) == ([], {})
    assert list(tmp_path.iterdir()) == []


def test_where_none_can_be_made_nobody_can_judge(tmp_path, monkeypatch):
    with pytest.raises(CannotJudge, match="no folder can be made in"), owned_folder(tmp_path / "nowhere", HOST):
        raise AssertionError("it was yielded")

    def full(*_given: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "owner_document", full)
    with pytest.raises(CannotJudge, match="No space left"), owned_folder(tmp_path, HOST):
        raise AssertionError("it was yielded")
    assert list(tmp_path.iterdir()) == []


GONE = [{"began": "1"}, {"boot_id": "another"}, {"pid": 2**22 - 1}]


@pytest.mark.parametrize("prefix", [SCRATCH, DRILL])
@pytest.mark.parametrize("changed", GONE, ids=["another process has the pid", "another boot", "no such process"])
def test_what_a_run_of_this_host_left_is_swept_whoever_made_it(tmp_path, prefix, changed):
    folder = a_folder(tmp_path, prefix, **changed)
    assert killed([tmp_path], HOST) == ([str(folder)], {})
    assert folder.exists()
    assert sweep([tmp_path], HOST) == ([str(folder)], {})
    assert list(tmp_path.iterdir()) == []


STAYS = [
    ({}, ""),
    ({"identity": "another", "host": "app2"}, ""),  # it may be at work there
    ({"identity": "another", "host": "app2", "until": 0}, "pid {pid} on app2 should have ended long ago"),
    ({"processes": "pid:[1]", "until": 0}, "should have ended long ago"),
    ({"began": None, "until": "x"}, "it names no owner"),
]


@pytest.mark.parametrize(("changed", "words"), STAYS)
def test_what_is_at_work_or_not_surely_ours_stays(tmp_path, changed, words):
    folder = a_folder(tmp_path, **changed)
    swept = sweep([tmp_path], HOST)
    assert swept.removed == []
    assert [words.format(pid=os.getpid()) in why for why in swept.left.values()] == [True] * bool(words)
    assert folder.exists()
    (folder / "restored" / "shut").chmod(0o700)


@pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({**OWNER, "identity": "another", "host": "app2"})])
def test_a_folder_without_an_owner_stays(tmp_path, text):
    folder = tmp_path / f"{DRILL}1"
    folder.mkdir()
    (folder / "owner.json").write_text(text)
    host = FakeHost(files={str(folder / "owner.json"): text})
    swept = sweep([tmp_path], host)
    assert list(swept.left) == [str(folder)]
    assert swept.removed == []
    assert folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_folder_of_another_account_stays_whatever_its_owner_file_says(tmp_path):
    folder = a_folder(tmp_path, began="1")
    os.chown(folder, 65534, 65534)
    assert sweep([tmp_path], HOST) == ([], {str(folder): "it is no folder that this account made"})
    assert folder.exists()


def test_a_link_in_its_place_is_not_followed(tmp_path):
    precious = a_folder(tmp_path / "precious", began="1")
    (tmp_path / "cryptobot-drill-1").symlink_to(precious)
    assert list(sweep([tmp_path], HOST).left) == [str(tmp_path / "cryptobot-drill-1")]
    assert precious.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_where_another_account_could_exchange_it_nothing_is_looked_at(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    assert folder in places(folder, tmp_path)
    os.chown(folder, 65534, 65534)
    assert folder not in places(folder, tmp_path)


def test_sets_in_the_making_and_the_usual_folders_are_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "20261129T020000Z-71326f.partial").mkdir()
    found = places(None, tmp_path)
    assert found == [tmp_path / "tmp", Path("/var/tmp"), tmp_path / "20261129T020000Z-71326f.partial"]


def test_what_cannot_be_ended_keeps_its_folder_and_its_owner(tmp_path, monkeypatch):
    folder = a_folder(tmp_path, began="1")
    sleeper = subprocess.Popen(["sleep", "600"], env={**os.environ, **scratch.marked(folder / "pg")})
    monkeypatch.setattr(scratch, "send", lambda *_given: None)
    monkeypatch.setattr(scratch, "ENDS_WITHIN", 0.1)
    try:
        swept = sweep([tmp_path], HOST)
        assert swept.removed == []
        assert f"the processes [{sleeper.pid}] that run from {folder} do not end" in swept.left[str(folder)]
        assert (folder / "owner.json").exists()
    finally:
        sleeper.kill()
        sleeper.wait()
    assert sweep([tmp_path], HOST).removed == [str(folder)]
