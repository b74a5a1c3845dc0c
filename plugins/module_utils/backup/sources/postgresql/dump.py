# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running pg_dump and pg_dumpall into a file of the set, and reading a dump's table of contents back."""

from __future__ import annotations

import os
import re
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ....errors import ToolFailed, ToolMissing
from ....host import Host
from ...errors import CannotJudge
from ...model import Payload, SourceCopy
from ...names import is_device
from ...stage import CHUNK, Stage
from ...streams import Written, reading, writing
from ..model import Bench, Workshop
from .parse import Contents, parse_contents
from .server import Command, Server, program_of

_CAPITAL = re.compile(r"(?<!%)(?<!%[0-9A-F])[A-Z]")  # but for those of a percent-encoding


def pour(command: Command, path: Path, workshop: Workshop) -> tuple[int, Written]:
    """Given a command, store what it prints; return how many bytes that were, and what came of them.

    Raise ToolFailed where the command or the compressor behind it ends with another exit code than 0.
    """
    stage = Stage(command.argv, workshop.host, env=command.environment, name=command.tool)
    try:
        with writing(path, workshop.codec, workshop.host) as sink:
            raw = 0
            while chunk := stage.give.read(CHUNK):
                sink.write(chunk)
                raw += len(chunk)
                workshop.pulse()
            stage.finish()
            return raw, sink.close()
    finally:
        stage.abandon()


def dump_command(server: Server, host: Host, database: str, snapshot: str) -> Command:
    """Return the command that dumps a database. It does not compress: the set's own compressor is faster and better."""
    return server.command(
        host,
        "pg_dump",
        "--format=custom",
        "--compress=0",
        "--no-password",
        f"--lock-wait-timeout={int(server.lock_wait * 1000)}",
        f"--snapshot={snapshot}",
        database=database,
    )


def globals_command(server: Server, host: Host, *, role_passwords: bool) -> Command:
    """Return the command that dumps roles, tablespaces and their settings."""
    words = ["--globals-only", "--no-password"] + ([] if role_passwords else ["--no-role-passwords"])
    return server.command(host, "pg_dumpall", *words)


def file_name(database: str, suffix: str) -> str:
    """Return the file name of a database's dump: the same on every system, and another for each database.

    Characters that a file name cannot have are percent-encoded. So are capitals, because where case does not count
    two databases could want one file, and the first letter of what Windows takes for a device.
    """
    stem = _CAPITAL.sub(_encoded, quote(database, safe="")).replace(".", "%2E")
    if is_device(stem):
        stem = f"%{ord(stem[0]):02X}{stem[1:]}"
    return f"{stem}.dump{suffix}"


def _encoded(capital: re.Match[str]) -> str:
    return f"%{ord(capital.group()):02X}"


def contents(path: Path, compression: str, bin_dir: str, host: Host) -> Contents:
    """Given a dump, return its table of contents, which stands at its beginning.

    Raise ToolFailed where pg_restore cannot read it, CannotJudge where there is no pg_restore.
    """
    return parse_contents(as_list(path, compression, bin_dir, host), path.name)


def as_list(path: Path, compression: str, bin_dir: str, host: Host) -> str:
    """Given a dump, return its table of contents as pg_restore prints it, with what is the database's as a whole
    (who may connect, comments), which it lists for ``--create`` alone. Raise as ``contents``.
    """
    return _restore(path, compression, bin_dir, host, "--list", "--create").decode("utf-8", "replace")


def as_sql(path: Path, compression: str, bin_dir: str, host: Host, entries: str) -> str:
    """Given a dump and lines of its table of contents, return the SQL that makes those. Raise as ``contents``."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as chosen:
        chosen.write(entries)
        chosen.flush()
        words = ("--create", f"--use-list={chosen.name}", "--file=-")
        return _restore(path, compression, bin_dir, host, *words).decode("utf-8", "replace")


def read_through(path: Path, compression: str, bin_dir: str, host: Host) -> None:
    """Have pg_restore read a dump to its last byte, turning it into SQL that nobody keeps. Raise as ``contents``."""
    _restore(path, compression, bin_dir, host, f"--file={os.devnull}")


class _Enough(Exception):
    """The program has ended and takes no more bytes; its exit code says whether it was content."""


def _restore(path: Path, compression: str, bin_dir: str, host: Host, *words: str) -> bytes:
    """Given a dump, feed it to pg_restore as far as that reads, and return what it prints."""
    program = program_of("pg_restore", bin_dir, host)
    if not os.path.exists(program):  # the set was made elsewhere, where the tools have another folder
        program = program_of("pg_restore", "", host)
    with tempfile.TemporaryFile() as printed:  # a file, because nobody reads a pipe while we feed another
        try:
            stage = Stage([program, *words], host, fed=True, output=printed)
        except ToolMissing as error:
            raise CannotJudge(f"{path.name} cannot be looked into: {error}") from error
        try:
            feed(path, compression, host, stage)
            stage.finish()
        finally:
            stage.abandon()
        printed.seek(0)
        return printed.read()


def _unwatched(_size: int) -> None:
    pass


def feed(path: Path, compression: str, host: Host, stage: Stage, watch: Callable[[int], object] = _unwatched) -> None:
    """Given a dump, feed it to a process as far as that reads; ``watch`` hears how many bytes each portion has."""
    try:
        with reading(path, compression, host) as stream:
            while chunk := stream.read(CHUNK):
                watch(len(chunk))
                _hand_over(chunk, stage)
            _hand_over(b"", stage)
    except _Enough:
        pass


def _hand_over(chunk: bytes, stage: Stage) -> None:
    """Pass bytes on; none of them mean that there are no more."""
    try:
        if chunk:
            stage.put(chunk)
        else:
            stage.end_input()
    except BrokenPipeError:
        raise _Enough from None


END_MARK = b"-- PostgreSQL database cluster dump complete"
LAST_LINES = 10  # pg_dumpall ends with its mark and an empty comment


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a PostgreSQL source of a set, return what does not hold of its dumps.

    Raise Unreadable where one cannot be unpacked, CannotJudge where there is no pg_restore.
    """
    objects = {one["payload"]: int(one["objects"]) for one in entry.facts["databases"].values()}
    wrong = []
    for payload in entry.payloads:
        reason = _globals(payload, entry, bench) if payload.role == "globals" else _dump(payload, objects, entry, bench)
        wrong += [f"{payload.name}: {reason}"] if reason else []
    return wrong


def _dump(payload: Payload, objects: dict[str, int], entry: SourceCopy, bench: Bench) -> str:
    path, bin_dir = bench.folder / payload.name, str(entry.facts["bin_dir"])
    try:
        found = contents(path, entry.compression, bin_dir, bench.host)
        read_through(path, entry.compression, bin_dir, bench.host)
    except ToolFailed as error:
        return str(error)
    expected = objects.get(payload.name)
    return "" if found.entries == expected else f"it lists {found.entries} objects, the manifest says {expected}"


def _globals(payload: Payload, entry: SourceCopy, bench: Bench) -> str:
    with reading(bench.folder / payload.name, entry.compression, bench.host) as stream:
        last = deque((line.strip() for line in stream), LAST_LINES)
    return "" if END_MARK in last else "it ends before pg_dumpall's end mark"
