# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The levels of verification for a set in a repository of restic.

L0: its snapshots are there with their trees, and ``check`` finds the structure whole. L1: all that the repository has,
or the share that is asked for, is read and compared with its checksums. L2: what was staged is written out, compared
with the manifest's SHA-256 and opened by its own tool, and a sample of the files is compared with the index. L3: every
file is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from ...errors import CoreError
from ...reading import regular_itself
from ...units import human_bytes
from ..declared import Settings, Subset
from ..errors import CannotJudge
from ..model import L0, L1, L2, L3, BackupSet, Defect, Manifest, Payload, Report, SourceCopy
from ..scratch import owned_folder
from ..sources.files.content import FILE
from ..sources.kinds import KINDS
from ..sources.model import Bench
from ..verification import restore_trial
from .collect import free_bytes
from .restic import Restic
from .restic_catalog import files_of
from .restic_index import Item, read_rows
from .restic_output import Checked
from .restic_reader import ResticReader, digest_of, hashes, included, sha256_of, stage_of

SAMPLE, SAMPLE_BYTES = 20, 256 << 20  # files and bytes of each source that L2 compares with the index
PARTS = 7  # after so many runs all that the repository has was read again
WHOLE = Subset(1, 1)
NAMED = 5
REPOSITORY = "repository"
_HASHED = re.compile(r"(?:keys|snapshots|index)/([0-9a-f]{64})")
_PACK = re.compile(r"data/[0-9a-f]{2}/([0-9a-f]{64})")


class Proof:
    """What was found out of a repository in this run; each question is asked once, however many sets are looked at."""

    def __init__(self, restic: Restic, turn: int = 1) -> None:
        self.restic, self.turn, self.in_turn = restic, turn, False
        self._checked: dict[tuple[str, ...], Checked] = {}

    def next_share(self) -> Subset:
        """Return the share of the repository whose turn it is."""
        self.in_turn = True
        return Subset(self.turn, PARTS)

    def check(self, *words: str) -> Checked:
        """Return what ``check`` says."""
        if words not in self._checked:
            self._checked[words] = self.restic.check(*words)
        return self._checked[words]


def verify(
    found: BackupSet,
    settings: Settings,
    bench: Bench,
    proof: Proof,
    new: Optional[Callable[[], list[Defect]]] = None,
    subset: Optional[Subset] = None,
) -> Report:
    """Given a set and where it may be written out, return what was found up to the level of the settings.

    With ``new``, which reads what this run wrote, that takes the place of reading all that the repository has.
    """
    host, manifest, level = bench.host, found.manifest, settings.verify_level
    level, begun = max(L1, level) if new else level, host.now()
    bench, read = bench._replace(platform=manifest.platform, thorough=level >= L3), _share(found, subset, proof)
    entries = [entry for entry in manifest.sources if subset is None or subset.has(manifest.id, entry.name)]
    partial = new is None and level >= L1 and read.parts > 1
    report = Report(manifest.id, level, partial=partial or len(entries) < len(manifest.sources), sources=len(entries))
    report.defects += [Defect(L0, lack.source, lack.message) for lack in found.lacks]
    report.defects += _structure(level, proof, None if new else read)
    if level >= L1:
        report.defects += new() if new else _own_names(proof.restic)
    if level >= L1 and not report.defects:
        report.defects += _contents(entries, manifest, level, bench, proof.restic)
    report.bytes = sum(payload.size for entry in entries for payload in entry.payloads)
    report.seconds = round(host.now() - begun, 3)
    return report


def _share(found: BackupSet, subset: Optional[Subset], proof: Proof) -> Subset:
    """Return which share of the repository is read: all of it where nothing is known of the set yet, else in turn."""
    if subset is not None:
        return subset
    known = found.verification is not None and found.verification.ok and found.verification.level >= L1
    return proof.next_share() if known else WHOLE


