# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a files source: one tar stream with its index."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ....errors import SourceDenied, SourceMissing
from ....host import Host
from ...streams.sink import writing
from ..records import Source, Taken, Workshop
from .archive import Archive
from .walk import LINK, leaving_out, size_below, walk


def measure(source: Source, protected: frozenset[str], _host: Host) -> int:
    """Return the bytes of all files of a source. Raise SourceMissing where one of its paths is not there."""
    left_out = leaving_out(source.exclude)
    return sum(size_below(path, left_out, protected) for path in real_paths(source.paths))


def take(source: Source, workshop: Workshop) -> Taken:
    """Write a source's archive and index into the workshop's folder and return what was taken.

    Raise SourceMissing or SourceDenied where something of it cannot be read: half a source is none.
    """
    names = (f"archive.tar{workshop.codec.suffix}", f"index.jsonl{workshop.codec.suffix}")
    paths, codec, host = [workshop.folder / name for name in names], workshop.codec, workshop.host
    with writing(paths[0], codec, host) as sink, writing(paths[1], codec, host) as index:
        archive = Archive(sink, index, workshop.pulse)
        _add_all(archive, source, workshop)
        archive.finish()
        written = (sink.close(), index.close())
    roles = ("archive", "index")
    payloads = tuple(workshop.payload(name, role, done) for name, role, done in zip(names, roles, written))
    facts = {"paths": list(source.paths), "exclude": list(source.exclude)}
    return Taken(payloads, archive.files, archive.bytes, archive.bytes, facts, archive.notes)


def _add_all(archive: Archive, source: Source, workshop: Workshop) -> None:
    for path in real_paths(source.paths):
        try:
            for found, kind in walk(path, leaving_out(source.exclude), workshop.protected):
                archive.add(found, kind)
        except OSError as error:
            raise SourceDenied(error.filename or path, error.strerror or str(error)) from error
    for path in filter(os.path.islink, source.paths):  # the links that were declared, beside what they lead to
        archive.add(path, LINK)


def real_paths(paths: Iterable[str]) -> list[str]:
    """Given declared paths, return where they lead, without those that lie below another, so that nothing comes twice.

    Raise SourceMissing where one is not there.
    """
    chosen: list[str] = []
    for path in sorted({_real(path) for path in paths}):
        if not any(path.startswith(above.rstrip(os.sep) + os.sep) for above in chosen):
            chosen.append(path)
    return chosen


def _real(path: str) -> str:
    if not os.path.exists(path):
        raise SourceMissing(path)
    return os.path.realpath(path)
