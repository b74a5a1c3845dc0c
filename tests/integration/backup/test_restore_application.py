# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive of the application's own script goes back the way of a set; what it lacks stays as it is, and is named."""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import act, application, journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.journal import read_all, under_way

from .dying import died_at

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can prove that nobody has a file open")
METADATA = {"backupName": "nightly", "timestamp": "2026-11-28 02:00:05", "includeLogs": True, "version": "1.0"}
SCRIPT = """
set -e
mkdir -p "$1/nightly/config" "$1/nightly/data" "$1/nightly/logs"
cp -r config/* "$1/nightly/config/"; cp database/cryptobot.db "$1/nightly/cryptobot.db"
cp -r data/* "$1/nightly/data/"; cp -r logs/* "$1/nightly/logs/"
printf '%s' "$2" > "$1/nightly/metadata.json"
tar -C "$1" -czf "$1/nightly.tar.gz" nightly
"""


def metadata(host: str) -> str:
    return json.dumps({**METADATA, "system": {"hostname": host, "os": "Linux", "kernel": "6.1", "arch": "x86_64"}})


def archived(lab: Lab, host: str = platform.node()) -> Path:
    """Return an archive as backup.sh makes one: what a glob finds, as whoever runs it."""
    stage = lab.root / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    subprocess.run(["bash", "-c", SCRIPT, "backup.sh", str(stage), metadata(host)], cwd=lab.app, check=True)
    return stage / "nightly.tar.gz"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path)
    lab.install()
    for name in ("data/state.json", "logs/app.log"):
        (lab.app / name).parent.mkdir(exist_ok=True)
        (lab.app / name).write_text("then\n")
    lab.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    lab.archive = archived(lab)
    lab.spoil()
    (lab.app / "config" / ".secret").write_text("only here\n")
    (lab.app / "logs" / "app.log").write_text("since\n")
    for path in (lab.app / "config", lab.app / "config" / "bot.yml"):
        os.chown(path, 1234, 1235)
    os.chmod(lab.app / "config" / "bot.yml", 0o640)
    lab.before = lab.digest()
    return lab


def given(lab: Lab, **options: Any) -> dict[str, Any]:
    return {"archive": str(lab.archive), "install_dir": str(lab.app), **options}


def said(result: Any, check: str = "restore.archive") -> Any:
    [finding] = [each for each in result.findings if each.check == check]
    return finding


def test_the_plan_says_what_comes_where_and_what_the_archive_lacks(lab: Lab) -> None:
    result = lab.restore(check=True, **given(lab))
    plan = result.data["plan"]
    assert [(each["source"], each["target"]) for each in plan["targets"]] == [
        ("files-config", str(lab.app / "config")),
        ("database", str(lab.database)),
    ]
    assert "no source of files that is declared (sources) has" in plan["left"]["data"]
    assert "name it by only" in plan["left"]["logs"]
    finding = said(result)
    assert finding.status == "warning"
    for words in ("no checksums", "no .env", "no Redis", "how many rows", "its data is not"):
        assert words in finding.message
    assert (lab.digest(), lab.leftovers(), read_all(str(lab.root / "state"))) == (lab.before, [], [])
    done = lab.restore(**given(lab))
    assert [(a.action, a.subject) for a in result.actions] == [(a.action, a.subject) for a in done.actions]


def test_what_is_in_it_comes_back_and_what_is_not_stays(lab: Lab) -> None:
    result = lab.restore(**given(lab))
    config = lab.app / "config"
    assert result.failure == ""
    assert (config / "bot.yml").read_text() == "pair: BTC\n"
    assert (config / "deep" / "keys.yml").read_text() == "a: 1\n"
    assert lab.sql("SELECT count(*) FROM trades") == [(50,)]
    assert (config / ".secret").read_text() == "only here\n", "the script passes dotfiles over"
    assert (config / "new.yml").read_text() == "new\n"
    assert (lab.app / ".env").read_text() == "KEY=2\n"
    assert (lab.app / "logs" / "app.log").read_text() == "since\n"
    assert ((config / "bot.yml").stat().st_uid, (config / "bot.yml").stat().st_mode & 0o777) == (1234, 0o640)
    assert (config.stat().st_uid, (config / "deep" / "keys.yml").stat().st_uid) == (1234, 0)
    assert lab.restore(state="rolled_back").failure == ""
    assert (lab.digest(), (config / ".secret").read_text()) == (lab.before, "only here\n")


def test_that_test_would_see_what_does_not_stay(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "stays", lambda new: lambda below, name: False)
    assert lab.restore(**given(lab)).failure == ""
    assert not (lab.app / "config" / ".secret").exists()
    assert act.application is application


