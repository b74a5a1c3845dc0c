# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""L3 restores for real: it finds what the levels below it believe, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, database, files, found, sqlite, status

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import seal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql import scratch
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.owner import owner_document
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from ..database.postgres_server import Server, running_server
from ..faults.test_backup_postgresql import need_binaries, source


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(need_binaries()) as running:
        running.sql("postgres", "CREATE DATABASE main", "CREATE ROLE trader LOGIN PASSWORD 'x'")
        running.sql(
            "main",
            "CREATE TABLE trades (id int PRIMARY KEY, side text CHECK (side <> 'bad'))",
            "INSERT INTO trades SELECT n, 'good' FROM generate_series(1, 100) n",
            "ALTER TABLE trades OWNER TO trader",
        )
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "app.yml").write_text("key: 1")
    (tmp_path / "config" / "link").symlink_to("app.yml")
    return tmp_path / "config"


def looked(folder: Path, **more: Any) -> Any:
    (folder / "scratch").mkdir(exist_ok=True)
    return act(folder, state="verified", verify_level="L3", scratch_dir=str(folder / "scratch"), **more)


def everything(folder: Path, server: Server, config: Path) -> list[dict[str, Any]]:
    return [source(server, rows="exact"), files("config", config), sqlite("db", database(folder / "live.db"))]


