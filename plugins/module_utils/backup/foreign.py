# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that the application's own scripts made (``backup.sh``, ``backup.ps1``), read as a set is, and what they
lack.

Both have a folder with ``metadata.json``, ``config``, ``data``, perhaps ``logs``, and one database: a SQLite file that
was copied as it lay there, or one dump of PostgreSQL in custom format whose name ends with ``.sql``. The metadata of
the two have other keys, in another case; that of PowerShell may be UTF-16.

The archive is read twice. First whole, which finds what is in it and takes the checksum of each file; nothing is
written. Then for each source what belongs to it, and each file has to have the checksum that it had.
"""

# The archive is closed by its own context.
# pylint: disable=contextmanager-generator-missing-cleanup
from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..errors import ActionFailed
from ..host import Host
from ..printable import printable
from .errors import MemberRefused
from .foreign_members import DAMAGED, Opened, opened
from .model import Manifest, Notes, Payload, SourceCopy
from .sources.files.destination import TWICE, destination_in, write_all
from .sources.files.formats import BLOCK, FOLDER, HARDLINK, REGULAR, SYMLINK, BadTar
from .sources.files.headers import Header, exactly
from .sources.files.kept import Kept
from .sources.files.listed import COLUMNS, Selected
from .sources.files.unpack import Unpacking, require_room
from .sources.model import Bench
from .sources.postgresql.dump import as_list
from .stage import CHUNK

METADATA = "metadata.json"
METADATA_LIMIT = 1 << 20
_SQLITE, _DUMP, _SQL = b"SQLite format 3\0", b"PGDMP", b"--\n-- PostgreSQL database"
_HEAD = 32  # bytes by which a file's kind is known
_DUMPED = re.compile(r"Dumped by pg_dump version: (\d+)")
_DBNAME = re.compile(r"^;\s+dbname: (.+)$", re.M)
_KINDS = {REGULAR: "file", FOLDER: "folder", SYMLINK: "link", HARDLINK: "hardlink"}

ALWAYS = (
    "it has no checksums: nothing in it tells whether it is what was written",
    "it has no .env, and no file of a folder whose name begins with a dot",
    "it has no Redis, the only home of rotated API keys",
    "it has no units, crontabs, firewall rules or lists of packages",
    "owners, access control lists and extended attributes were lost when its files were copied",
)


class Member(NamedTuple):
    """What the first reading found of a member: its name below the archive's own folder, checksum and first bytes."""

    name: str
    header: Header
    sha256: str
    head: bytes


@dataclass
class Survey:
    """All that the first reading found. ``prefix`` is the archive's own folder, with a slash, or empty."""

    members: list[Member] = field(default_factory=list)
    prefix: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def survey(path: Path, pulse: Callable[[], object]) -> Survey:
    """Read an archive of the application whole, and write nothing. Raise ActionFailed where it is none."""
    found, texts = Survey(), dict[str, bytes]()
    names: dict[str, bool] = {}  # and whether it is a file
    last = ""
    with opened(path) as archive:
        try:
            for header in archive.members:
                last = header.name
                if header.name in names:
                    raise MemberRefused(header.name, TWICE)
                if header.kind == HARDLINK and not names.get(header.link):
                    raise MemberRefused(
                        header.name, f"it is another name of {header.link!r}, which is no file before it"
                    )
                names[header.name] = header.kind == REGULAR
                is_text = header.name.rpartition("/")[2] == METADATA and header.size <= METADATA_LIMIT
                sha256, head = _read(archive, header, METADATA_LIMIT if is_text else _HEAD, pulse)
                if is_text:
                    texts[header.name] = head
                found.members.append(Member(header.name, header, sha256, head[:_HEAD]))
        except (BadTar, *DAMAGED) as error:
            raise ActionFailed(f"{path} is damaged at or behind the member '{printable(last)}': {error}") from error
    own = min(texts, key=lambda name: name.count("/"), default="")
    if not own or own.count("/") > 1:
        raise ActionFailed(f"{path} is no backup of the application: it has no {METADATA}")
    found.prefix = own[: -len(METADATA)]
    found.metadata = _metadata(texts[own], path)
    inside = [one for one in found.members if one.name.startswith(found.prefix)]
    found.members = [one._replace(name=one.name[len(found.prefix) :]) for one in inside]
    return found


def _read(archive: Opened, header: Header, keep: int, pulse: Callable[[], object]) -> tuple[str, bytes]:
    """Read a member's content; return its checksum, and so many bytes of it."""
    if header.kind != REGULAR:
        return "", b""
    digest, head, left = hashlib.sha256(), b"", header.size
    while left > 0:
        chunk = exactly(archive.stream, min(left, CHUNK), "a file's content")
        digest.update(chunk)
        head = head if len(head) >= keep else (head + chunk)[:keep]
        left -= len(chunk)
        pulse()
    exactly(archive.stream, -header.size % BLOCK, "padding")
    return digest.hexdigest(), head


