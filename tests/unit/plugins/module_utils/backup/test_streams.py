# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes into a compressed file and back: whatever goes wrong on the way is an error, and nothing waits for ever."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import (
    CannotJudge,
    NoSpace,
    Unreadable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.stage import Stage, telling_line
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.streams import (
    COMPRESSIONS,
    Codec,
    choose_codec,
    open_sink,
    reading,
    writing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    InputError,
    ToolFailed,
    ToolMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

CONTENT = b"".join(
    hashlib.sha256(str(number).encode()).digest() * 8 for number in range(9000)
)  # 2.3 MB, not repetitive
NAMES = sorted(COMPRESSIONS)


def codec(name: str) -> Codec:
    tool = COMPRESSIONS[name].tool
    if tool and not shutil.which(tool):
        pytest.skip(f"{tool} is not installed on this machine")
    return Codec(COMPRESSIONS[name], COMPRESSIONS[name].level)


def packed(path: Path, name: str, content: bytes = CONTENT):
    with writing(path, codec(name), choose_host(60.0)) as sink:
        for start in range(0, len(content), 700_000):
            sink.write(content[start : start + 700_000])
        return sink.close()


def unpacked(path: Path, name: str) -> bytes:
    with reading(path, name, choose_host(60.0)) as stream:
        return stream.read()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["nothing", "a byte", "megabytes"])
def test_what_is_written_comes_back(tmp_path, name, content):
    written = packed(tmp_path / "f", name, content)
    on_disk = (tmp_path / "f").read_bytes()
    assert (written.size, written.sha256) == (len(on_disk), hashlib.sha256(on_disk).hexdigest())
    assert unpacked(tmp_path / "f", name) == content


def test_only_the_owner_may_read_what_is_written_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        packed(tmp_path / "f", "none")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "f").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        open_sink(tmp_path / "f", codec("none"), choose_host())
    assert (tmp_path / "f").read_bytes() == b"precious"


def test_other_programs_read_what_the_library_wrote(tmp_path):
    packed(tmp_path / "f", "gzip")
    assert gzip.decompress((tmp_path / "f").read_bytes()) == CONTENT
    packed(tmp_path / "x.xz", "lzma")
    assert subprocess.run(["xz", "-dc", tmp_path / "x.xz"], capture_output=True, check=True).stdout == CONTENT


@pytest.mark.parametrize("name", ["zstd", "gzip", "lzma"])
@pytest.mark.parametrize("cut", [0, 1, 3, 11, 100_000, -8, -1])
def test_a_file_that_was_cut_is_unreadable(tmp_path, name, cut):
    packed(tmp_path / "f", name)
    os.truncate(tmp_path / "f", cut if cut >= 0 else (tmp_path / "f").stat().st_size + cut)
    if cut == 0 and name == "gzip":
        assert unpacked(tmp_path / "f", name) == b""  # to gzip an empty file is one of no members: L0 sees its size
    else:
        with pytest.raises(Unreadable):
            unpacked(tmp_path / "f", name)


@pytest.mark.parametrize("name", ["zstd", "gzip", "lzma"])
@pytest.mark.parametrize("position", [1, 50_000, -2])
def test_a_damaged_byte_makes_a_file_unreadable(tmp_path, name, position):
    packed(tmp_path / "f", name)
    content = bytearray((tmp_path / "f").read_bytes())
    content[position] ^= 0xFF
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(Unreadable):
        unpacked(tmp_path / "f", name)


def test_an_error_behind_what_the_reader_wanted_is_seen_too(tmp_path):
    packed(tmp_path / "f", "gzip")
    os.truncate(tmp_path / "f", (tmp_path / "f").stat().st_size - 4)
    with pytest.raises(Unreadable), reading(tmp_path / "f", "gzip", choose_host()) as stream:
        assert stream.read(10) == CONTENT[:10]


def test_without_the_program_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotJudge, match="'zstd' was not found"), reading(tmp_path / "f", "zstd", choose_host()):
        pass


def test_a_compression_of_a_later_version_is_not_guessed_at(tmp_path):
    with pytest.raises(CannotJudge, match="'brotli'"), reading(tmp_path / "f", "brotli", choose_host()):
        pass


CHOICES = [("auto", True, "zstd"), ("auto", False, "gzip"), ("gzip", True, "gzip"), ("none", True, "none")]


@pytest.mark.parametrize(("wanted", "has_zstd", "expected"), CHOICES)
def test_the_choice_of_compression(wanted, has_zstd, expected):
    host = FakeHost(commands={"zstd": ""} if has_zstd else {})
    assert choose_codec(wanted, None, 0, host).compression.name == expected


def test_a_compression_that_was_asked_for_and_is_not_there_is_an_error():
    with pytest.raises(ToolMissing, match="zstd"):
        choose_codec("zstd", None, 0, FakeHost())


