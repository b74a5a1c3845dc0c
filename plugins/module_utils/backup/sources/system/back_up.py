# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a system source: each part as plain files that a person can read, with an overview of where each comes from.

They are not compressed, and their names say what they are: ``services~etc~systemd~system~cryptobot-auth.service`` is
the part ``services``, and the file of that path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ....errors import ActionFailed
from ....host import Host
from ...declared import Source
from ...model import Notes, Payload, SourceCopy
from ...streams import COMPRESSIONS, Codec, reading, writing
from ..model import Bench, Size, Workshop
from .collect import read_parts
from .parts import Parts, SystemPiece, Wanted

PLAIN = Codec(COMPRESSIONS["none"], 0)
OVERVIEW = "overview.txt"
ABOUT = 256 << 10  # bytes that such a source has on an ordinary host, nearly all of them names of packages


def wanted_of(source: Source) -> Wanted:
    """Return what is declared of a system source."""
    options = source.system
    services, accounts, venvs, wanted = (
        tuple(options.get(name) or ()) for name in ("services", "accounts", "venvs", "wanted")
    )
    return Wanted(services, accounts, venvs, wanted, source.exclude)


def measure(_source: Source, _protected: frozenset[str], _host: Host) -> int:
    """Return about how many bytes there will be: reading them is all that taking them costs."""
    return ABOUT


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Write every part and the overview into the workshop's folder and return what was taken.

    Raise ActionFailed where a part that is declared as wanted is not there or could not be read whole.
    """
    workshop = replace(workshop, codec=PLAIN)
    wanted = wanted_of(source)
    parts = read_parts(wanted, workshop.host)
    _require(wanted, parts)
    written = [(piece, _write(piece.name, piece.part, piece.content, workshop)) for piece in parts.pieces]
    overview = _write(OVERVIEW, "overview", _overview(parts), workshop)
    notes = Notes()
    for name in parts.missing:
        notes.add("missing", name)
    for trouble in parts.troubles:
        notes.add("unread", f"{trouble.part}: {trouble.why}")
    files = {payload.name: {"part": piece.part, "from": piece.origin, **piece.attributes} for piece, payload in written}
    total = sum(len(piece.content) for piece in parts.pieces)
    facts = {"path": None, "files": files, "parts": _counted(parts.pieces), "missing": parts.missing}
    payloads = (*(payload for _piece, payload in written), overview)
    # nothing is told by how large they are: a list of banned addresses comes and goes
    return workshop.entry(source, payloads, Size(len(written), total, 0), facts, notes)


def _require(wanted: Wanted, parts: Parts) -> None:
    for name in wanted.required:
        unread = next((trouble.why for trouble in parts.troubles if trouble.part == name), "")
        if name in parts.missing or unread:
            raise ActionFailed(f"its part {name} is declared as wanted: {unread or 'there is nothing of it here'}")
    if not parts.pieces:
        raise ActionFailed(f"none of its parts could be read: {'; '.join(one.why for one in parts.troubles)}")


def _write(name: str, role: str, content: bytes, workshop: Workshop) -> Payload:
    workshop.pulse()
    with writing(workshop.folder / name, workshop.codec, workshop.host) as sink:
        sink.write(content)
        return workshop.payload(name, role, sink.close())


def _counted(pieces: Iterable[SystemPiece]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for piece in pieces:
        counts[piece.part] = counts.get(piece.part, 0) + 1
    return counts


def _overview(parts: Parts) -> bytes:
    """Return the list of all files with where each comes from and whose it was, for who has nothing but this set."""
    lines = ["part\tfile in this folder\tfrom\tmode\towner"]
    lines += [
        f"{one.part}\t{one.name}\t{one.origin}\t{_mode(one.attributes)}\t{one.attributes.get('owner', '')}"
        for one in parts.pieces
    ]
    lines += [f"{name}\t\tthere was nothing of it\t\t" for name in parts.missing]
    lines += [f"{one.part}\t\tnot read: {one.why}\t\t" for one in parts.troubles]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _mode(attributes: Any) -> str:
    return f"{attributes['mode']:04o}" if "mode" in attributes else ""


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a system source of a set, return what does not hold: files that only the overview or the manifest has."""
    overview = entry.payload("overview")
    with reading(bench.folder / overview.name, entry.compression, bench.host) as stream:
        rows = [line.split("\t") for line in stream.read().decode("utf-8", "surrogateescape").splitlines()[1:]]
    named = {f"{entry.name}/{row[1]}" for row in rows if len(row) > 1 and row[1]}
    listed = {payload.name for payload in entry.payloads if payload.role != "overview"}
    different = sorted(named ^ listed) or sorted(set(entry.facts["files"]) ^ listed)
    return [f"{overview.name} and the manifest differ in {different[0]}"] if different else []