def _structure(level: int, proof: Proof, read: Optional[Subset]) -> list[Defect]:
    words: tuple[str, ...] = ()
    if level >= L1 and read is not None:
        words = (f"--read-data-subset={read.part}/{read.parts}",) if read.parts > 1 else ("--read-data",)
    try:
        checked = proof.check(*words)
    except CoreError as error:
        return [Defect(L0, REPOSITORY, str(error), unknown=True)]
    return [Defect(L1 if words else L0, REPOSITORY, f"restic check: {line}") for line in checked.wrong[:NAMED]]


def _own_names(restic: Restic) -> list[Defect]:
    """Compare the small files of a repository on this host with their names, which are their checksums: of those that
    it does not need at the moment restic says nothing.
    """
    path = restic.repository.path
    names = [name for name in files_of(path) if _HASHED.fullmatch(name)] if path else []
    return [defect for name in names for defect in name_differs(path, name)]


def name_differs(path: str, name: str) -> list[Defect]:
    """Given a repository's folder and a file in it, return a defect where its content is not what its name says."""
    expected = name.rsplit("/", 1)[-1]
    try:
        actual = sha256_of(Path(path, name), str)
    except FileNotFoundError:
        return [Defect(L1, REPOSITORY, f"{name} was taken away while it was looked at")]
    except OSError as error:
        return [Defect(L1, REPOSITORY, f"{name} cannot be read: {error.strerror}", unknown=True)]
    return [] if actual == expected else [Defect(L1, REPOSITORY, f"{name} has another checksum than its name says")]


def new_packs(restic: Restic, before: Collection[str]) -> list[Defect]:
    """Read what came into a repository on this host since ``before``, and compare it with what it is named after."""
    path = restic.repository.path
    names = [
        name for name in files_of(path) if name not in before and (_PACK.fullmatch(name) or _HASHED.fullmatch(name))
    ]
    found = []
    for name in names:
        restic.host.remaining()
        found += name_differs(path, name)
    return found


def _contents(
    entries: Sequence[SourceCopy], manifest: Manifest, level: int, bench: Bench, restic: Restic
) -> list[Defect]:
    """Compare what was staged, and from L2 on open it and look at files."""
    if not entries:
        return []
    try:
        if level < L2:
            return _payloads_by_stream(entries, manifest, bench, restic)
        with staged(manifest, entries, bench, restic) as folder:
            wrong = payload_defects(entries, folder, bench)
            wrong = wrong or _opened(entries, manifest, level, bench._replace(folder=folder), restic)
        if level >= L3 and not wrong:
            reader = ResticReader(manifest, restic, bench.scratch, bench.pulse)
            wrong = [defect for entry in entries for defect in restore_trial(entry, reader, bench)]
        return wrong
    except CannotJudge as error:
        return [Defect(L2, manifest.id, str(error), unknown=True)]
    except (CoreError, OSError) as error:
        return [Defect(min(level, L2), manifest.id, f"it cannot be written out: {error}")]


def _payloads_by_stream(
    entries: Sequence[SourceCopy], manifest: Manifest, bench: Bench, restic: Restic
) -> list[Defect]:
    folder, stage = manifest.store["stage"], stage_of(manifest)
    wanted = {f"{folder}/{payload.name}": (entry, payload) for entry in entries for payload in entry.payloads}
    found = hashes(restic, stage["id"], wanted, bench.host.remaining)
    return [
        Defect(L1, entry.name, f"{payload.name} has another checksum than when it was written")
        for path, (entry, payload) in wanted.items()
        if found.get(path) != payload.sha256
    ]


@contextmanager
def scratch_folder(bench: Bench, needed: int) -> Iterator[Path]:
    """Yield an empty folder of ours for a restore. Raise CannotJudge where there is no room, or none that is ours."""
    free = free_bytes(bench.scratch)
    if free < needed:
        raise CannotJudge(f"{bench.scratch} has {human_bytes(free)} free, {human_bytes(needed)} are needed")
    if bench.doubt:
        raise CannotJudge(f"nothing is unpacked into {bench.scratch}: {bench.doubt}")
    with owned_folder(bench.scratch, bench.host) as own:
        folder = own / "restored"
        folder.mkdir(mode=0o700)
        yield folder


