# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SFTP with a server that is as unkind as servers may be; a real sshd is in tests/integration/backup."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies import wire as wires
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.declared import Copy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.place import Away, Sent
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.sftp import SftpFolder, command
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.wire import Parser, Wire
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import NoSpace
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.stage import Stage
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ActionFailed,
    SourceDenied,
    SourceMissing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

SERVER = Path(__file__).with_name("sftp_server.py")
LARGE = bytes(range(256)) * 700


@contextmanager
def server(mode: str) -> Iterator[SftpFolder]:
    stage = Stage([sys.executable, str(SERVER), mode], choose_host(60.0), fed=True, name="ssh")
    try:
        wire = Wire(stage, "vault port 22")
        try:
            yield SftpFolder("/there", wire)
        finally:
            wire.close()
    finally:
        stage.abandon()


def sent(content: bytes, rate: int = 0) -> Sent:
    return Sent(None, content, len(content), hashlib.sha256(content).hexdigest(), rate, lambda: None)


@pytest.mark.parametrize("mode", ["kind", "short"])
def test_a_file_is_read_whole_however_it_comes(mode):
    with server(mode) as there:
        assert b"".join(there.chunks("large")) == LARGE
        assert there.read("small") == b"hello"
        assert b"".join(there.chunks("large")) == LARGE, "what was asked ahead was taken for an answer to the next"


def test_a_file_is_written_and_what_comes_next_is_answered():
    with server("kind") as there:
        there.put("x.partial/file", sent(LARGE))
        assert b"".join(there.chunks("x.partial/file")) == LARGE


def test_a_full_disk_is_told_by_what_is_free_and_the_connection_goes_on():
    with server("full") as there:
        with pytest.raises(NoSpace, match="/there on the server was full"):
            there.put("x.partial/file", sent(LARGE))
        assert there.read("small") == b"hello"
        there.remove_file("x.partial/file")


def test_what_is_not_there_and_what_is_denied_are_told_apart():
    with server("kind") as there:
        with pytest.raises(SourceMissing):
            there.read("nothing")
        with pytest.raises(SourceDenied):
            there._wire.ask(wires.REMOVE, wires.STATUS, "/there/locked")


LOST = [
    ("garbage", "answered what is no SFTP"),
    ("version", "does not speak SFTP of version 3"),
    ("other", "answered another question"),
    ("gone", "cannot be reached|ended the connection"),
]


@pytest.mark.parametrize(("mode", "words"), LOST, ids=[case[0] for case in LOST])
def test_a_server_that_is_none_is_away(mode, words):
    with pytest.raises(Away, match=words), server(mode) as there:
        list(there.chunks("large"))


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(wires, "SILENCE", 0.5)
    begun = time.monotonic()
    with pytest.raises(Away, match="gave no answer"), server("silent"):
        pass
    assert time.monotonic() - begun < 20


def test_a_packet_that_ends_too_early_is_refused():
    with pytest.raises(ActionFailed, match="ends too early"):
        Parser(b"\0\0\0\x09abc").text()


def test_the_command_asks_nothing_and_takes_no_word_for_an_option():
    copy = Copy("v", "sftp", "/x", host="vault", port=2222, user="keeper", key_file='/a "b" %h', known_hosts_file="/k")
    words = command(copy)
    assert words[-4:] == ["-s", "--", "vault", "sftp"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "Port=2222", "User=keeper"} <= set(words)
    assert 'IdentityFile="/a \\"b\\" %%h"' in words


def test_what_is_sent_is_held_to_its_rate_and_its_checksum():
    begun = time.monotonic()
    assert b"".join(sent(b"x" * 30_000, rate=60_000).chunks()) == b"x" * 30_000
    assert time.monotonic() - begun > 0.4
    with pytest.raises(ActionFailed, match="is not what the manifest"):
        list(sent(b"x")._replace(sha256="0").chunks())
