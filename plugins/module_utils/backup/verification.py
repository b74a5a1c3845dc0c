# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The levels of verification: L0 everything is there, L1 the checksums hold, L2 everything opens, L3 it comes back.

Each level includes the ones below it, and a file that failed at one is not tried at the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Optional

from ..errors import CoreError
from .declared import Subset
from .errors import CannotJudge, NoSpace
from .model import DRILL, L0, L1, L2, L3, Defect, Manifest, Payload, Report, SourceCopy, Verification
from .scratch import owned_folder
from .sources.kinds import KINDS, restore
from .sources.model import Bench, Reader
from .sources.postgresql.scratch import scratch_server
from .store.collect import lacks
from .store.reader import ArchiveReader
from .streams import sha256_of

READERS = 2  # sources looked at side by side; reading, hashing and SQLite run outside of the interpreter's lock


def verify(manifest: Manifest, bench: Bench, level: int, subset: Optional[Subset] = None) -> Report:
    """Given a set's manifest and where it is, return what was found up to a level.

    L0 looks at the whole set; with a subset the others look at its share of the sources.
    """
    begun, bench = bench.host.now(), bench._replace(platform=manifest.platform, thorough=level >= L3)
    entries = [entry for entry in manifest.sources if subset is None or subset.has(manifest.id, entry.name)]
    report = Report(manifest.id, level, partial=len(entries) < len(manifest.sources), sources=len(entries))
    report.defects += [Defect(L0, lack.source, lack.message) for lack in lacks(bench.folder, manifest)]
    for wanted, check in ((L1, _checksums), (L2, _opens), (L3, partial(_restores, manifest))):
        if level >= wanted:
            failed = {defect.subject for defect in report.defects}
            report.defects += check([entry for entry in entries if entry.name not in failed], bench)
    report.bytes = sum(payload.size for entry in entries for payload in needed(entry))
    report.seconds = round(bench.host.now() - begun, 3)
    return report


def _checksums(entries: Iterable[SourceCopy], bench: Bench) -> list[Defect]:
    """Compare the checksum of each file of these sources, and of each archive of an earlier set that they need."""
    pairs = [(entry, payload) for entry in entries for payload in needed(entry)]
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(lambda pair: _checksum(pair[0], pair[1], bench), pairs))
    return [defect for defect in found if defect is not None]


def needed(entry: SourceCopy) -> list[Payload]:
    """Return the files that a source lies in, by their path from its set's folder."""
    earlier = [piece.payload._replace(name=f"../{piece.set_id}/{piece.payload.name}") for piece in entry.chain]
    return [*entry.payloads, *earlier]


def _checksum(entry: SourceCopy, payload: Payload, bench: Bench) -> Optional[Defect]:
    path, hashed = bench.folder / payload.name, {} if bench.hashed is None else bench.hashed
    path = bench.folder.parent / payload.name[3:] if payload.name.startswith("../") else path
    try:
        found = hashed.get(path) or hashed.setdefault(path, sha256_of(path, bench.host.remaining))
    except OSError as error:
        return Defect(L1, entry.name, f"{payload.name} cannot be read: {error.strerror}", unknown=True)
    if found == payload.sha256:
        return None
    return Defect(L1, entry.name, f"{payload.name} has another checksum than when it was written")


def _opens(entries: Iterable[SourceCopy], bench: Bench) -> list[Defect]:
    with ThreadPoolExecutor(READERS) as pool:
        return [defect for found in pool.map(lambda entry: _open(entry, bench), entries) for defect in found]


def _open(entry: SourceCopy, bench: Bench) -> list[Defect]:
    try:
        return [Defect(L2, entry.name, reason) for reason in KINDS[entry.type].verify(entry, bench)]
    except CannotJudge as error:
        return [Defect(L2, entry.name, str(error), unknown=True)]
    except (CoreError, OSError, KeyError) as error:
        return [Defect(L2, entry.name, f"it does not open: {error}")]


def _restores(manifest: Manifest, entries: Iterable[SourceCopy], bench: Bench) -> list[Defect]:
    """Restore sources one after the other, each into a folder or a server of its own that is gone afterwards."""
    reader = ArchiveReader(manifest, bench.folder, bench.host)
    return [defect for entry in entries for defect in restore_trial(entry, reader, bench)]


def restore_trial(entry: SourceCopy, reader: Reader, bench: Bench) -> list[Defect]:
    """Restore a source into a folder or server of its own that is gone afterwards; return why it does not come back."""
    if bench.doubt:
        return [Defect(L3, entry.name, f"nothing is unpacked into {bench.scratch}: {bench.doubt}", unknown=True)]
    try:
        with _trial_bench(entry, bench) as own, owned_folder(bench.scratch, bench.host) as folder:
            into = folder / "restored"
            into.mkdir(mode=0o700)
            restore(entry, reader, into, own)
    except (CannotJudge, NoSpace) as error:
        return [Defect(L3, entry.name, str(error), unknown=True)]
    except (CoreError, OSError, KeyError) as error:
        return [Defect(L3, entry.name, f"it does not come back: {error}")]
    return []


@contextmanager
def _trial_bench(entry: SourceCopy, bench: Bench) -> Iterator[Bench]:
    """Yield the bench with what a kind needs beside it to be restored: a PostgreSQL server of its own."""
    if entry.type != "postgresql":
        yield bench
        return
    with scratch_server(entry, bench) as options:
        yield bench._replace(server=options, create_roles=True, tag="trial")


def evidence(
    report: Report, manifest: Manifest, before: Optional[Verification], now: float, drill: str = ""
) -> Optional[Verification]:
    """Given a verification and the evidence so far, return the evidence from now on, or None where it stays as it is.
    ``drill`` is the id of the one in which the whole set came back.

    - What could not be looked at proves nothing either way; a share of a set, or its sizes alone, prove nothing good.
    - A defect takes a good word back, whatever the level.
    - Checksums that hold prove that these are the bytes that once opened: a level reached before is not lost by a later
      look that goes less deep.
    """
    report = report.proved
    broken = any(not defect.unknown for defect in report.defects)
    if not broken and _proves_nothing(report, before):
        return None
    level, details = report.level, _details(report, manifest)
    if not broken and before is not None and before.ok:
        level = max(level, before.level)
        drill = drill or str(before.evidence.get(DRILL, ""))
    if drill:
        details[DRILL] = drill
    return Verification(level, not broken and not manifest.anomalies, now, details)


def _proves_nothing(report: Report, before: Optional[Verification]) -> bool:
    """Given a report without a broken file, return whether it says nothing that would be worth keeping."""
    return report.partial or bool(report.defects) or (report.level < L1 and before is not None)


def _details(report: Report, manifest: Manifest) -> dict[str, object]:
    return {
        "manifest_sha256": manifest.sha256,
        "looked_at": f"L{report.level}",
        "bytes": report.bytes,
        "seconds": report.seconds,
        "problems": [defect.message for defect in report.defects][:10],
        "anomalies": list(manifest.anomalies),
    }
