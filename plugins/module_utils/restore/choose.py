# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which set is restored, and what of it; and why not. Pure: it looks at records alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

from ..backup.model import FORGED, SAFETY, UNSIGNED, BackupSet, Catalog, SourceCopy
from ..backup.names import is_set_id
from ..backup.times import to_iso
from ..errors import CoreError, InputError
from .declared import NEWEST, Request


class RestoreRefused(CoreError):
    """The restore cannot be made as it is asked for; nothing was done."""


class Chosen(NamedTuple):
    """A set, and the sources of it that are restored. ``left`` says of the others why they are not.

    Of an archive that is no set of ours: ``replaced`` are the declared sources that something is replaced of,
    ``reader`` is what reads it, and ``lacks`` what it does not have.
    """

    found: BackupSet
    entries: tuple[SourceCopy, ...]
    left: dict[str, str]
    replaced: tuple[str, ...] = ()
    reader: Optional[Any] = None
    lacks: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the set."""
        return self.found.id

    @property
    def safe(self) -> tuple[str, ...]:
        """The declared sources that the safety set is made of."""
        return self.replaced or tuple(entry.name for entry in self.entries)


def choose(request: Request, catalog: Catalog, host: str) -> Chosen:
    """Given what is asked for, what the backup folder holds and this host's name, return what is restored.

    Raise InputError where no such set is there, RestoreRefused where it is not to be restored.
    """
    found = choose_set(request, catalog, host)
    reason = refusal(request, found, host)
    if reason:
        raise RestoreRefused(f"set {found.id} is not restored: {reason}")
    entries, left = choose_entries(request, found)
    return Chosen(found, entries, left)


def choose_set(request: Request, catalog: Catalog, host: str) -> BackupSet:
    """Return the set that is meant: the newest of this host, where several share a folder.

    Raise InputError where there is none, RestoreRefused where none is believed.
    """
    if catalog.faults:
        raise RestoreRefused(f"no set in {catalog.dir} is believed: {catalog.faults[0].words}")
    if request.which != NEWEST:
        return _named(request.which, catalog)
    fitting = [one for one in catalog.usable if _fits(request, one)]
    if not fitting:
        raise InputError("set", NEWEST, f"a good set in {catalog.dir}{_words(request)}; it has {_inventory(catalog)}")
    own = [one for one in fitting if one.manifest.host == (request.from_host or host)]
    return (own or fitting)[-1]  # that of another host is refused by its name, which tells what to give


def _fits(request: Request, found: BackupSet) -> bool:
    if request.label and found.manifest.label != request.label:
        return False
    if not request.label and found.manifest.label == SAFETY:
        return False
    return request.before is None or found.created < request.before


def _words(request: Request) -> str:
    label = f" with the label {request.label}" if request.label else ""
    return label + (f" begun before {to_iso(request.before)}" if request.before is not None else "")


def _inventory(catalog: Catalog) -> str:
    shown = [f"{one.id} ({one.manifest.label}{'' if one.good else ', not good'})" for one in catalog.sets[-5:]]
    return ", ".join(shown) or "no set at all"


def _named(name: str, catalog: Catalog) -> BackupSet:
    broken = {one.id: one.reason for one in catalog.broken}
    if name in broken:
        raise RestoreRefused(f"set {name} is not restored: its manifest does not hold ({broken[name]})")
    found = next((one for one in catalog.sets if one.id == name), None) or catalog.named(name)
    if found is None:
        kind = "id" if is_set_id(name) else "name"
        raise InputError("set", name, f"the {kind} of a set in {catalog.dir}; it has {_inventory(catalog)}")
    return found


def refusal(request: Request, found: BackupSet, host: str) -> str:
    """Return why a set is not to be restored on this host, whatever it holds; or an empty text."""
    made_by, signature = found.manifest.host, found.signature
    if signature in (FORGED, UNSIGNED):
        return f"its signature is {'not that of the key' if signature == FORGED else 'missing'} (sign_key_file)"
    if found.others:
        return f"another account could have made or changed it: {found.others}"
    if found.lacks:
        return f"it is not whole: {found.lacks[0].message}"
    expected = request.from_host or host
    if made_by != expected:
        cure = f"give from_host: {made_by} where it is meant" if not request.from_host else f"it is not {expected}'s"
        return f"the host {made_by} made it and this is {host}; {cure}"
    return ""


def choose_entries(request: Request, found: BackupSet) -> tuple[tuple[SourceCopy, ...], dict[str, str]]:
    """Return the sources of a set that are restored, and why the others are not. Raise InputError or RestoreRefused."""
    held = {entry.name: entry for entry in found.manifest.sources}
    unknown = [name for name in request.only if name not in held]
    if unknown:
        raise InputError("only", unknown, f"sources of the set {found.id}: {', '.join(held)}", tuple(held))
    entries, left = [], {}
    for name, entry in held.items():
        asked = not request.only or name in request.only
        why = why_left(request, entry) if asked else "it is not among those asked for"
        if why:
            left[name] = why
            continue
        wrong = "" if request.into else _wrong_declaration(request, entry)
        if wrong and request.only:
            raise RestoreRefused(f"the source {name} of set {found.id} is not restored: {wrong}")
        if wrong:
            raise RestoreRefused(
                f"the source {name} of set {found.id} is not restored: {wrong}, or name the others by only"
            )
        entries.append(entry)
    if not entries:
        raise RestoreRefused(
            f"nothing of set {found.id} is restored: {'; '.join(f'{n}: {w}' for n, w in left.items())}"
        )
    return tuple(entries), left


_BY_INTO = {
    "system": "what of it belongs on this host is for a person to say: restore it by into",
}


def why_left(request: Request, entry: SourceCopy) -> str:
    """Return why a source is not restored by what is asked for, whatever it holds; or an empty text."""
    if request.files and entry.type != "files":
        return "files were asked for"
    if request.databases and entry.type != "postgresql":
        return "databases were asked for"
    return "" if request.into else _BY_INTO.get(entry.type, "")


def _wrong_declaration(request: Request, entry: SourceCopy) -> str:
    """Return why a source of a set must not be put where the inventory has one of its name; or an empty text."""
    source = request.source(entry.name)
    if source is None:
        return f"no source of the name {entry.name} is declared now (sources), so nothing says where it belongs"
    if source.type != entry.type:
        return f"it is of the type {entry.type}, declared is {source.type}"
    if not entry.is_of(source) and not request.accept_other:
        was = describe(entry.declaration or {})
        return (
            f"it was made of {was}, declared is {describe(source.declaration)}; give accept_other: true where that is "
            "meant, or into"
        )
    return ""


def describe(declaration: object) -> str:
    """Return a declaration in a few words."""
    given = declaration if isinstance(declaration, dict) else {}
    named = given.get("paths") or [given.get("database") or "all databases"]
    at = given.get("login_host") or given.get("login_unix_socket") or ""
    server = f" at {at} port {given.get('login_port', '')}" if given.get("type") == "postgresql" else ""
    return f"{given.get('type', 'an unknown type')} {', '.join(map(str, named))}{server}"


def is_within(path: str, declared: Iterable[str]) -> bool:
    """Return whether a path is one of some declared ones or lies below one."""
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in map(posixpath.normpath, declared))


def outside(roots: Sequence[str], declared: Sequence[str]) -> Optional[str]:
    """Return the first of some paths that no declared path holds, or None."""
    return next((root for root in roots if not is_within(root, declared)), None)
