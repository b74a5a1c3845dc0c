# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a restore, step by step, each written into the journal before it is done; and taking it back.

Every step looks what is there before it does anything, so it may be done again: what was killed half way goes on, or
back, from whatever state it had come to. What fails before the services are started again is taken back at once.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ..backup.model import SourceCopy
from ..backup.sources.files.walk import leaving_out
from ..backup.sources.model import Reader
from ..errors import ActionFailed, CoreError
from ..finding import DONE, FAILED, NOT_DONE, Action
from ..memory import recall, remember
from ..publish import fsync_path
from ..restart.interruption import interruptible
from ..restores import UNDER_WAY
from . import application, beside, hold, holders, redis, safety, swap
from .model import BACK, KEPT, Unit
from .plan import FINISH, HOLD, PROVE, RESTORE, SAFE, START, SWAP
from .targets import identity_of
from .work import Work

AFTER_BESIDE = (HOLD, PROVE, SWAP, START, FINISH)
MEMORY = "restore"
TELLING = 64 << 20  # bytes; what a smaller restore takes is mostly spent on beginning, and tells no pace


def carry_out(work: Work) -> str:
    """Do what is left to do of a restore, and return why it failed; an empty text where it did not.

    A failure before the services are started takes everything back.
    """
    with interruptible() as interruption:
        try:
            for action, subject in work.journal.steps:
                _do(work, action, subject)
        except (CoreError, OSError) as error:
            interruption.defer()
            work.host.extend(work.request.gate.rollback_timeout)
            return _given_up(work, error)
    return work.journal.failure


def _do(work: Work, action: str, subject: str) -> None:
    name = f"{action} {subject}"
    if name in work.journal.done:
        return
    work.journal.now = name
    work.write()
    begun = time.monotonic()
    try:
        said = _DO[action](work, subject)
    except (CoreError, OSError) as error:
        work.actions.append(Action(action, subject, FAILED, str(error)))
        raise
    spent = time.monotonic() - begun
    work.journal.seconds[action] = round(work.journal.seconds.get(action, 0.0) + spent, 3)
    work.journal.done.append(name)
    work.write()
    work.actions.append(Action(action, subject, DONE, said))


def _given_up(work: Work, error: Exception) -> str:
    """Take back what was done before something failed, and return what that comes to as a sentence."""
    failed = {f"{one.action} {one.subject}" for one in work.actions}
    rest = [(action, subject) for action, subject in work.journal.steps if f"{action} {subject}" not in failed]
    work.actions += [
        Action(*step, NOT_DONE, "an earlier step failed") for step in rest if " ".join(step) not in work.journal.done
    ]
    try:
        faults = go_back(work)
    except (CoreError, OSError) as second:
        text = f"the restore failed ({error}), and going back failed too ({second}): what is held down stays so"
        return f"{text}; put right what is named, then run it with state: rolled_back, or resumed"
    after = f"; {'; '.join(faults)}" if faults else ""
    return f"the restore failed, and everything is as it was before: {error}{after}"


def go_back(work: Work) -> tuple[str, ...]:
    """Put back what was there before, whatever a restore had come to, and return what services did not come back.

    Raise CoreError or OSError where that cannot be done; the journal stays then, and it may be tried again.
    """
    was_kept = work.journal.state == KEPT
    touched = was_kept or any(swap.is_touched(unit) for unit in work.journal.units if unit.kind != "postgresql")
    touched = touched or databases_touched(work)
    work.journal.state, work.journal.now = UNDER_WAY, "going back"
    work.journal.done = [name for name in work.journal.done if name.split(" ", 1)[0] not in AFTER_BESIDE]
    work.write()
    if touched:
        _hold(work, "services")
        _prove(work, "open files")
    for unit in reversed(work.journal.units):
        if unit.noted:
            _swap_back(work, unit)
    _open_doors(work)
    faults = _start_again(work) if work.journal.held else ()
    return _gone_back(work, faults, keep=was_kept)


def _swap_back(work: Work, unit: Unit) -> None:
    if unit.kind == "postgresql":
        from . import databases

        databases.backwards(unit, work.request, work.host)
    else:
        swap.backwards(unit)
        swap.remove_above(unit)
    work.actions.append(Action("put back", unit.target, DONE, "what was there before lies there again"))


def databases_touched(work: Work) -> bool:
    """Return whether a database of the restore is another than before."""
    units = [unit for unit in work.journal.units if unit.kind == "postgresql" and unit.noted]
    if not units:
        return False
    from . import databases

    return any(databases.is_touched(unit, work.request, work.host) for unit in units)