@contextmanager
def staged(manifest: Manifest, entries: Sequence[SourceCopy], bench: Bench, restic: Restic) -> Iterator[Path]:
    """Yield a folder with what a set has staged of some sources, as it was when the set was made."""
    needed = sum(payload.size for entry in entries for payload in entry.payloads)
    stage, where = stage_of(manifest), manifest.store["stage"]
    with scratch_folder(bench, needed) as folder:
        restic.restore(stage["id"], folder, [f"{included(where)}/{entry.name}" for entry in entries])
        yield folder / where.lstrip("/")


def payload_defects(entries: Sequence[SourceCopy], folder: Path, bench: Bench) -> list[Defect]:
    """Given where payloads were written out, return those that are not what the manifest says."""
    found = []
    for entry in entries:
        for payload in entry.payloads:
            reason = _payload_differs(folder / payload.name, payload, bench)
            found += [Defect(L1, entry.name, f"{payload.name} {reason}")] if reason else []
    return found


def _payload_differs(path: Path, payload: Payload, bench: Bench) -> str:
    try:
        size, sha256 = os.lstat(path).st_size, sha256_of(path, bench.host.remaining)
    except OSError as error:
        return f"did not come out of the repository: {error.strerror}"
    if (size, sha256) == (payload.size, payload.sha256):
        return ""
    return "has another checksum than when it was written"


def _opened(
    entries: Sequence[SourceCopy], manifest: Manifest, level: int, bench: Bench, restic: Restic
) -> list[Defect]:
    found: list[Defect] = []
    for entry in entries:
        try:
            if "snapshot" in entry.facts:
                reasons = _files(entry, manifest, level, bench, restic)
            else:
                reasons = KINDS[entry.type].verify(entry, bench)
            found += [Defect(L2, entry.name, reason) for reason in reasons]
        except CannotJudge as error:
            found.append(Defect(L2, entry.name, str(error), unknown=True))
        except (CoreError, OSError, KeyError) as error:
            found.append(Defect(L2, entry.name, f"it does not open: {error}"))
    return found


def _files(entry: SourceCopy, manifest: Manifest, level: int, bench: Bench, restic: Restic) -> list[str]:
    with open(bench.folder / entry.payload("index").name, "rb") as stream:
        rows = [row for row in read_rows(stream, entry.name) if row.kind == FILE]
    if len(rows) != entry.things:
        return [f"its index lists {len(rows)} files, the manifest says {entry.things}"]
    if level >= L3:
        return []  # each of them is restored, which is more
    return _sampled(entry, sample(rows, manifest.id), bench, restic)


def sample(rows: Sequence[Item], seed: str) -> list[Item]:
    """Given the files of a source, return some of them: the same for the same set, others for the next."""

    def place(row: Item) -> bytes:
        return hashlib.sha256(f"{seed}/{row.path}".encode("utf-8", "surrogateescape")).digest()

    chosen: list[Item] = []
    total = 0
    for row in sorted(rows, key=place):
        if len(chosen) >= SAMPLE:
            break
        if total + row.size <= SAMPLE_BYTES:
            chosen.append(row)
            total += row.size
    return chosen


def _sampled(entry: SourceCopy, rows: Sequence[Item], bench: Bench, restic: Restic) -> list[str]:
    if not rows:
        return []
    with scratch_folder(bench, sum(row.size for row in rows)) as folder:
        restic.restore(entry.facts["snapshot"], folder, [included(row.path) for row in rows])
        found = {}
        for row in rows:
            with open(folder / row.path.lstrip("/"), "rb", opener=regular_itself) as stream:
                found[row.path] = digest_of(stream, bench.host.remaining)
        return _differing(rows, found)


def _differing(rows: Sequence[Item], found: Mapping[str, str]) -> list[str]:
    wrong = [row.path for row in rows if found.get(row.path) != row.sha256]
    return [f"{path!r} is not what the index says" for path in wrong[:NAMED]]
