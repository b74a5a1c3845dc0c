# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a real Redis server: what is taken can be loaded again, and whatever fails leaves no set."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, status

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import KINDS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.redis.client import (
    RedisServer,
    connected,
    information,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

PASSWORD = "w1nter-s3cret"
HOST = choose_host(86_400)  # made when the tests are collected, which may be long before they run


class Running:
    """A server of ours: its folder, its port, and what it is asked as its default user."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen) -> None:
        self.folder, self.port, self.process = folder, port, process
        self.server = RedisServer("127.0.0.1", port, "", "", PASSWORD)

    def ask(self, *words: str) -> Any:
        with connected(self.server, choose_host(30)) as conversation:
            return conversation.ask(*words)

    def info(self) -> dict[str, str]:
        with connected(self.server, choose_host(30)) as conversation:
            return information(conversation)

    def source(self, **more: Any) -> dict[str, Any]:
        return {"name": "redis", "type": "redis", "login_port": self.port, "login_password": PASSWORD, **more}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def running(*options: str, account: str = "redis", files: tuple[Path, ...] = ()) -> Iterator[Running]:
    """Run a server in a folder of its own; without ``account`` as who runs the tests."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no redis-server on this machine")
        pytest.skip("no redis-server on this machine: install redis-server")
    folder = Path(tempfile.mkdtemp(prefix="h-redis-", dir="/tmp"))
    for file in files:
        shutil.copy(file, folder)
    for path in (folder, *folder.iterdir()) if account else ():
        shutil.chown(path, account, account)
    port = free_port()
    fixed = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--requirepass", PASSWORD, "--save", ""]
    become: Any = {"user": account, "group": account, "extra_groups": []} if account else {}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["redis-server", *fixed, *options], stdout=log, stderr=log, cwd="/", **become)
    server = Running(folder, port, process)
    try:
        wait_until(lambda: "Ready to accept connections" in (folder / "log").read_text())
        yield server
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def wait_until(done: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture
def redis() -> Iterator[Running]:
    with running() as server:
        for number in range(50):
            server.ask("HSET", f"api_key:{number}", "secret", "x" * 50)
        server.ask("SET", "ohlcv:btc", "1", "EX", "300")
        yield server


def taken(result: Any) -> tuple[dict[str, Any], Path]:
    """Return the only source of the set that was made, and the set's folder."""
    assert not result.failure, result.failure
    folder = Path(result.data["set"]["path"])
    return json.loads((folder / "manifest.json").read_text())["sources"][0], folder


def unpacked(folder: Path, where: Path) -> Path:
    """Return the file of the set, unpacked as a person would."""
    file = where / "dump.rdb"
    subprocess.run(["zstd", "-dqf", str(folder / "redis" / "dump.rdb.zst"), "-o", str(file)], check=True)
    return file


def no_set(result: Any, folder: Path) -> str:
    """Return the reason why there is no set, and that there is no trace of one."""
    assert result.failure
    backups = folder / "backups"
    assert not backups.exists() or not [name for name in os.listdir(backups) if name != "latest"]
    assert PASSWORD not in json.dumps([result.failure, [finding.message for finding in result.findings]])
    return result.failure


def test_what_is_taken_can_be_loaded_by_another_server(redis, tmp_path):
    entry, folder = taken(act(tmp_path, sources=[redis.source()]))
    assert (entry["rows"], entry["expiring"], entry["crc64"], entry["appendonly"]) == ({"db0": 51}, 1, "ok", False)
    assert (redis.folder / "dump.rdb").exists(), "it was moved, not copied"
    with running(files=(unpacked(folder, tmp_path),)) as other:
        assert other.ask("DBSIZE") == 51
        assert other.ask("HGET", "api_key:7", "secret") == "x" * 50


def test_the_way_back_beside_gives_the_file_with_its_owner(redis, tmp_path):
    entry, folder = taken(act(tmp_path, sources=[redis.source()]))
    into = tmp_path / "into"
    into.mkdir()
    manifest = read_catalog(tmp_path / "backups", HOST).sets[0].manifest
    reader = ArchiveReader(manifest, folder, HOST)
    found = KINDS["redis"].restore(manifest.sources[0], reader, into, Bench(folder, tmp_path, HOST))
    assert (found.things, found.proof["rows"]) == (51, {"db0": 51})
    assert (into / "dump.rdb").owner() == "redis"
    with running(files=(into / "dump.rdb",)) as other:
        assert other.ask("DBSIZE") == 51
    changed = manifest.sources[0]._replace(facts={**entry, "rows": {"db0": 50}})
    (into / "dump.rdb").unlink()
    with pytest.raises(ActionFailed, match="holds the keys"):
        KINDS["redis"].restore(changed, reader, into, Bench(folder, tmp_path, HOST))


def test_the_password_is_in_no_file_of_the_set_but_what_redis_holds(redis, tmp_path):
    _entry, folder = taken(act(tmp_path, sources=[redis.source()]))
    assert PASSWORD not in (folder / "manifest.json").read_text()


def test_a_user_of_few_rights_suffices(redis, tmp_path):
    redis.ask("ACL", "SETUSER", "backup", "on", ">backup-pass", "+ping", "+info", "+bgsave", "+config|get")
    source = redis.source(login_user="backup", login_password="backup-pass")
    assert taken(act(tmp_path, sources=[source]))[0]["rows"] == {"db0": 51}


def test_without_the_right_to_ask_for_the_file_it_can_be_declared(redis, tmp_path):
    redis.ask("ACL", "SETUSER", "backup", "on", ">backup-pass", "+ping", "+info", "+bgsave")
    source = redis.source(login_user="backup", login_password="backup-pass")
    assert "declare the file as path" in no_set(act(tmp_path, sources=[source]), tmp_path)
    source["path"] = str(redis.folder / "dump.rdb")
    assert taken(act(tmp_path, sources=[source]))[0]["rows"] == {"db0": 51}


def test_a_user_who_may_not_save_is_told_so(redis, tmp_path):
    redis.ask("ACL", "SETUSER", "backup", "on", ">backup-pass", "+ping", "+info", "+config|get")
    source = redis.source(login_user="backup", login_password="backup-pass")
    assert "NOPERM" in no_set(act(tmp_path, sources=[source]), tmp_path)


def test_a_wrong_password_makes_no_set(redis, tmp_path):
    why = no_set(act(tmp_path, sources=[redis.source(login_password="another")]), tmp_path)
    assert "WRONGPASS" in why
    assert "another" not in why.replace("another save", "")
    assert "NOAUTH" in no_set(act(tmp_path, sources=[redis.source(login_password=None)]), tmp_path)


def test_a_server_that_is_gone_makes_no_set(redis, tmp_path):
    redis.process.terminate()
    redis.process.wait(20)
    assert f"port {redis.port}" in no_set(act(tmp_path, sources=[redis.source()]), tmp_path)


def test_a_save_that_fails_makes_no_set_though_an_old_file_is_there(redis, tmp_path):
    redis.ask("CONFIG", "SET", "save", "3600 1")  # with save points a failed save stops writes, and PING too
    taken(act(tmp_path / "before", sources=[redis.source()]))
    shutil.chown(redis.folder, "root", "root")
    for _attempt in range(2):
        assert "could not save" in no_set(act(tmp_path / "after", sources=[redis.source()]), tmp_path / "after")
    shutil.chown(redis.folder, "redis", "redis")
    assert taken(act(tmp_path / "after", sources=[redis.source()]))[0]["rows"] == {"db0": 51}


@pytest.fixture
def slow(redis) -> Running:
    """The server with a save that takes some seconds and began just now."""
    redis.ask("CONFIG", "SET", "rdb-key-save-delay", "40000")
    redis.ask("BGSAVE")
    return redis


def test_another_save_that_runs_is_waited_for(slow, tmp_path):
    slow.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
    slow.ask("SET", "written", "since")
    entry, _folder = taken(act(tmp_path, sources=[slow.source()]))
    assert entry["rows"] == {"db0": 52}, "that is the save that ran already, not ours"


def test_another_save_that_runs_too_long_makes_no_set(slow, tmp_path):
    why = no_set(act(tmp_path, sources=[slow.source(lock_wait_timeout=1)]), tmp_path)
    assert "already in progress" in why
    assert "lock_wait_timeout" in why


def test_a_server_that_dies_while_it_saves_makes_no_set(redis, tmp_path):
    redis.ask("CONFIG", "SET", "rdb-key-save-delay", "40000")
    killer = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {redis.process.pid} $(pgrep -P {redis.process.pid})"])
    why = no_set(act(tmp_path, sources=[redis.source()]), tmp_path)
    killer.wait(10)
    assert "gave no answer" in why or "closed the connection" in why or "answer of Redis" in why


def test_a_server_with_an_aof_is_noted_and_its_save_holds_all(tmp_path):
    with running("--appendonly", "yes") as server:
        server.ask("SET", "only", "in the aof")
        entry, folder = taken(act(tmp_path, sources=[server.source()]))
        assert (entry["appendonly"], entry["rows"]) == (True, {"db0": 1})
    with running(files=(unpacked(folder, tmp_path),)) as other:  # appendonly no first, as the way back has to
        assert other.ask("GET", "only") == "in the aof"
        other.ask("CONFIG", "SET", "appendonly", "yes")
        wait_until(lambda: other.info()["aof_rewrite_in_progress"] == "0" and other.info()["aof_enabled"] == "1")


def test_a_file_of_another_server_is_not_taken_for_this_one(redis, tmp_path):
    with running() as other:
        other.ask("SET", "theirs", "1")
        other.ask("SAVE")
        # as a server in a container: it says a folder that is another one's here
        source = redis.source(path=str(other.folder / "dump.rdb"))
        assert "is not what Redis at" in no_set(act(tmp_path, sources=[source]), tmp_path)


def test_an_emptied_server_makes_no_set_that_counts(redis, tmp_path):
    taken(act(tmp_path, sources=[redis.source()]))
    redis.ask("FLUSHALL")
    made = act(tmp_path, sources=[redis.source()]).data["set"]  # the newest of its second, perhaps, perhaps not
    assert not made["good"]
    assert "redis has no keys at all" in made["anomalies"][0]


def test_a_cache_that_ran_out_is_no_loss(redis, tmp_path):
    for number in range(500):
        redis.ask("SET", f"ohlcv:{number}", "x" * 200, "EX", "300")
    taken(act(tmp_path, sources=[redis.source()]))
    for number in range(500):
        redis.ask("DEL", f"ohlcv:{number}")
    made = act(tmp_path, sources=[redis.source()]).data["set"]
    assert (made["good"], made["anomalies"]) == (True, [])


def test_keys_that_were_to_stay_and_are_gone_are_a_loss(redis, tmp_path):
    taken(act(tmp_path, sources=[redis.source()]))
    for number in range(40):
        redis.ask("DEL", f"api_key:{number}")
    assert "redis lost" in act(tmp_path, sources=[redis.source()]).data["set"]["anomalies"][0]


@pytest.mark.parametrize("checker", [True, False])
def test_a_set_that_was_damaged_is_found(redis, tmp_path, monkeypatch, checker):
    entry, folder = taken(act(tmp_path, sources=[redis.source()], compression="none"))
    if not checker:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.setattr(shutil, "which", lambda *_words, **_more: None)
    file = folder / "redis" / "dump.rdb"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    result = act(tmp_path, state="verified", set="all")
    assert status(result, "backup.checksum") == "critical"
    assert entry["size"] == len(content)


def test_check_mode_asks_and_saves_nothing(redis, tmp_path):
    before = redis.info()["rdb_last_save_time"]
    time.sleep(1.1)
    result = act(tmp_path, check_mode=True, sources=[redis.source()])
    assert not result.failure
    assert redis.info()["rdb_last_save_time"] == before
    assert not (tmp_path / "backups").exists()
    refused = act(tmp_path, check_mode=True, sources=[redis.source(login_password="wrong")])
    assert "WRONGPASS" in refused.failure