def _gone_back(work: Work, faults: tuple[str, ...], *, keep: bool) -> tuple[str, ...]:
    """Tell the journal that a restore was taken back. What somebody may have worked on since is kept for a while."""
    if not keep:
        remove_folders(work)
    work.journal.state, work.journal.now = BACK, ""
    work.journal.until = work.host.now() + (work.request.keep_old if keep else 0.0)
    work.write()
    return faults


def remove_folders(work: Work) -> None:
    """Remove what is ours of a restore: what was restored beside, and what was kept."""
    for folder in work.journal.folders:
        shutil.rmtree(folder, ignore_errors=False) if os.path.lexists(folder) else None
    units = [unit for unit in work.journal.units if unit.kind == "postgresql"]
    if units:
        from . import databases

        for unit in units:
            databases.drop_slots(unit, work.request, work.host)


def _safe(work: Work, subject: str) -> str:
    names = [name for name in subject.split(", ") if name]
    reason = f"before the restore {work.journal.id} of set {work.journal.set_id}"
    kept = safety.keep(work.request, names, reason, work.host, work.heartbeat)
    work.journal.safety = kept.id
    work.notes += [f"{name} is not in the safety set: {why}" for name, why in kept.left.items()]
    return f"the safety set: {kept}"


def _restore(work: Work, subject: str) -> str:
    entry, units = work.entries[subject], [unit for unit in work.journal.units if unit.source == subject]
    if work.reader is None:
        raise ActionFailed(f"the set {work.journal.set_id} is not there any more, so {subject} cannot be restored")
    for folder in work.journal.folders:
        beside.make_folder(folder)
    found: list[Unit]
    if entry.type == "postgresql":
        from . import databases

        found = databases.restore_beside(entry, work.reader, units, work)
    else:
        found = _restore_files(work, entry, work.reader, units)
    for unit in found:
        work.journal.put(unit)
    return (
        f"restored beside and compared with the manifest: {entry.things} {'rows' if entry.type != 'files' else 'files'}"
    )


def _restore_files(work: Work, entry: SourceCopy, reader: Reader, units: list[Unit]) -> list[Unit]:
    for folder in {os.path.dirname(_slot(unit, work.journal.folders)) for unit in units}:
        into = Path(folder, entry.name)
        restored = beside.restore_entry(entry, reader, into, work.bench, work.request.files)
        work.notes += [f"{kind} of {entry.name}: {what}" for kind, what in restored.notes.as_dict().items()]
        if entry.type == "sqlite":
            _settle_sqlite(work, into / str(restored.proof["file"]), units[0])
        elif entry.type == redis.KIND:
            redis.settle(entry, into / str(restored.proof["file"]), units)
    for unit in units if work.journal.archive else ():
        application.give_rights(unit.new, unit.target)
    return beside.with_identities(units)


def _slot(unit: Unit, folders: list[str]) -> str:
    """Return a path in the folder ``new`` of the folder of ours that a unit is restored to."""
    workshop = next(folder for folder in folders if unit.new.startswith(f"{folder}/"))
    return os.path.join(workshop, beside.NEW, "x")


def _settle_sqlite(work: Work, found: Path, unit: Unit) -> None:
    """Put a restored database where its unit says, or a copy of what is there with the rows of some tables of it."""
    if work.journal.tables:
        status = os.stat(unit.target)
        found = beside.with_tables(unit, found, work.journal.tables, work.host)
        os.chown(found, status.st_uid, status.st_gid)
        os.chmod(found, status.st_mode & 0o7777)
    os.replace(found, unit.new)
    fsync_path(Path(unit.new).parent)


def _hold(work: Work, _subject: str) -> str:
    """Hold the services down. What that will have to undo is written down before."""
    services = work.request.to_hold
    if not services:
        return "no service is declared, so none was held down"
    if not work.journal.held:
        work.ways = hold.ways_of(work.host, services)
        work.journal.held = hold.survey(work.host, services, work.request.state_dir, work.ways)
        work.write()
    hold.hold(work.host, services, work.journal.held, work.request.gate.stop_timeout)
    return f"ended and held down, which was tried: {', '.join(service.name for service in reversed(services))}"