@pytest.mark.parametrize(("wanted", "level"), [("gzip", 10), ("gzip", 0), ("zstd", 20), ("none", 1), ("lzma", -1)])
def test_a_level_that_there_is_not_is_an_error(wanted, level):
    with pytest.raises(InputError, match="compression_level"):
        choose_codec(wanted, level, 0, FakeHost(commands={"zstd": ""}))


def fake_tool(folder: Path, name: str, script: str, monkeypatch) -> None:
    """Put a program of our own first on the PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


BROKEN_COMPRESSORS = [
    ("ends at once with an error", "echo 'no memory' >&2; exit 1", "no memory"),
    ("reads all, then fails", "cat >/dev/null; echo 'write error' >&2; exit 1", "write error"),
    ("writes all, then fails", "cat; exit 3", "exit code 3"),
    ("is killed", "kill -9 $$", "exit code -9"),
    ("ends too early, content with itself", "head -c 10; exit 0", "before its input did"),
]


@pytest.mark.parametrize(("why", "script", "message"), BROKEN_COMPRESSORS, ids=[case[0] for case in BROKEN_COMPRESSORS])
def test_a_compressor_that_fails_fails_the_file(tmp_path, monkeypatch, why, script, message):
    fake_tool(tmp_path, "zstd", script, monkeypatch)
    with pytest.raises(ToolFailed, match=message):
        packed(tmp_path / "f", "zstd", CONTENT * 2)


def write_megabytes(sink, count: int) -> None:
    for _unused in range(count):
        sink.write(os.urandom(1 << 20))


def test_a_full_disk_is_named(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (tmp_path / "f").symlink_to("/dev/full")
    for name in ("none", "gzip"):
        sink = open_sink(tmp_path / "g", codec(name), choose_host())
        os.unlink(tmp_path / "g")
        os.dup2(os.open("/dev/full", os.O_WRONLY), sink._file._stream.fileno())
        with pytest.raises(NoSpace, match="the disk was full"):
            write_megabytes(sink, 9)
        sink.abandon()


def test_a_full_disk_ends_the_compressor_too(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    sink = open_sink(tmp_path / "g", codec("zstd"), choose_host())
    os.dup2(os.open("/dev/full", os.O_WRONLY), sink._file._stream.fileno())
    with pytest.raises(NoSpace, match="the disk was full"):
        write_megabytes(sink, 64)
    sink.abandon()
    assert sink._stage._process.poll() is not None


def test_a_sink_that_is_abandoned_leaves_no_process(tmp_path):
    sinks = []

    def fail() -> None:
        with writing(tmp_path / "f", codec("zstd"), choose_host()) as sink:
            sinks.append(sink)
            sink.write(b"x")
            raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        fail()
    assert sinks[0]._stage._process.poll() is not None


def test_a_process_ends_with_the_time_of_the_run():
    begun = time.monotonic()
    stage = Stage(["sleep", "60"], choose_host(0.3))
    assert stage.give.read() == b""
    with pytest.raises(ToolTimeout, match="'sleep'"):
        stage.finish()
    assert time.monotonic() - begun < 10


def test_the_last_words_of_a_process_are_its_error():
    stage = Stage(["sh", "-c", "echo first >&2; echo 'relation is gone' >&2; exit 4"], choose_host())
    with pytest.raises(ToolFailed, match="exit code 4: relation is gone"):
        stage.finish()


WORDS = [
    ("", ""),
    ("one\ntwo\n", "two"),
    ("pg_dump: error: ERROR:  timeout\npg_dump: detail: Query was: LOCK", "pg_dump: error: ERROR:  timeout"),
    ("psql:<stdin>:3: ERROR:  no table\nLINE 1: SELECT\n        ^", "psql:<stdin>:3: ERROR:  no table"),
]


@pytest.mark.parametrize(("words", "line"), WORDS)
def test_the_line_that_names_the_error_is_told(words, line):
    assert telling_line(words) == line


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(ToolMissing, match="no-such-program"):
        Stage(["no-such-program"], choose_host())


class Pipe:
    """The pipe into a program that has ended, as a system says so."""

    def __init__(self, code: int) -> None:
        self.code = code

    def write(self, *_unused: bytes) -> None:
        raise OSError(self.code, os.strerror(self.code))

    flush = close = write


@pytest.mark.parametrize("code", [errno.EPIPE, errno.EINVAL], ids=["posix", "windows"])
def test_a_program_that_takes_no_more_is_one_error_on_every_system(monkeypatch, code):
    monkeypatch.setattr(Stage, "feed", Pipe(code))
    stage = Stage(["true"], choose_host())
    for hand_over in (lambda: stage.put(b"x"), stage.flush, stage.end_input):
        with pytest.raises(BrokenPipeError):
            hand_over()
    stage.abandon()


def test_another_error_of_a_pipe_stays_what_it_is(monkeypatch):
    monkeypatch.setattr(Stage, "feed", Pipe(errno.EIO))
    stage = Stage(["true"], choose_host())
    with pytest.raises(OSError, match="Input/output error"):
        stage.put(b"x")
    stage.abandon()
