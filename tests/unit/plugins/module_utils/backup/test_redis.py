# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Redis is asked and what it answers, and the file that it saves. Real servers are in tests/integration/backup."""

# The first context of a with statement names what the second one takes.
# pylint: disable=used-before-assignment
from __future__ import annotations

import io
import socket
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Payload
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Workshop
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.redis.back_up import (
    Copied,
    require_new,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.redis.client import (
    RedisRefused,
    RedisServer,
    connected,
    information,
    server_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.redis.rdb import (
    BadRdb,
    Keys,
    Sum,
    UnknownRdb,
    count_keys,
    crc64,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.redis.save import (
    Saved,
    file_of,
    save,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.streams import COMPRESSIONS, Codec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ActionFailed,
    InputError,
    SourceMissing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import settings

FILE = (Path(__file__).resolve().parents[4] / "fixtures" / "redis" / "7.0.15.rdb").read_bytes()
AUX, DB0 = b"\xfa\x05ctime\xc2\x01\x00\x00\x70", b"\xfe\x00"


def an_rdb(body: bytes, version: bytes = b"0012") -> io.BytesIO:
    return io.BytesIO(b"REDIS" + version + AUX + DB0 + body + b"\xff" + bytes(8))


def test_every_kind_of_value_that_a_real_server_wrote_is_passed():
    keys = count_keys(io.BytesIO(FILE))
    assert keys.databases == {"db0": 14, "db3": 1}
    assert (keys.version, keys.expiring, keys.created) == (10, 2, 1795985081)
    assert 0 < keys.lasting_bytes < len(FILE)


def test_the_checksum_is_the_one_that_redis_writes():
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA  # crc64.c says so of itself
    for size in (1, 7, 8, 100, len(FILE)):
        summed = Sum()
        for begin in range(0, len(FILE), size):
            summed.add(FILE[begin : begin + size])
        assert summed.outcome() == "ok"


@pytest.mark.parametrize("place", range(0, len(FILE), 31))
def test_each_changed_byte_is_seen_by_the_checksum(place):
    changed = bytearray(FILE)
    changed[place] ^= 0x10
    summed = Sum()
    summed.add(bytes(changed))
    assert summed.outcome() == "wrong"


@pytest.mark.parametrize("size", range(0, len(FILE), 13))
def test_a_file_that_was_cut_is_damaged(size):
    with pytest.raises(BadRdb):
        count_keys(io.BytesIO(FILE[:size]))


def test_what_follows_the_end_is_damage():
    with pytest.raises(BadRdb, match="something follows its end"):
        count_keys(io.BytesIO(FILE + b"\0"))


def test_no_checksum_is_told_from_a_wrong_one():
    summed = Sum()
    summed.add(an_rdb(b"").getvalue())
    assert summed.outcome() == "off"
    short = Sum()
    short.add(b"REDIS")
    assert short.outcome() == "wrong"


KEY = b"\x01k"
VALUES = [
    ("old scores", b"\x03" + KEY + b"\x02\x01a\x031.5\x01b\xff"),
    (
        "module",
        b"\x07" + KEY + b"\x81" + bytes(8) + b"\x01\x05\x02\x06\x03" + bytes(4) + b"\x04" + bytes(8) + b"\x05\x01x\0",
    ),
    ("hash whose fields expire", b"\x18" + KEY + bytes(8) + b"\x02\x00\x01f\x01v\x05\x01g\x01w"),
    ("packed hash whose fields expire", b"\x19" + KEY + bytes(8) + b"\x03xyz"),
    ("packed set", b"\x14" + KEY + b"\x03xyz"),
    ("text of 14 bits", b"\x00" + KEY + b"\x41\x00" + bytes(256)),
    ("text of 32 bits", b"\x00" + KEY + b"\x80\x00\x00\x00\x02xy"),
    ("text that is packed", b"\x00" + KEY + b"\xc3\x02\x0a\x01\x01"),
    ("seldom used", b"\xf8\x07\x00" + KEY + b"\x01v"),
    ("often used", b"\xf9\x07\x00" + KEY + b"\x01v"),
    ("slot", b"\xf4\x01\x01\x00\x00" + KEY + b"\x01v"),
    ("what a module keeps beside", b"\xf7\x81" + bytes(8) + b"\x02\x01\x00\x00" + KEY + b"\x01v"),
    (
        "stream of Redis 7.2",
        b"\x15" + KEY + b"\x01\x01n\x01p" + b"\x01" * 8 + b"\x01\x01g\x01\x01\x01"
        b"\x01" + bytes(24) + b"\x01\x01\x01c" + bytes(16) + b"\x01" + bytes(16),
    ),
    ("stream of Redis 5", b"\x0f" + KEY + b"\x01\x01n\x01p\x01\x01\x01\x00"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body"), VALUES)
def test_values_of_other_releases_are_passed(what, body):
    assert count_keys(an_rdb(body)).databases == {"db0": 1}, what


@pytest.mark.parametrize("body", [b"\x16" + KEY + b"\x00", b"\x63" + KEY, b"\xf6\x00", b"\x07" + KEY + b"\x01\x09\x00"])
def test_what_a_newer_server_wrote_is_not_known_rather_than_damaged(body):
    with pytest.raises(UnknownRdb):
        count_keys(an_rdb(body))


@pytest.mark.parametrize("head", [b"", b"REDI", b"VALKE0011", b"REDIS00x1", b"PK\x03\x04 a zip"])
def test_another_file_is_none(head):
    with pytest.raises(BadRdb):
        count_keys(io.BytesIO(head))


# --- the protocol -----------------------------------------------------------------------------------------------------


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection with these answers, one for each request; yield the port and what was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            for answer in answers:
                asked.append(connection.recv(65536))
                connection.sendall(answer)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield listener.getsockname()[1], asked
        server.join(5)
    finally:
        listener.close()


def a_server(port: int, **more: Any) -> RedisServer:
    return server_of({"login_port": port, **more})


def test_a_login_sends_the_password_in_the_protocol_and_waits_for_pong():
    with answering(b"+OK\r\n", b"+PONG\r\n", b"$9\r\na:1\r\n# x\n\r\n") as (port, asked):
        server = a_server(port, login_user="backup", login_password="s3cret")
        with connected(server, choose_host(30)) as conversation:
            assert conversation.same_host
            assert information(conversation) == {"a": "1"}
    assert asked[0] == b"*3\r\n$4\r\nAUTH\r\n$6\r\nbackup\r\n$6\r\ns3cret\r\n"
    assert "s3cret" not in repr(server) + str(server)


REFUSALS = [
    (b"-NOAUTH Authentication required.\r\n", "NOAUTH"),
    (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
    (b"-DENIED Redis is running in protected mode\r\n", "DENIED"),
]


@pytest.mark.parametrize(("answer", "code"), REFUSALS)
def test_a_server_that_lets_nobody_in_is_told_in_its_own_words(answer, code):
    with (
        answering(answer) as (port, _asked),
        pytest.raises(RedisRefused, match=code),
        connected(a_server(port), choose_host(30)),
    ):
        pass


def test_a_wrong_password_is_told_without_it():
    # an old server, or one whose AUTH was renamed, repeats what it was given
    answers = (b"-ERR unknown command `AUTH`, with args beginning with: `s3cret`, \r\n",)
    with (
        answering(*answers) as (port, _asked),
        pytest.raises(RedisRefused) as refused,
        connected(a_server(port, login_password="s3cret"), choose_host(30)),
    ):
        pass
    assert "s3cret" not in str(refused.value) + refused.value.answer


def test_a_server_that_stopped_writes_has_let_us_in():
    with (
        answering(b"-MISCONF Redis is configured to save RDB snapshots\r\n") as (port, _asked),
        connected(a_server(port), choose_host(30)) as conversation,
    ):
        assert conversation.same_host


STRANGERS = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b"+PING\r\n",
    b"SSH-2.0-OpenSSH\r\n",
    b"",
    b"+PON",
    b"$99999999999\r\n",
    b"*99999999\r\n",
    b"*1\r\n" * 9,
    b"$5\r\nab",
    b":x\r\n",
]


@pytest.mark.parametrize("answer", STRANGERS)
def test_whatever_else_answers_there_is_no_redis(answer):
    with answering(answer) as (port, _asked), pytest.raises(ActionFailed), connected(a_server(port), choose_host(30)):
        pass


def test_where_nothing_listens_the_server_is_missing():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceMissing, match=f"port {port}"), connected(a_server(port), choose_host(30)):
        pass
    with (
        pytest.raises(SourceMissing, match=r"/nowhere/redis\.sock"),
        connected(a_server(0, login_unix_socket="/nowhere/redis.sock"), choose_host(30)),
    ):
        pass


# --- the save ---------------------------------------------------------------------------------------------------------


class Played:
    """A conversation with a server that errs as Redis does. ``script`` are the states that follow each other, one for
    each look: (in progress, status, moment of the last save).
    """

    def __init__(self, *script: tuple[int, str, int], refusals: tuple[str, ...] = (), clock: int = 2000) -> None:
        self.server, self.same_host = RedisServer("127.0.0.1", 6379, "", "", ""), True
        self.script, self.refusals, self.clock = list(script), list(refusals), clock
        self.settings = {"dir": "/var/lib/redis", "dbfilename": "dump.rdb"}
        self.asked: list[str] = []
        self.tells_clock = f"server_time_usec:{clock}000000\r\n"

    def ask(self, *words: str) -> Any:
        self.asked.append(words[0])
        if words[0] == "BGSAVE":
            if self.refusals:
                raise RedisRefused(self.server, "BGSAVE", self.refusals.pop(0))
            return "Background saving started"
        if words[0] == "TIME":
            return [str(self.clock), "0"]
        if words[:2] == ("CONFIG", "GET"):
            value = self.settings.get(words[2])
            return [words[2], value] if value is not None else []
        running, status, moment = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return (
            f"# Server\r\n{self.tells_clock}rdb_bgsave_in_progress:{running}\r\n"
            f"rdb_last_bgsave_status:{status}\r\nrdb_last_save_time:{moment}\r\n"
        )


def workshop(host: Any = None) -> Workshop:
    return Workshop(Path("/nowhere"), host or FakeHost(), Codec(COMPRESSIONS["none"], 0))


def test_a_save_is_awaited_until_it_is_a_new_one():
    played = Played((0, "ok", 1000), (1, "ok", 1000), (1, "ok", 1000), (0, "ok", 2001), (0, "ok", 2001))
    saved = save(played, 60, workshop())
    assert (saved.before, saved.at) == (1000, 2001)


def test_a_save_that_failed_is_no_save_though_an_old_one_is_there():
    played = Played((0, "ok", 1000), (1, "ok", 1000), (0, "err", 1000))
    with pytest.raises(ActionFailed, match="rdb_last_bgsave_status is err"):
        save(played, 60, workshop())


def test_an_old_save_is_never_taken_for_ours():
    host, played = FakeHost(), Played((0, "ok", 1000))  # nothing runs, the last one was fine, and stays the last one
    with pytest.raises(ActionFailed, match="tells of no save since"):
        save(played, 60, workshop(host))
    assert sum(host.paused) < 62


def test_a_save_that_runs_is_awaited_longer_than_another_one_is():
    host, played = FakeHost(), Played((0, "ok", 1000), *[(1, "ok", 1000)] * 300, (0, "ok", 2001))
    assert save(played, 5, workshop(host)).at == 2001
    assert sum(host.paused) > 100


BUSY = [
    "ERR Background save already in progress",
    "ERR Can't BGSAVE while AOF log rewriting is in progress",
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule",
]


@pytest.mark.parametrize("refusal", BUSY)
def test_a_server_at_work_is_waited_for(refusal):
    played = Played((0, "ok", 1000), (0, "ok", 1000), (0, "ok", 1000), (0, "ok", 2001), refusals=(refusal,))
    assert save(played, 60, workshop()).at == 2001
    assert played.asked.count("BGSAVE") == 2


def test_a_server_at_work_for_ever_is_not():
    host, played = FakeHost(), Played((1, "ok", 1000), refusals=(BUSY[0],) * 1000)
    with pytest.raises(ActionFailed, match=r"for 5 s .*already in progress"):
        save(played, 5, workshop(host))
    assert 5 < sum(host.paused) < 7


def test_another_refusal_is_told_at_once():
    refusal = "NOPERM this user has no permissions to run the 'bgsave' command"
    with pytest.raises(RedisRefused, match="NOPERM"):
        save(Played((0, "ok", 1000), refusals=(refusal,)), 60, workshop())


@pytest.mark.parametrize("microseconds", [2000000000, 2000999999, 2001000000, 2001050000])
def test_no_save_is_begun_in_the_second_of_the_last_one(microseconds):
    played = Played((0, "ok", 2000))
    played.tells_clock = f"server_time_usec:{microseconds}\r\n"
    with pytest.raises(ActionFailed, match="this very second"):
        save(played, 2, workshop())
    assert "BGSAVE" not in played.asked


def test_an_old_server_is_asked_for_its_clock():
    played = Played((0, "ok", 1000), (0, "ok", 2001))
    played.tells_clock = ""
    assert save(played, 60, workshop()).at == 2001
    assert "TIME" in played.asked


def test_a_server_that_does_not_tell_is_not_believed():
    played = Played((0, "ok", 1000))
    played.ask = lambda *_words: "server_time_usec:2000000000\r\n"
    with pytest.raises(ActionFailed, match="does not tell rdb_last_save_time"):
        save(played, 60, workshop())


def test_the_file_is_what_the_server_says_on_each_platform():
    played = Played((0, "ok", 1))
    assert file_of(played, None, "linux") == "/var/lib/redis/dump.rdb"
    assert file_of(played, "/srv/redis/dump.rdb", "linux") == "/srv/redis/dump.rdb"
    played.settings["dir"] = "C:\\Program Files\\Memurai"
    assert file_of(played, None, "windows") == "C:\\Program Files\\Memurai\\dump.rdb"


def test_a_server_elsewhere_is_told_clearly():
    played = Played((0, "ok", 1))
    played.same_host = False
    with pytest.raises(ActionFailed, match=r"another machine.*declare as path"):
        file_of(played, None, "linux")


def test_a_server_that_hides_its_settings_asks_for_a_path():
    played = Played((0, "ok", 1))
    played.settings = {}
    with pytest.raises(ActionFailed, match="declare the file it saves as path"):
        file_of(played, None, "linux")


def copied(summed: str = "ok", created: int = 2001, mtime_ns: int = 5) -> Copied:
    payload = Payload("redis/dump.rdb", "rdb", 9, "0" * 64)
    status = types.SimpleNamespace(st_ino=7, st_mtime_ns=mtime_ns, st_size=9)
    return Copied(payload, "0" * 64, summed, status, Keys(10, created, {"db0": 1}, 0, 9), "")


SAVED = Saved(2000, 2001, {})


def test_a_file_that_is_the_new_save_is_taken():
    require_new(copied(), (7, 4, 9), SAVED, "/dump.rdb", "Redis")
    require_new(copied("off"), None, SAVED, "/dump.rdb", "Redis")


@pytest.mark.parametrize(
    ("found", "former", "why"),
    [
        (copied(), (7, 5, 9), "did not change"),
        (copied(created=2000), (7, 4, 9), "did not change"),
        (copied("wrong"), (7, 4, 9), "is damaged"),
    ],
)
def test_a_file_that_is_not_is_refused(found, former, why):
    with pytest.raises(ActionFailed, match=why):
        require_new(found, former, SAVED, "/dump.rdb", "Redis")


# --- what is declared -------------------------------------------------------------------------------------------------


def test_a_redis_source_has_its_own_port_and_nothing_of_postgresql():
    source = settings(sources=[{"name": "redis", "type": "redis", "login_password": "s3cret"}]).sources[0]
    assert source.server["login_port"] == 6379
    assert source.declaration == {"type": "redis", "paths": [], "exclude": [], "login_port": 6379}
    assert "s3cret" not in repr(source)


def test_a_redis_source_is_one_file():
    with pytest.raises(InputError, match="one file"):
        settings(sources=[{"name": "redis", "type": "redis", "paths": ["/var/lib/redis/dump.rdb"]}])


def test_what_a_postgresql_source_is_declared_to_be_is_as_it_was():
    source = settings(sources=[{"name": "pg", "type": "postgresql"}]).sources[0]
    expected = {"type": "postgresql", "paths": [], "exclude": [], "database": "*", "login_port": 5432, "globals": True}
    assert source.declaration == expected
