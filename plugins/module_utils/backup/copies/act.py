# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing it: a set goes to a place under another name, is read again there, and only then gets its own.

Nothing is removed from a place before the newest set that counts there was read again in the same run.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Optional

from ...errors import ActionFailed, CoreError
from ...finding import FAILED, NOT_DONE, Action
from ...host import Host
from ...publish import PARTIAL
from ...steps import Step
from ...units import human_bytes
from ..errors import NoSpace
from ..manifest import parse_manifest
from ..model import BackupSet, SourceCopy
from ..names import DELETING, MANIFEST, OWNER, SIGNATURE, VERIFIED
from ..plan import PRUNE
from ..store.collect import MAX_MANIFEST
from ..store.owner import identity, owner_document
from .collect import Contents, Copied, Local, collect_contents
from .declared import Copy
from .place import CopyPlace, Sent, sha256_of
from .plan import CopyPlan, decide_copy, prune_step

ROOM = 1 << 20  # bytes that a set takes beside its files


@dataclass
class Served:
    """What came of one place. ``trouble`` says why something there was not done, or not looked at where ``contents`` is
    None. ``reread`` has by set what was found when it was read again: nothing, or what does not hold.
    """

    copy: Copy
    contents: Optional[Contents] = None
    actions: list[Action] = field(default_factory=list)
    trouble: str = ""
    reread: dict[str, str] = field(default_factory=dict)


def carry_out(place: CopyPlace, plan: CopyPlan, served: Served, local: Local) -> None:
    """Sweep, copy, and remove what the retention of the place no longer keeps. ``served`` is filled on the way."""
    for step in plan.sweep:
        place.remove(step.subject.rpartition(" at ")[0])
        served.actions.append(step.ended())
    _copy_all(place, plan.copying, served, local)
    served.contents = collect_contents(place, local, local.host.remaining)
    _prune(place, plan.prune, served, local)


def _copy_all(place: CopyPlace, steps: Iterable[Step], served: Served, local: Local) -> None:
    for step in steps:
        if served.trouble:
            served.actions.append(step.ended(NOT_DONE, served.trouble))
            continue
        try:
            send(place, step.task, served.copy.rate, local.host)
        except (CoreError, OSError) as error:
            served.trouble = f"{step.task.id} was not copied: {error}"
            served.actions.append(step.ended(FAILED, str(error)))
        else:
            served.reread[step.task.id] = ""
            served.actions.append(step.ended())


def send(place: CopyPlace, found: BackupSet, rate: int, host: Host) -> None:
    """Given a place and a set here, put it there. Raise CoreError or OSError; then it has no name of a set there."""
    free = place.free()
    if free is not None and free < found.manifest.bytes + ROOM:
        raise NoSpace(f"{human_bytes(free)} are free there, the set has {human_bytes(found.manifest.bytes)}")
    partial = f"{found.id}.{identity(host)}-{secrets.token_hex(3)}{PARTIAL}"
    last = () if place.renames else (MANIFEST,)  # what makes a set of a folder that does not get its name in one step
    own = _own_files(found, host)
    with _growing(place, partial, host):
        for sent in _payloads(found, rate, host):
            place.put(f"{partial}/{sent[0]}", sent[1])
        for name in [name for name in own if name not in last]:
            place.put(f"{partial}/{name}", _small(own[name], host))
        _require_same(place, partial, found, {name: own[name] for name in own if name not in last}, host)
        place.rename(partial, found.id)
    for name in last:
        place.put(f"{found.id}/{name}", _small(own[name], host))
    place.remove_file(f"{found.id}/{OWNER}")


@contextmanager
def _growing(place: CopyPlace, partial: str, host: Host) -> Iterator[None]:
    """Make the folder of a copy that grows, with its owner; where the block fails nothing of it stays, if that can be
    told to the place.
    """
    place.make(partial)
    try:
        place.put(f"{partial}/{OWNER}", _small(owner_document(host), host))
        yield
    except BaseException:
        with suppress(CoreError, OSError):
            place.remove(partial)
        raise


def _own_files(found: BackupSet, host: Host) -> dict[str, bytes]:
    """Return the files of a set beside its payloads. Raise CoreError where it has another manifest by now."""
    paths = {name: found.folder / name for name in (VERIFIED, SIGNATURE, MANIFEST)}
    own = {name: host.read_bytes(str(path), MAX_MANIFEST) for name, path in paths.items() if path.exists()}
    manifest = parse_manifest(own.get(MANIFEST, b""), str(paths[MANIFEST]), found.id)
    if manifest.sha256 != found.manifest.sha256:
        raise ActionFailed(f"the manifest of set {found.id} was changed while it was copied")
    return own