def ours() -> set[str]:
    """Return the scratch servers and folders that are on this host, and the server processes that run."""
    left = {str(path) for path in Path(tempfile.gettempdir()).glob("cryptobot-*")}
    running = subprocess.run(
        ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return left | {line for line in running if "postgres" in line and "cryptobot-" in line and " -D " in line}


def test_all_three_kinds_come_back_and_nothing_is_left(tmp_path, server, config):
    before = ours()
    made = act(tmp_path, sources=everything(tmp_path, server, config), verify_level="L3")
    assert (made.failure, made.data["set"]["verified"]) == ("", "L3")
    result = looked(tmp_path)
    assert status(result, "backup.restorable") == "ok"
    assert [one.message for one in found(result, "backup.restorable")] == ["all 3 sources hold at L3"]
    assert list((tmp_path / "scratch").iterdir()) == []
    assert ours() <= before


def rewritten(folder: Path, kind: str, change: Any) -> None:
    """Change what the manifest of the one set says of a source, and seal it as its maker would."""
    [path] = (folder / "backups").glob("*-*/manifest.json")
    document = json.loads(path.read_text())
    change(next(entry for entry in document["sources"] if entry["type"] == kind), path.parent)
    path.write_bytes(seal(document))
    (path.parent / "verified.json").unlink()


def fewer_rows(entry: dict, _folder: Path) -> None:
    entry["databases"]["main"]["rows"]["public.trades"] = 101


def other_rows(entry: dict, _folder: Path) -> None:
    entry["rows"]["trades"] = 101


def escaping_link(entry: dict, folder: Path) -> None:
    """Put an archive in which a file lies below a symlink, which L2 reads through without a doubt."""
    import gzip
    import tarfile

    names = {one["role"]: folder / one["name"] for one in entry["payloads"]}
    rows = [["path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "link"]]
    with (
        gzip.open(names["archive"], "wb") as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        link = tarfile.TarInfo("l")
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, "/etc", 0o777
        tar.addfile(link)
        rows.append(["l", "link", 0, "", 0o777, 0, 0, 0, "/etc"])
        tar.addfile(tarfile.TarInfo("l/new"))
        rows.append(["l/new", "file", 0, hashlib.sha256(b"").hexdigest(), 0o644, 0, 0, 0, ""])
    with gzip.open(names["index"], "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    with gzip.open(names["attributes"], "wt") as stream:
        stream.write('["path", "attributes"]\n')
    entry["count"], entry["raw_bytes"], entry["attributes"]["noted"] = 1, 0, 0
    for one in entry["payloads"]:
        content = (folder / one["name"]).read_bytes()
        one["size"], one["sha256"] = len(content), hashlib.sha256(content).hexdigest()


LIES = [
    ("postgresql", fewer_rows, "public.trades has 100 rows, expected 101"),
    ("sqlite", other_rows, "trades has 100, expected 101"),
    ("files", escaping_link, "the member 'l' is not unpacked: it is in the archive twice"),
]


@pytest.mark.parametrize(("kind", "change", "words"), LIES, ids=[case[0] for case in LIES])
def test_l3_finds_what_l2_believes(tmp_path, server, config, kind, change, words):
    assert act(tmp_path, sources=everything(tmp_path, server, config), compression="gzip").failure == ""
    rewritten(tmp_path, kind, change)
    before = sorted(os.listdir("/etc"))
    result = looked(tmp_path)
    assert status(result, "backup.readable") == "ok"
    [finding] = found(result, "backup.restorable")
    assert (finding.status, words in finding.message) == ("critical", True)
    assert sorted(os.listdir("/etc")) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_host_without_a_server_of_its_own_leaves_it_unknown_and_the_set_is_as_good_as_at_l2(
    tmp_path, server, config, monkeypatch
):
    monkeypatch.setattr(scratch, "FOLDERS", ())
    monkeypatch.setattr(scratch, "_version", lambda *_given: 9)
    made = act(tmp_path, sources=everything(tmp_path, server, config), verify_level="L3")
    assert (made.failure, made.data["set"]["verified"]) == ("", "L2")
    [finding] = found(made, "backup.restorable")
    assert finding.status == "unknown"
    assert "needs the programs of a PostgreSQL server 15 or newer, here is 9" in finding.message


# --- killed: what it leaves is ended and removed by the next run, by proved identity ----------------------------------

KILLED = """
import json, os, signal, sys
sys.path[:0] = {paths!r}
import conftest
from plugins.module_utils.backup.examples import act
from pathlib import Path
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import verification
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql import scratch
def die(*_words, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
{place}
act(Path({folder!r}), **json.loads({options!r}))
"""
AT = {
    "while the server is there": "verification.restore = die",
    "while the server is made": """
import subprocess, threading, time
run = scratch._Cluster._run
def children(of):
    lines = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True).stdout.splitlines()[1:]
    found = [line.split() for line in lines if line.split()[1] == str(of) and line.split()[2] != "ps"]
    return found + [one for child in found for one in children(child[0])]
def stop_and_die():
    while not any(comm == "initdb" for _pid, _parent, comm in children(os.getpid())):
        time.sleep(0.01)
    for pid, _parent, _comm in children(os.getpid()):
        os.kill(int(pid), signal.SIGSTOP)  # so that it is still at it when the next run comes
    die()
def run_and_die(self, tool, *words):
    if tool == "initdb":
        threading.Thread(target=stop_and_die).start()
    return run(self, tool, *words)
scratch._Cluster._run = run_and_die""",
}


def killed(folder: Path, at: str, **options: Any) -> None:
    tests = Path(__file__).parents[2]
    script = KILLED.format(
        paths=[str(tests), str(tests / "unit")], place=AT[at], folder=str(folder), options=json.dumps(options)
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -9, done.stdout + done.stderr


def swept(result: Any, left: list[str]) -> set[str]:
    """Return the states of the actions that swept what was left; each of it has one."""
    states = {one.subject: one.state for one in result.actions if one.action == "sweep" and one.subject in left}
    assert sorted(states) == left
    return set(states.values())


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the account of the server may pass: there the server lies in the scratch that was given."""
    with tempfile.TemporaryDirectory(prefix="h-drills-", dir="/var/tmp") as name:
        os.chmod(name, 0o755)
        (Path(name) / "scratch").mkdir(mode=0o755)
        monkeypatch.setenv("TMPDIR", f"{name}/scratch")  # so that no other test's run sweeps there
        monkeypatch.setattr(tempfile, "tempdir", f"{name}/scratch")
        yield Path(name)


@pytest.mark.parametrize("at", AT)
def test_a_server_of_a_killed_verification_is_ended_by_the_next_and_no_other_is(open_place, server, at):
    before = ours()
    given = source(server, rows="exact")
    assert act(open_place, sources=[given]).failure == ""
    more = {"state": "verified", "verify_level": "L3", "scratch_dir": str(open_place / "scratch")}
    killed(open_place, at, **more)
    left = sorted(map(str, (open_place / "scratch").glob("cryptobot-scratch-*")))
    assert ours() - before
    living = open_place / "scratch" / "cryptobot-scratch-atwork00"
    living.mkdir()
    (living / "owner.json").write_bytes(owner_document(choose_host()))
    watched = subprocess.Popen(["sleep", "600"], env={**os.environ, "CRYPTOBOT_SCRATCH": str(living)})
    try:
        assert swept(act(open_place, check_mode=True, **more), left) == {"planned"}
        assert all(map(os.path.exists, left))
        result = act(open_place, **more)
        assert swept(result, left) == {"done"}
        assert status(result, "backup.restorable") == "ok"
        assert watched.poll() is None, "another's process was ended"
        assert [path.name for path in (open_place / "scratch").iterdir()] == [living.name]
    finally:
        watched.kill()
        watched.wait()
        shutil.rmtree(living)
    assert ours() <= before
    assert server.sql("main", "SELECT count(*) FROM trades") == [(100,)]


def test_what_a_killed_backup_left_of_its_own_verification_is_ended_by_the_next_backup(open_place, server):
    before = ours()
    more = {"sources": [source(server, rows="exact")], "verify_level": "L3", "scratch_dir": str(open_place / "scratch")}
    killed(open_place, "while the server is there", **more)
    assert ours() - before
    assert act(open_place, **more).data["set"]["verified"] == "L3"
    assert ours() <= before