def _metadata(content: bytes, path: Path) -> dict[str, Any]:
    """Return the metadata with keys in one case: ``backupName`` and ``BackupName`` are ``backupname``."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        document = json.loads(content.decode("utf-16" if wide else "utf-8-sig"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ActionFailed(f"{path} has a {METADATA} that is no JSON object")
    return {str(key).casefold(): value for key, value in document.items()}


class ForeignReader:
    """Reads an archive of the application as a set; ``lacks`` says what it does not have.

    Raise ActionFailed where it is none, or a member of it is not to be unpacked.
    """

    def __init__(self, path: Path, scratch: Path, host: Host, heartbeat: Callable[[], object] = str) -> None:
        self._path, self._scratch, self._host, self._heartbeat = path, scratch, host, heartbeat
        self._identity = _identity(path)
        self._survey = survey(path, self._pulse)
        self._by_payload: dict[str, Member] = {}
        self.manifest = self._manifest()
        self.lacks = tuple(_lacks(self._survey, self.manifest))

    def _pulse(self) -> None:
        self._host.remaining()
        self._heartbeat()

    def _manifest(self) -> Manifest:
        """Return what the archive says of itself, and what was found in it, as a set would say it."""
        sources = [*self._files(), *self._databases()]
        if not sources:
            raise ActionFailed(f"{self._path} has no files and no database beside its {METADATA}")
        said = self._survey.metadata
        created = _moment(str(said.get("timestamp", ""))) or self._path.stat().st_mtime
        system = said.get("system")
        return Manifest(
            id=f"foreign-{hashlib.sha256(repr(self._identity).encode()).hexdigest()[:12]}",
            host=_text(system, "hostname", "computername"),
            platform=_platform(system, self._path),
            label="foreign",
            name=str(said.get("backupname", "")),
            reason="made by the application's own script",
            requested_by="",
            created=created,
            seconds=0.0,
            pin_until=None,
            sources=tuple(sources),
            skipped={},
            anomalies=(),
            tools={"script": str(said.get("version", ""))},
        )

    def _files(self) -> Iterator[SourceCopy]:
        """Yield a source of files for each folder of the archive. What is a database is one of its own."""
        by_folder: dict[str, list[Member]] = {}
        for one in self._survey.members:
            folder, slash, _rest = one.name.partition("/")
            if (slash or one.header.kind == FOLDER) and folder not in ("", ".") and not _is_database(one):
                by_folder.setdefault(folder, []).append(one)
        for folder, members in by_folder.items():
            files = [one for one in members if one.header.kind == REGULAR]
            size = sum(one.header.size for one in files)
            payloads = (Payload(f"{folder}/index", "index", 0, ""),)
            yield SourceCopy(folder, "files", "none", payloads, len(files), size, size, {"paths": [folder]})

    def _databases(self) -> Iterator[SourceCopy]:
        for number, one in enumerate(filter(_is_database, self._survey.members)):
            sqlite = one.head.startswith(_SQLITE)
            name = f"{'sqlite' if sqlite else 'postgresql'}{number or ''}"
            role = "database" if sqlite else "dump"
            payload = Payload(f"{name}/{role}", role, one.header.size, one.sha256)
            self._by_payload[payload.name] = one
            size, facts = one.header.size, {"path": one.name, "size": one.header.size, "sha256": one.sha256}
            if not sqlite:
                facts = self._dump_facts(payload.name)
            yield SourceCopy(name, "sqlite" if sqlite else "postgresql", "none", (payload,), 0, size, size, facts)

    def _dump_facts(self, name: str) -> dict[str, Any]:
        """Return what a dump's table of contents tells."""
        with self.payload(name) as path:
            listing = as_list(path, "none", "", self._host)
        made_by, database = _DUMPED.search(listing), _DBNAME.search(listing)
        known = {"payload": name, "rows": {}, "objects": 0}
        return {
            "path": self._by_payload[name].name,
            "databases": {database[1] if database else "unknown": known},
            "pg_dump": int(made_by[1]) if made_by else 0,
            "bin_dir": "",
        }

    @contextmanager
    def payload(self, name: str) -> Iterator[Path]:
        """Yield a file that has the content of a database, or the index of a folder, and is gone afterwards."""
        descriptor, text = tempfile.mkstemp(prefix="cryptobot-", dir=self._scratch)
        path = Path(text)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                if name in self._by_payload:
                    self._copy(self._by_payload[name], stream.fileno())
                else:
                    stream.write(self._index(name.partition("/")[0]))
            yield path
        finally:
            path.unlink()

    def _index(self, folder: str) -> bytes:
        """Return the index of a folder, as one of ours would be."""
        rows = [_row(one, self._link_of(one.header)) for one in self._members_of(folder)]
        return "".join(json.dumps(row) + "\n" for row in (COLUMNS, *rows)).encode("ascii")

    def _members_of(self, folder: str) -> list[Member]:
        inside = [one for one in self._survey.members if f"{one.name}/".startswith(f"{folder}/")]
        return [one for one in inside if not _is_database(one)]

    def _link_of(self, header: Header) -> str:
        if header.kind not in (SYMLINK, HARDLINK):
            return ""
        return header.link[len(self._survey.prefix) :] if header.kind == HARDLINK else header.link

    def _copy(self, wanted: Member, descriptor: int) -> None:
        """Write the content of one member. Raise ActionFailed where it is another than at the first reading."""
        require_room(wanted.header.size, self._scratch)
        with self._again() as archive:
            for header in archive.members:
                if header.name != wanted.header.name or header.kind != REGULAR:
                    _read(archive, header, 0, self._pulse)
                    continue
                left, digest = header.size, hashlib.sha256()
                while left > 0:
                    chunk = exactly(archive.stream, min(left, CHUNK), "a file's content")
                    digest.update(chunk)
                    left -= len(chunk)
                    write_all(descriptor, chunk)
                    self._pulse()
                exactly(archive.stream, -header.size % BLOCK, "padding")
                if digest.hexdigest() != wanted.sha256:
                    raise ActionFailed(f"{self._path} was changed while it was read: nothing that came of it counts")

    @contextmanager
    def _again(self) -> Iterator[Opened]:
        """Open the archive once more. Raise ActionFailed where it is not the one that was read first."""
        if _identity(self._path) != self._identity:
            raise ActionFailed(f"{self._path} was changed while it was read: nothing that came of it counts")
        with opened(self._path) as archive:
            yield archive

    def tree(self, entry: SourceCopy, into: Path, bench: Bench) -> Notes:
        """Write a folder of the archive below an empty one, under its own name; return what could not be kept."""
        notes, prefix = Notes(), self._survey.prefix
        known = {one.header.name: one for one in self._members_of(entry.name)}
        require_room(entry.raw_bytes, into)
        with destination_in(into, notes) as destination, self._again() as archive:
            selected = Selected(bench.selection.paths)
            unpacking = Unpacking(destination, archive.stream, Kept({}), selected, bench)
            for header in archive.members:
                one = known.get(header.name)
                if one is None:
                    unpacking.skip(header)
                    continue
                if header.kind == HARDLINK and not header.link.startswith(prefix + entry.name + "/"):
                    raise ActionFailed(f"{header.name!r} is another name of what lies in another folder")
                header = header._replace(name=one.name, link=self._link_of(header))  # noqa: PLW2901 - below ours
                unpacking.add(header, one.sha256 if header.kind == REGULAR else None)
            unpacking.finish()
        return notes


