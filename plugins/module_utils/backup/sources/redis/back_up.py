# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a Redis source: the file that the server saves because we asked, copied and never moved.

The append-only file (AOF) is not taken. The save holds the same, and of a server that keeps one it is what the way back
begins with: such a server is started without it (``appendonly no``), loads the file, and makes its AOF anew; started
with it, it would ignore the file and be empty.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional

from ....errors import ActionFailed, SourceDenied, SourceMissing
from ....folders import NotEntered
from ....host import Host
from ...declared import Source
from ...model import Notes, Payload, SourceCopy
from ...stage import CHUNK
from ...streams import writing
from ..files.system import SYSTEMS
from ..model import Size, Workshop
from ..owners import owner_facts
from .client import Conversation, connected, information, server_of
from .rdb import BadRdb, Keys, Sum, UnknownRdb, count_keys
from .save import Saved, file_of, save


class Copied(NamedTuple):
    """The file as it was copied: ``summed`` is the outcome of its own checksum."""

    payload: Payload
    sha256: str
    summed: str
    status: os.stat_result
    keys: Optional[Keys]
    unknown: str


def measure(source: Source, _protected: frozenset[str], host: Host) -> int:
    """Return what the server's data takes, in bytes of its memory: the file is smaller.

    Raise CoreError where the server does not answer, does not let us in, or saves where we cannot read.
    """
    with connected(server_of(source.server), host) as conversation:
        path = file_of(conversation, _declared(source), host.platform)
        info = information(conversation)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise SourceMissing(f"{folder}, the folder that {conversation.server} saves into,")
    known = next((info[name] for name in ("used_memory_dataset", "used_memory") if info.get(name, "").isdigit()), "0")
    return int(known)


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Have the server save, copy the file, and return what was taken.

    Raise ActionFailed where the server cannot save, the file is not the one it just saved, or it is damaged.
    """
    with connected(server_of(source.server), workshop.host) as conversation:
        path = file_of(conversation, _declared(source), workshop.host.platform)
        former = _identity(path)
        saved = save(conversation, source.lock_wait, workshop)
        aof = _aof(conversation, saved)
        server = str(conversation.server)
    copied = _copy(path, workshop)
    require_new(copied, former, saved, path, server)
    rows = copied.keys.databases if copied.keys else _info_keys(saved)
    facts = {
        "path": path,
        "size": copied.status.st_size,
        "sha256": copied.sha256,
        "crc64": copied.summed,
        "rows": rows,
        "counted": "file" if copied.keys else f"server: {copied.unknown}",
        "expiring": copied.keys.expiring if copied.keys else None,
        "redis_version": saved.info.get("redis_version", ""),
        "role": saved.info.get("role", ""),
        "saved_at": saved.at,
        **aof,
        **_attributes(copied.status),
    }
    lasting = copied.keys.lasting_bytes if copied.keys else copied.status.st_size
    return workshop.entry(
        source, (copied.payload,), Size(sum(rows.values()), copied.status.st_size, lasting), facts, Notes()
    )


def _declared(source: Source) -> Optional[str]:
    return source.paths[0] if source.paths else None


def _aof(conversation: Conversation, saved: Saved) -> dict[str, Any]:
    """Return whether the server keeps an append-only file beside: who restores has to know."""
    return {"appendonly": saved.info.get("aof_enabled") == "1", "server": str(conversation.server)}


def _attributes(status: os.stat_result) -> dict[str, Any]:
    return {
        "mode": status.st_mode & 0o7777,
        **owner_facts(status),
        "mtime_ns": status.st_mtime_ns,
    }


def _identity(path: str) -> Optional[tuple[int, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _state_of(status)


def _state_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def require_new(copied: Copied, former: Optional[tuple[int, int, int]], saved: Saved, path: str, server: str) -> None:
    """Raise ActionFailed where the file is not what the server just saved, but another's, or one of before."""
    created = copied.keys.created if copied.keys else None
    if _state_of(copied.status) == former or (created is not None and created <= saved.before):
        raise ActionFailed(
            f"{path} is not what {server} just saved: it did not change. Does the server run in a container or on "
            "another machine? Then declare as path where its file is seen here"
        )
    if copied.summed == "wrong":
        raise ActionFailed(f"{path} is damaged: it has another checksum (CRC64) than {server} wrote into it")


def _info_keys(saved: Saved) -> dict[str, int]:
    """Return the keys by database as INFO tells them: ``db0:keys=13,expires=1,avg_ttl=0``."""
    rows = {}
    for name, value in saved.info.items():
        count = value.split(",", 1)[0]
        if name.startswith("db") and name[2:].isdigit() and count.startswith("keys="):
            rows[name] = int(count[5:])
    return rows


def _copy(path: str, workshop: Workshop) -> Copied:
    """Copy the file as it is now; a later save takes its name, and not what is open."""
    packed = workshop.folder / f"dump.rdb{workshop.codec.suffix}"
    with _opened(path, workshop.host) as descriptor, writing(packed, workshop.codec, workshop.host) as sink:
        digest, summed = hashlib.sha256(), Sum()
        while chunk := os.read(descriptor, CHUNK):
            digest.update(chunk)
            summed.add(chunk)
            sink.write(chunk)
            workshop.pulse()
        payload = workshop.payload(packed.name, "rdb", sink.close())
        keys, unknown = _keys(descriptor, path)
        return Copied(payload, digest.hexdigest(), summed.outcome(), os.fstat(descriptor), keys, unknown)


def _keys(descriptor: int, path: str) -> tuple[Optional[Keys], str]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=CHUNK, closefd=False) as stream:
        try:
            return count_keys(stream), ""
        except UnknownRdb as unknown:
            return None, str(unknown)
        except BadRdb as bad:
            raise ActionFailed(f"{path} is damaged: {bad}") from bad


@contextmanager
def _opened(path: str, host: Host) -> Iterator[int]:
    system = SYSTEMS[host.platform]
    try:
        with system.resolved(system.native(path)) as place:
            descriptor = place.holder.open_file(place.name)
    except NotEntered as reason:
        raise SourceDenied(path, str(reason)) from reason
    except FileNotFoundError as error:
        raise SourceMissing(f"{path}, the file that the server saves,") from error
    except OSError as error:
        raise SourceDenied(path, system.reason(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceDenied(path, "it is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)