def _prove(work: Work, _subject: str) -> str:
    """Prove that nobody has open what is swapped. Raise ActionFailed where somebody has, or nobody can tell."""
    found = holders.collect_holders([unit for unit in work.journal.units if unit.kind != "postgresql"], work.host)
    if found.holders:
        raise ActionFailed(f"{found.holders[0]}, so nothing is swapped; end it, or declare it as a service")
    if found.unseen:
        raise ActionFailed(f"nobody can tell whether a file is open ({found.unseen}); run it as root")
    units = [unit for unit in work.journal.units if unit.kind == "postgresql"]
    if units:
        from . import databases

        databases.close_doors(units, work.request, work.host)
    return "nobody has a file open, or is in a database, that is swapped"


def _swap(work: Work, subject: str) -> str:
    unit = work.journal.unit(subject)
    if unit.kind == "postgresql":
        from . import databases

        return databases.forwards(unit, work)
    if not unit.noted:
        unit = _noted(work, unit)
        work.journal.put(unit)
        work.write()
    swap.make_above(unit)
    swap.forwards(unit)
    carried = f", {len(unit.carried)} things that no set has moved along" if unit.carried else ""
    return f"swapped by rename{carried}; what was there is kept in {unit.old}" if unit.had else "put where nothing was"


def _noted(work: Work, unit: Unit) -> Unit:
    """Return a unit with what lies at its target now, and what of that no set has."""
    had, carried = identity_of(unit.target), tuple[str, ...]()
    if unit.kind == "files" and os.path.isdir(unit.target) and not os.path.islink(unit.target):
        carried = swap.carried_of(unit.target, _stays(work, unit), work.request.backup.protected)
    return unit._replace(noted=True, had=had, carried=carried, made=swap.missing_above(unit.target))


def _stays(work: Work, unit: Unit) -> swap.LeftOut:
    """Return what tells of a path below a target whether it moves along: no set has it, or not this archive."""
    if work.journal.archive:
        return application.stays(unit.new)
    source = work.request.source(unit.source)
    return leaving_out(source.exclude if source else ())


def _start(work: Work, _subject: str) -> str:
    """Let the services go and start them. What does not come back is a failure, and is not taken back by itself."""
    faults = (*_left_behind(work), *_start_again(work), *_empty_servers(work))
    if faults:
        way = f"the way back: state: rolled_back, restore: {work.journal.id}"
        work.journal.failure = f"the data is restored and {'; '.join(faults)}. What was there is kept; {way}"
    return "; ".join(faults) or "all that are meant to run do, and are well"


def _left_behind(work: Work) -> tuple[str, ...]:
    """Return who has open what was swapped out: somebody came between the proof and the rename, and what he writes from
    now on is in no file that counts.
    """
    units = [unit._replace(target=unit.old) for unit in work.journal.units if unit.kind != "postgresql" and unit.had]
    found = holders.collect_holders(units, work.host).holders
    return tuple(f"{one}, which was swapped out under it: what it writes is lost, so end it" for one in found)


def _empty_servers(work: Work) -> tuple[str, ...]:
    """Return what is wrong with the Redis servers that were restored."""
    found = [(entry, work.request.source(name)) for name, entry in work.entries.items() if entry.type == redis.KIND]
    said = [redis.fault_of(entry, source, work.host) for entry, source in found if source is not None]
    return tuple(fault for fault in said if fault)


def _open_doors(work: Work) -> None:
    units = [unit for unit in work.journal.units if unit.kind == "postgresql"]
    if units:
        from . import databases

        databases.open_doors(units, work.request, work.host)


def _start_again(work: Work) -> tuple[str, ...]:
    _open_doors(work)
    hold.release(work.host, work.journal.held)
    return hold.start(work.host, work.request, work.journal.held, work.ways).failures


def _finish(work: Work, _subject: str) -> str:
    work.journal.state, work.journal.until = KEPT, work.host.now() + work.request.keep_old
    work.journal.held = {}
    spent = work.journal.seconds.get(RESTORE, 0.0)
    if spent > 0 and work.journal.bytes >= TELLING:
        memory = recall(work.request.state_dir, MEMORY)
        remember(work.request.state_dir, MEMORY, {**memory, "bytes_per_second": work.journal.bytes / spent})
    return f"kept, with id {work.journal.id}"


_DO: dict[str, Callable[[Work, str], str]] = {
    SAFE: _safe,
    RESTORE: _restore,
    HOLD: _hold,
    PROVE: _prove,
    SWAP: _swap,
    START: _start,
    FINISH: _finish,
}