def _small(content: bytes, host: Host) -> Sent:
    return Sent(None, content, len(content), hashlib.sha256(content).hexdigest(), 0, host.remaining)


def _payloads(found: BackupSet, rate: int, host: Host) -> Iterator[tuple[str, Sent]]:
    for entry in found.manifest.sources:
        for payload in entry.payloads:
            path = found.folder / payload.name
            yield payload.name, Sent(path, b"", payload.size, payload.sha256, rate, host.remaining)


def _require_same(place: CopyPlace, partial: str, found: BackupSet, own: dict[str, bytes], host: Host) -> None:
    """Raise ActionFailed where what the place has is not what was sent there: all is read again."""
    expected = {payload.name: payload.sha256 for entry in found.manifest.sources for payload in entry.payloads}
    expected.update({name: hashlib.sha256(content).hexdigest() for name, content in own.items()})
    for name, checksum in expected.items():
        if sha256_of(place.chunks(f"{partial}/{name}"), host.remaining) != checksum:
            raise ActionFailed(f"{name} was written there and reads otherwise: it was not published")


def reread(place: CopyPlace, one: Copied, host: Host, entries: Optional[list[SourceCopy]] = None) -> str:
    """Given a set in a place, read all or some of its sources again, and return what does not hold, or nothing."""
    if one.manifest is None:
        return one.defect
    for entry in one.manifest.sources if entries is None else entries:
        own = [(one.id, payload) for payload in entry.payloads]
        for set_id, payload in [*own, *((piece.set_id, piece.payload) for piece in entry.chain)]:
            if sha256_of(place.chunks(f"{set_id}/{payload.name}"), host.remaining) != payload.sha256:
                return f"{set_id}/{payload.name} has another checksum than when it was written"
    return ""


def _prune(place: CopyPlace, planned: Iterable[Step], served: Served, local: Local) -> None:
    """Remove what the retention says now; what was planned and is not to go after all is answer."""
    contents = served.contents or Contents()
    decided = decide_copy(served.copy, contents, local)
    removed = decided.removed if decided else {}
    doubt = _doubt(place, contents, served, local) if removed else ""
    for step in planned:
        if step.task not in removed:
            served.actions.append(step.ended(NOT_DONE, "it is kept after all, or is not there any more"))
    for set_id, why in removed.items():
        served.actions.append(_remove(place, prune_step(served.copy, set_id, why), doubt, contents, local.host))
    failed = next((action.reason for action in served.actions if (action.action, action.state) == (PRUNE, FAILED)), "")
    served.trouble = served.trouble or failed
    if removed and not doubt:
        served.contents = collect_contents(place, local, local.host.remaining)


def _doubt(place: CopyPlace, contents: Contents, served: Served, local: Local) -> str:
    """Return why nothing is removed: the newest set that counts there does not hold, read again now."""
    if not contents.good:
        return "no set there counts"
    newest = contents.good[-1]
    if newest.id not in served.reread or (newest.manifest and newest.manifest.chain):
        served.reread[newest.id] = reread(place, newest, local.host)
    wrong = served.reread[newest.id]
    if wrong:
        served.trouble = served.trouble or f"set {newest.id} there is damaged: {wrong}"
        return f"the newest set there, {newest.id}, is damaged, so nothing else goes: {wrong}"
    return ""


def _remove(place: CopyPlace, step: Step, doubt: str, contents: Contents, host: Host) -> Action:
    if doubt:
        return step.ended(NOT_DONE, doubt)
    if next((one.immutable for one in contents.sets if one.id == step.task), False):
        return step.ended(NOT_DONE, "it is immutable there for now")
    doomed = f"{step.task}.{identity(host)}-{secrets.token_hex(3)}{DELETING}"
    try:
        if place.renames:
            place.rename(step.task, doomed)
            place.remove(doomed)
        else:
            place.put(f"{step.task}/{OWNER}", _small(owner_document(host), host))
            place.remove_file(f"{step.task}/{MANIFEST}")  # from now on it is no set
            place.remove(step.task)
    except (CoreError, OSError) as error:
        return step.ended(FAILED, f"{error}; what is left is swept by the next run")
    return step.ended()
