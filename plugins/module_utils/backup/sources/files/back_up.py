# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a files source: one tar stream with its index, and what neither of them holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ....errors import SourceDenied, SourceMissing
from ....folders import NotEntered, Place
from ....host import Host
from ...declared import Source
from ...model import SourceCopy
from ...platforms import collect_attributes
from ...streams import writing
from ..model import Size, Workshop
from ..owners import names_of
from .archive import Archive
from .attributes import Noted, members_of, note
from .content import Found
from .parent import Comparison, compare_with
from .system import POSIX, SYSTEMS, System
from .walk import leaving_out, size_below, walk


def measure(source: Source, protected: frozenset[str], host: Host) -> int:
    """Return the bytes of all files of a source. Raise SourceMissing where one of its paths is not there."""
    system = SYSTEMS[host.platform]
    left_out, kept_out = leaving_out(source.exclude, system.matched), _native(protected, system)
    total = 0
    for path in real_paths(source.paths, system):
        with _resolved(path, system) as place:
            total += size_below(place, left_out, kept_out, system)
    return total


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Write a source's archive, its index and its attributes into the workshop's folder and return what was taken.

    Raise SourceMissing or SourceDenied where something of it cannot be read: half a source is none.
    """
    names = [f"{name}{workshop.codec.suffix}" for name in ("archive.tar", "index.jsonl", "attributes.jsonl")]
    paths, codec, host = [workshop.folder / name for name in names], workshop.codec, workshop.host
    compared, system = compare_with(source, workshop), SYSTEMS[host.platform]
    members = members_of(host.platform, compared.parent.attributes)
    with writing(paths[0], codec, host) as sink, writing(paths[1], codec, host) as index:
        archive = Archive(sink, index, workshop.pulse, members, system, compared.parent)
        _add_all(archive, source, workshop, system)
        archive.finish()
        written = [sink.close(), index.close()]
    noted = collect_attributes(members, host)
    with writing(paths[2], codec, host) as sink:
        note(noted, sink)
        written.append(sink.close())
    for kind, what in noted.not_kept:
        archive.note(kind, what)
    roles = ("archive", "index", "attributes")
    payloads = tuple(workshop.payload(name, role, done) for name, role, done in zip(names, roles, written))
    size = Size(archive.files, archive.bytes, archive.bytes)
    facts = {**_facts(source, noted), "owners": names_of(archive.owners.numbers), **_chain(compared, archive)}
    return workshop.entry(source, payloads, size, facts, archive.notes)


def _chain(compared: Comparison, archive: Archive) -> dict[str, Any]:
    if not compared.pieces:
        return {"whole_because": compared.why} if compared.why else {}
    chain = [
        {"set": piece.set_id, "compression": piece.compression, **piece.payload._asdict()} for piece in compared.pieces
    ]
    return {"chain": chain, "stored": {"count": archive.stored_files, "bytes": archive.stored_bytes}}


def _facts(source: Source, noted: Noted) -> dict[str, Any]:
    return {
        "paths": list(source.paths),
        "exclude": list(source.exclude),
        "attributes": {"noted": len(noted.rows), "missing": noted.missing, "why": noted.why},
    }


def _add_all(archive: Archive, source: Source, workshop: Workshop, system: System) -> None:
    left_out, protected = leaving_out(source.exclude, system.matched), _native(workshop.protected, system)
    for path in real_paths(source.paths, system):
        with _resolved(path, system) as place:
            for found in walk(place, left_out, protected, system, archive.note):
                archive.add(found)
    for path in sorted(set(map(system.native, source.paths))):
        _add_link(archive, path, system)


def _add_link(archive: Archive, path: str, system: System) -> None:
    """Add a link that was declared, beside what it leads to."""
    above, name = os.path.split(path.rstrip(os.sep))
    if not name:
        return
    with _resolved(above, system) as place:
        holder = place.holder if place.name == "." else place.holder.enter(place.name)
        try:
            kind = system.link_kind(holder.lstat(name))
            if kind:
                archive.add(Found(path, kind, holder, name))
        finally:
            if holder is not place.holder:
                holder.close()


@contextmanager
def _resolved(path: str, system: System) -> Iterator[Place]:
    """Yield where a path leads. Raise SourceDenied where it, or something below it, cannot be looked into."""
    try:
        with system.resolved(path) as place:
            yield place
    except NotEntered as reason:
        raise SourceDenied(system.shown(path), str(reason)) from reason
    except OSError as error:
        raise SourceDenied(system.shown(error.filename or path), system.reason(error)) from error


def _native(paths: Iterable[str], system: System) -> frozenset[str]:
    return frozenset(map(system.native, paths))


def real_paths(paths: Iterable[str], system: System = POSIX) -> list[str]:
    """Given declared paths, return where they lead, without those that lie below another, so that nothing comes twice.

    Raise SourceMissing where one is not there, SourceDenied where a link on its way is not to be followed.
    """
    chosen: list[str] = []
    for path in sorted({_real(path, system) for path in paths}):
        if not any(path.startswith(above.rstrip(os.sep) + os.sep) for above in chosen):
            chosen.append(path)
    return chosen


def _real(path: str, system: System) -> str:
    try:
        with _resolved(system.native(path), system) as place:
            return place.path
    except SourceDenied as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise SourceMissing(path) from error
        raise