def test_single_files_and_the_logs_come_back_where_they_are_named(lab: Lab) -> None:
    result = lab.restore(**given(lab, files=[f"{lab.app}/config/deep/*"]))
    assert (result.failure, (lab.app / "config" / "bot.yml").read_text()) == ("", "pair: SPOILT\n")
    assert (lab.app / "config" / "deep" / "keys.yml").read_text() == "a: 1\n"
    sources = [*lab.sources, {"name": "app", "type": "files", "paths": [str(lab.app)]}]
    assert lab.restore(**given(lab, only=["logs"], sources=sources)).failure == ""
    assert (lab.app / "logs" / "app.log").read_text() == "then\n"


def refused(lab: Lab, **options: Any) -> str:
    with pytest.raises(CoreError) as error:
        lab.restore(**given(lab, **options))
    assert (lab.digest(), lab.leftovers(), read_all(str(lab.root / "state"))) == (lab.before, [], [])
    return str(error.value)


def test_what_is_not_meant_for_this_host_is_refused(lab: Lab) -> None:
    lab.archive = archived(lab, "another")
    assert "the host another made it" in refused(lab)
    assert lab.restore(check=True, **given(lab, from_host="another")).failure == ""
    assert "which is no file on this host" in refused(lab, archive=str(lab.root / "missing.tar.gz"))
    assert "either an archive, or set" in refused(lab, set="20261129T020000Z-1a2b3c")
    lab.archive = archived(lab)
    assert "nothing for nowhere" in refused(lab, only=["nowhere"])
    other = [lab.sources[0], {"name": "database", "type": "sqlite", "path": str(lab.app / "config" / "other.db")}]
    lab.sql("VACUUM INTO '" + str(lab.app / "config" / "other.db") + "'")
    lab.before = lab.digest()
    left = lab.restore(check=True, **given(lab, sources=other)).data["plan"]["left"]
    assert "no source of the type sqlite is declared that cryptobot.db is of" in left["sqlite"]


def a_zip(lab: Lab) -> Path:
    """Return an archive as PowerShell's Compress-Archive makes one, of a Windows host of this name."""
    path = lab.root / "nightly.zip"
    about = {"BackupName": "nightly", "System": {"ComputerName": platform.node().upper(), "OSVersion": "Windows 10"}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps(about).encode("utf-16"))
        archive.writestr("config\\bot.yml", "pair: BTC\r\n")
    return path


def test_the_archive_of_the_powershell_script_needs_a_word_on_another_system(lab: Lab) -> None:
    lab.archive = a_zip(lab)
    assert "it was made on windows" in refused(lab)
    result = lab.restore(**given(lab, accept_other=True))
    assert (result.failure, (lab.app / "config" / "bot.yml").read_bytes()) == ("", b"pair: BTC\r\n")
    assert (lab.app / "config" / "new.yml").exists()
    assert "it has no database" in said(result).message


HOSTILE = ["nightly/config/../../../etc/x", "/etc/cron.d/x", "nightly/config/out", "nightly/config/device"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_member_is_refused_and_nothing_is_touched(lab: Lab, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = 0
    if name.endswith("out"):
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    if name.endswith("device"):
        member.type = tarfile.CHRTYPE
    with tarfile.open(lab.archive, "w:gz") as archive:
        archive.add(lab.root / "stage" / "nightly", "nightly")
        archive.addfile(member, io.BytesIO(b""))
    assert os.path.basename(name) in refused(lab)


def test_a_folder_that_is_a_file_in_the_archive_is_taken_back(lab: Lab) -> None:
    (lab.app / "config" / "bot.yml").unlink()
    (lab.app / "config" / "bot.yml").mkdir()
    (lab.app / "config" / "bot.yml" / "inside").write_text("x")
    lab.before = lab.digest()
    result = lab.restore(**given(lab))
    assert "is a folder here and none in the archive" in result.failure
    assert (lab.digest(), lab.leftovers()) == (lab.before, [])


@pytest.mark.parametrize("state", ["resumed", "rolled_back"])
def test_a_restore_of_it_that_is_killed_goes_on_or_back(lab: Lab, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for nth in (4, 9, 11, 13):
        shutil.rmtree(lab.root / "copy", ignore_errors=True)
        shutil.copytree(lab.app, lab.root / "copy", symlinks=True)
        assert died_at(journal, "write", nth, lambda: lab.restore(**given(lab)), after=True), nth
        assert under_way(read_all(str(lab.root / "state"))) is not None
        options = {"install_dir": str(lab.app)} if state == "resumed" else {}
        assert lab.restore(state=state, **options).failure == "", nth
        rows = lab.sql("SELECT count(*) FROM trades")
        assert (lab.digest() == lab.before, rows) == ((False, [(50,)]) if state == "resumed" else (True, [(3,)])), nth
        assert (lab.app / "config" / ".secret").read_text() == "only here\n"
        for each in read_all(str(lab.root / "state")):
            lab.restore(state="tidied", restore=each.id)
        if state == "resumed":
            shutil.rmtree(lab.app)
            shutil.move(lab.root / "copy", lab.app)