def _row(one: Member, link: str) -> tuple[Any, ...]:
    header = one.header
    numbers = (header.mode, header.uid, header.gid, header.mtime_ns)
    return (one.name, _KINDS[header.kind], header.size, one.sha256, *numbers, link)


def _identity(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_database(one: Member) -> bool:
    return one.head.startswith((_SQLITE, _DUMP))


def _text(system: Any, *keys: str) -> str:
    """Return the first of some keys of the metadata's part about the system, in whatever case they are."""
    known = {str(key).casefold(): str(value) for key, value in system.items()} if isinstance(system, Mapping) else {}
    return next((known[key] for key in keys if known.get(key)), "")


def _platform(system: Any, path: Path) -> str:
    words = _text(system, "os", "osversion", "platform").casefold()
    if "darwin" in words or "macos" in words:
        return "darwin"
    return "windows" if "windows" in words or path.name.lower().endswith(".zip") else "linux"


def _moment(text: str) -> Optional[float]:
    """Given the moment of the metadata, which has no zone and is taken for this host's, return it."""
    digits = re.sub(r"\D", "", text)[:14]
    try:
        return time.mktime(time.strptime(digits, "%Y%m%d%H%M%S"))
    except (ValueError, OverflowError):
        return None


def _lacks(found: Survey, manifest: Manifest) -> Iterator[str]:
    """Yield what an archive of the application does not have, for whoever is about to rely on it."""
    yield from ALWAYS
    names = {entry.name for entry in manifest.sources}
    kinds = {entry.type for entry in manifest.sources}
    yield from (f"it has no {folder}/" for folder in ("config", "data") if folder not in names)
    if "logs" not in names:
        yield "it has no logs"
    if kinds <= {"files"}:
        plain = [one.name for one in found.members if one.head.startswith(_SQL)]
        yield f"its database is SQL as text, {plain[0]}: psql has to read it" if plain else "it has no database"
    if "sqlite" in kinds:
        yield "its SQLite file was copied without its -wal, perhaps while it was written to: only a look tells whether"
        yield "it does not say how many rows the tables had"
    if "postgresql" in kinds:
        yield "it has one database of PostgreSQL alone, the one that the script was told of"
        yield "it has no roles: those that own the tables have to be there"
        yield "it does not say how many rows the tables had"
    loose = [one.name for one in found.members if "/" not in one.name and one.header.kind == REGULAR]
    unread = [name for name in loose if name != METADATA and name not in map(_path_of, manifest.sources)]
    if unread:
        yield f"what lies beside its folders is not read: {', '.join(sorted(unread))}"
    yield "its moment has no time zone"


def _path_of(entry: SourceCopy) -> str:
    return str(entry.facts.get("path", ""))
