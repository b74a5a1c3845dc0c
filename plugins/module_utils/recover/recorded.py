# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a set says of the host that it was made on: chosen packages, the accounts that things belong to, its release.

Names come out of a set, so only what can be one is taken for a name; what is left out is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ..backup.model import SourceCopy
from ..backup.sources.model import Reader
from .declared import NAME, PACKAGE, Account

SYSTEM = "system"
MANUAL, RELEASE = "packages.apt-manual.txt", "/etc/os-release"
PASSWD, GROUP = "accounts.passwd.txt", "accounts.group.txt"
OFTEN = {"postgresql": re.compile(r"postgres"), "redis": re.compile(r"redis|valkey")}


class Recorded(NamedTuple):
    """What is recorded. ``release`` is empty where it is not; ``refused`` are texts that are no names."""

    packages: tuple[str, ...] = ()
    release: str = ""
    accounts: Mapping[str, Account] = {}
    groups: Mapping[str, Optional[int]] = {}
    refused: tuple[str, ...] = ()


def read_recorded(entries: tuple[SourceCopy, ...], reader: Reader) -> Recorded:
    """Given the sources of a set and what reads it, return what it says. Raise ActionFailed where a file is another."""
    packages: list[str] = []
    texts = {PASSWD: "", GROUP: "", RELEASE: ""}
    for entry in (each for each in entries if each.type == SYSTEM):
        for payload in entry.payloads:
            name, origin = payload.name.partition("/")[2], entry.facts["files"].get(payload.name, {}).get("from")
            key = next((one for one in (MANUAL, *texts) if one in (name, origin)), None)
            if key is None:
                continue
            with reader.payload(payload.name) as path:
                text = path.read_text("utf-8", "replace")
            if key == MANUAL:
                packages += text.split()
            else:
                texts[key] += text
    named = owners_of(entries)
    accounts, groups = _accounts(named["accounts"], texts[PASSWD], texts[GROUP]), _groups(named["groups"], texts[GROUP])
    refused = [name for name, account in accounts.items() if not _is_account(account)]
    refused += [name for name in groups if name not in refused and not NAME.fullmatch(name)]
    refused += [name for name in dict.fromkeys(packages) if not PACKAGE.fullmatch(name)]
    return Recorded(
        tuple(name for name in dict.fromkeys(packages) if PACKAGE.fullmatch(name)),
        release_of(texts[RELEASE]),
        {name: account for name, account in accounts.items() if _is_account(account)},
        {name: number for name, number in groups.items() if NAME.fullmatch(name)},
        tuple(refused),
    )


def _is_account(account: Account) -> bool:
    """Return whether what a set says of an account can be one: its names are handed to useradd."""
    names = [account.name, account.group or account.name, *account.groups]
    return all(map(NAME.fullmatch, names)) and all(one[:1] in ("", "/") for one in (account.home, account.shell))


def owners_of(entries: tuple[SourceCopy, ...]) -> dict[str, dict[str, int]]:
    """Return the numbers of the accounts and groups that things of a set belong to, by their names."""
    found: dict[str, dict[str, int]] = {"accounts": {}, "groups": {}}
    for entry in entries:
        named = entry.facts.get("owners") or {}
        for kind, numbers in found.items():
            numbers.update({name: int(number) for number, name in named.get(kind, {}).items()})
        if entry.facts.get("owner"):
            found["accounts"][str(entry.facts["owner"])] = int(entry.facts["uid"])
        if entry.facts.get("group"):
            found["groups"][str(entry.facts["group"])] = int(entry.facts["gid"])
    return found


def _accounts(owners: Mapping[str, int], passwd: str, group: str) -> dict[str, Account]:
    """Return the accounts by name: as the set has their row, else by the number alone."""
    names = {row[2]: row[0] for row in _rows(group, 4)}
    members = [(row[0], row[3].split(",")) for row in _rows(group, 4)]
    found = {name: Account(name, uid, name) for name, uid in owners.items()}
    for name, _password, uid, gid, _who, home, shell in _rows(passwd, 7):
        also = tuple(each for each, inside in members if name in inside)
        found[name] = Account(name, int(uid) if uid.isdigit() else None, names.get(gid, name), home, shell, also)
    return found


def _groups(owners: Mapping[str, int], group: str) -> dict[str, Optional[int]]:
    rows = {name: int(gid) if gid.isdigit() else None for name, _password, gid, _members in _rows(group, 4)}
    return {**rows, **owners}


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) == columns and row[0]]


def release_of(text: str) -> str:
    """Given the text of os-release, return distribution and version; empty where it does not say the first."""
    found = dict(re.findall(r"^(ID|VERSION_ID)=\"?([^\"\n]*)\"?$", text, re.M))
    return f"{found['ID']} {found.get('VERSION_ID', '')}".strip() if found.get("ID") else ""
