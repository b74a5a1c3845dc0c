# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a recovery needs and in which order, decided from what the set says and what there is. Check mode shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..backup.model import SourceCopy
from ..restore.choose import Chosen
from ..restore.plan import ASSUMED
from ..services.declared import Service
from ..steps import Step
from ..units import human_bytes, human_seconds
from .collect import Here, free_gid, free_uid, has_account, has_group, is_local
from .declared import Account, Recovery
from .recorded import OFTEN, Recorded

RESTORED, RESUMED, DONE = "restored", "resumed", "done"
COMPRESSORS = {"zstd": "zstd"}  # package by compression
SYSTEM_BELOW = 1000  # numbers of system accounts


class Needs(NamedTuple):
    """What is not there yet. ``doubts`` are sentences of what is not taken over, and why."""

    packages: tuple[str, ...]
    accounts: tuple[Account, ...]
    groups: Mapping[str, Any]
    doubts: tuple[str, ...]


def is_system(account: Account) -> bool:
    """Return whether an account is made as one of the system: its number is free to choose, or it had such a one."""
    return account.uid is None or account.uid < SYSTEM_BELOW


def needs_of(request: Recovery, recorded: Recorded, here: Here, entries: Sequence[SourceCopy]) -> Needs:
    """Return what the host needs before the restore."""
    doubts = [f"a text of the set is no name, nothing of that name is made: {text!r}" for text in recorded.refused[:1]]
    doubts += _ownerless(request, entries)
    chosen = [name for name in recorded.packages if not any(fnmatchcase(name, one) for one in request.left_out)]
    if chosen and not request.recorded_packages:
        chosen = []
    elif chosen and (here.packages is None or here.release != recorded.release):
        doubts.append(
            f"the set's {len(chosen)} packages are of {recorded.release or 'an unknown release'} and this is "
            f"{here.release or 'unknown'}: only the declared ones are installed"
        )
        chosen = []
    tools = [COMPRESSORS[entry.compression] for entry in entries if entry.compression in COMPRESSORS]
    wanted = dict.fromkeys([*tools, *request.packages, *chosen])
    missing = tuple(name for name in wanted if here.packages is None or name.partition(":")[0] not in here.packages)
    accounts = {**recorded.accounts, **{one.name: one for one in request.accounts}}
    lacking = [account for name, account in accounts.items() if not has_account(name)]
    groups = dict(recorded.groups)
    for account in lacking:
        for name in (account.group or account.name, *account.groups):
            groups.setdefault(name, account.uid if name == account.name else None)
    return Needs(
        missing,
        tuple(account._replace(uid=free_uid(account.uid)) for account in lacking),
        {name: free_gid(number) for name, number in groups.items() if not has_group(name)},
        tuple(doubts),
    )


def _ownerless(request: Recovery, entries: Sequence[SourceCopy]) -> list[str]:
    """Sets of releases that noted no names: their accounts are known by what a person declares alone."""
    bare = [entry.name for entry in entries if entry.type == "files" and "owners" not in entry.facts]
    if not bare or request.accounts:
        return []
    return [f"the set does not say whose the files of {', '.join(bare)} are: name their accounts in recover_accounts"]


def unmet(request: Recovery, needs: Needs, here: Here, entries: Sequence[SourceCopy]) -> str:
    """Return what the set needs that is not here and that nothing would install; an empty text where there is none."""
    for entry in entries:
        often = OFTEN.get(entry.type)
        if often is None or not is_local(request.restore.source(entry.name)) or entry.name not in here.waiting:
            continue
        there = any(often.search(unit) for unit in (*here.servers, *request.servers))
        if not there and not any(often.search(name) for name in needs.packages):
            text = f"the source {entry.name} needs a {entry.type} server, which is not here"
            return f"{text} and which no list of packages names: name its package in recover_packages"
    return ""


def servers_of(request: Recovery, here: Here) -> tuple[str, ...]:
    """Return the units of the servers that have to run for the restore."""
    return request.servers or here.servers


def units_of(services: Sequence[Service]) -> list[dict[str, Any]]:
    """Return the units that are to start at boot or to run, in start order."""
    return [
        {"unit": service.unit, "enabled": service.enabled, "state": service.state}
        for service in services
        if service.manager == "systemd"
    ]


def plan_of(
    request: Recovery, chosen: Chosen, needs: Needs, here: Here, pace: float, restore: str
) -> tuple[list[Step], float]:
    """Return the steps in their order, each with what it is about, and about how many minutes the restore takes."""
    size = sum(entry.raw_bytes for entry in chosen.entries)
    packed = sum(payload.size for entry in chosen.entries for payload in entry.payloads)
    seconds = (packed + 2 * size) / (pace or ASSUMED)  # verified, written, compared
    accounts = [
        f"{one.name} ({one.uid or 'any number'}{''.join(f', in {name}' for name in one.groups)})"
        for one in needs.accounts
    ]
    said = {
        "packages": _missing(needs.packages),
        "accounts": f"{_missing(accounts)}; groups: {_missing(list(needs.groups))}",
        "servers": ", ".join(servers_of(request, here)) or "those that the packages bring",
        "restore": _of_restore(chosen, size, seconds, restore),
        "units": ", ".join(one["unit"] for one in units_of(request.restore.services)) or "no unit is declared",
    }
    steps = [
        Step(
            row.name,
            chosen.id,
            said.get(row.name) or row.title or f"the tasks of {row.tasks}",
            details={"bytes": size} if row.name == "restore" else {},
        )
        for row in request.steps
    ]
    return steps, round(seconds / 60, 2)


def _of_restore(chosen: Chosen, size: int, seconds: float, restore: str) -> str:
    named = ", ".join(f"{entry.name} ({human_bytes(entry.raw_bytes)})" for entry in chosen.entries)
    if restore == DONE:
        return f"set {chosen.id} is restored already"
    how = "goes on with what was interrupted: " if restore == RESUMED else ""
    left = "".join(f"; left out {name}: {why}" for name, why in chosen.left.items())
    return f"{how}set {chosen.id}, {human_bytes(size)} in about {human_seconds(seconds)}: {named}{left}"


def _missing(names: Sequence[str]) -> str:
    return f"{len(names)} missing ({', '.join(names)})" if names else "none is missing"
