# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive of the application's own scripts, restored the way a set is: which of its parts belongs where on this
host, and what stays as it is.

Such an archive lacks much (dotfiles, owners, whatever the script passed over), so nothing is swapped to less than what
it has: what is there and is not in the archive moves along, and what is restored gets the rights of what it replaces.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Optional

from ..backup.declared import Source
from ..backup.foreign import ForeignReader
from ..backup.model import BackupSet, Manifest, Notes, SourceCopy
from ..backup.sources.model import Bench
from ..errors import ActionFailed
from ..host import Host
from ..reading import real_path
from ..sqlite_place import locate
from .choose import Chosen, RestoreRefused, is_within, why_left
from .declared import Request
from .sets import scratch_of
from .targets import Target, targets_of

FILE_MODES, FOLDER_MODES = 0o777, 0o3777  # never setuid; a folder may hand its group on
OTHERS_WRITE = 0o022
LOGS = "logs"


class ApplicationReader:
    """Reads an archive of the application as a set whose sources have the names that this host gives them."""

    def __init__(self, inner: ForeignReader) -> None:
        self._inner, self.lacks = inner, inner.lacks

    @property
    def manifest(self) -> Manifest:
        """What the archive says of itself."""
        return self._inner.manifest

    def payload(self, name: str) -> AbstractContextManager[Path]:
        """Yield a file that has the content of a database, or the index of a folder."""
        return self._inner.payload(name)

    def tree(self, entry: SourceCopy, into: Path, bench: Bench) -> Notes:
        """Write a folder of the archive below an empty one, under its own name."""
        return self._inner.tree(entry._replace(name=folder_of(entry)), into, bench)


class Placed(NamedTuple):
    """A part of an archive as a source of this host, and which declared sources it replaces something of."""

    entry: SourceCopy
    sources: tuple[str, ...]


def folder_of(entry: SourceCopy) -> str:
    """Return which folder of the archive a files source is."""
    return str(entry.facts["paths"][0])


def choose_archive(request: Request, host: Host) -> Chosen:
    """Given what is asked for, return what of the archive is restored, and why the rest of it is not.

    Raise RestoreRefused where it is not to be restored here, ActionFailed where it is no such archive, or not sound.
    """
    path = request.archive or Path()
    if path.is_symlink() or not path.is_file():
        raise RestoreRefused(f"nothing was done: archive is {path}, which is no file on this host")
    reader = ApplicationReader(ForeignReader(path, scratch_of(request), host))
    reason = _refusal(request, reader.manifest, host)
    if reason:
        raise RestoreRefused(f"the archive {path} is not restored: {reason}")
    placed, left = _all_placed(request, reader.manifest)
    placed = _matched(request, placed, reader, left, host)
    if not placed:
        why = "; ".join(f"{name}: {why}" for name, why in left.items())
        raise RestoreRefused(f"nothing of the archive {path} is restored: {why}")
    entries = tuple(one.entry for one in placed)
    replaced = tuple(dict.fromkeys(name for one in placed for name in one.sources))
    found = BackupSet(reader.manifest._replace(sources=entries), path.parent)
    return Chosen(found, entries, left, replaced, reader, reader.lacks)


def _matched(
    request: Request, placed: list[Placed], reader: ApplicationReader, left: dict[str, str], host: Host
) -> list[Placed]:
    """Return the parts that have a file that was asked for by its path; all where none was."""
    if not request.files:
        return placed
    found = []
    for one in placed:
        try:
            targets_of(one.entry, reader, request.files, host)
            found.append(one)
        except RestoreRefused as reason:
            left[one.entry.name] = str(reason)
    return found


def _refusal(request: Request, manifest: Manifest, host: Host) -> str:
    """Return why an archive is not to be restored on this host, whatever it holds; or an empty text."""
    if request.accept_other:
        return ""
    made_by, expected = manifest.host, request.from_host or host.name()
    if not made_by:
        return "it does not say which host made it; give accept_other: true where it is this one's"
    if not _same_host(made_by, expected):
        return f"the host {made_by} made it, expected {expected}; give from_host: {made_by} where it is meant"
    if manifest.platform != host.platform:
        text = f"it was made on {manifest.platform} and this host is {host.platform}"
        return f"{text}: look at the paths in its config/ (into), then give accept_other: true"
    return ""


def _same_host(one: str, other: str) -> bool:
    """Return whether two names are one host's: scripts write it with its domain or without, Windows in capitals."""
    left, right = one.casefold(), other.casefold()
    return left == right or (("." not in left or "." not in right) and left.split(".")[0] == right.split(".")[0])


def _all_placed(request: Request, manifest: Manifest) -> tuple[list[Placed], dict[str, str]]:
    placed: list[Placed] = []
    left: dict[str, str] = {}
    taken: set[str] = set()
    for entry in manifest.sources:
        found = _place(request, entry, taken)
        if isinstance(found, str):
            left[entry.name] = found
            continue
        asked = not request.only or entry.name in request.only or found.entry.name in request.only
        why = "it is not among those asked for" if not asked else why_left(request, found.entry)
        if why:
            left[entry.name] = why
            continue
        placed.append(found)
        taken.add(found.entry.name)
    known = {*left, *taken, *(entry.name for entry in manifest.sources)}
    unknown = [name for name in request.only if name not in known]
    if unknown:
        raise RestoreRefused(f"the archive has nothing for {unknown[0]} (only), it has {', '.join(sorted(known))}")
    return placed, left


def _place(request: Request, entry: SourceCopy, taken: set[str]) -> Placed | str:
    """Return a part of an archive as a source of this host, or why nothing says where it belongs."""
    if request.into is not None:
        no_server = "a dump is restored on a server: leave into out, or read it with pg_restore"
        return no_server if entry.type == "postgresql" else Placed(entry, ())
    if entry.type == "files":
        return _place_folder(request, entry)
    source = _database_source(request, entry)
    if isinstance(source, str):
        return source
    if source.name in taken:
        return f"another part of the archive goes to the source {source.name}"
    facts = entry.facts if entry.type == "postgresql" else {**entry.facts, "path": source.paths[0]}
    return Placed(entry._replace(name=source.name, facts=facts), (source.name,))


def _place_folder(request: Request, entry: SourceCopy) -> Placed | str:
    target = target_of(request, entry)
    if folder_of(entry) == LOGS and LOGS not in request.only:
        return f"those in {target} are newer; name it by only where the old ones are wanted there"
    found = [source.name for source in request.backup.sources if source.type == "files" and _holds(source, target)]
    if not found:
        return f"no source of files that is declared (sources) has {target}: restore it by into"
    named = {source.name for source in request.backup.sources}
    name = entry.name if entry.name not in named else f"files-{entry.name}"
    return Placed(entry._replace(name=name), tuple(found))


def _holds(source: Source, target: str) -> bool:
    return is_within(target, [*source.paths, *map(real_path, source.paths)])


def _database_source(request: Request, entry: SourceCopy) -> Source | str:
    """Return the declared source that a database of an archive is of, or why nobody can tell."""
    of_type = [source for source in request.backup.sources if source.type == entry.type]
    if any(source.name in request.only for source in of_type):
        of_type = [source for source in of_type if source.name in request.only]
    fitting = [source for source in of_type if request.accept_other or _is_of(source, entry)]
    if len(fitting) == 1:
        return fitting[0]
    what = os.path.basename(str(entry.facts["path"]))
    if len(fitting) > 1:
        return f"{what} may be of {', '.join(source.name for source in fitting)}: name the one by only"
    known = ", ".join(source.name for source in of_type) or "none"
    return f"no source of the type {entry.type} is declared that {what} is of (there is {known}); accept_other says so"


def _is_of(source: Source, entry: SourceCopy) -> bool:
    if entry.type == "postgresql":
        return source.server.get("database") in ("*", None, "", *entry.facts["databases"])
    return os.path.basename(source.paths[0]) == os.path.basename(str(entry.facts["path"]))


def target_of(request: Request, entry: SourceCopy) -> str:
    """Return where a folder of an archive belongs."""
    return os.path.join(request.install_dir, folder_of(entry))


def targets_in(request: Request, entry: SourceCopy, reader: ApplicationReader, host: Host) -> list[Target]:
    """Return the things of a part of an archive, and where they belong. Raise RestoreRefused where one is a link."""
    if entry.type == "sqlite":
        declared = str(entry.facts["path"])
        path = locate(declared).path if os.path.lexists(declared) else real_path(declared)
        return [Target(path, ".sqlite", int(entry.facts["size"]))]
    if request.files:
        found = targets_of(entry, reader, request.files, host)
        return [one._replace(path=request.install_dir + one.path) for one in found]
    target = target_of(request, entry)
    if os.path.islink(target):
        raise RestoreRefused(f"{target} is a symlink here: nothing is put in its place; restore it by into")
    return [Target(target, folder_of(entry), entry.raw_bytes, folder=True)]


def patterns_within(patterns: Sequence[str], install_dir: str) -> tuple[str, ...]:
    """Given patterns of absolute paths, return them as the archive has its names, from its own folder on."""
    above = install_dir.rstrip("/") + "/"
    return tuple("/" + one[len(above) :] if one.startswith(above) else one for one in patterns)


def stays(new: str) -> Callable[[str, str], bool]:
    """Return what tells of a path below a target whether it stays: where the archive has nothing of its name."""

    def stays_there(below: str, _name: str) -> bool:
        return not os.path.lexists(os.path.join(new, below))

    return stays_there


def give_rights(new: str, target: str) -> None:
    """Give what was restored the owner and mode of what it replaces, or the owner of the folder that it comes into.

    Raise ActionFailed where a folder that is there would become a file, because what is in it could not stay.
    """
    above = _status(target) or _status_above(target)
    owners = {os.path.dirname(new): (above.st_uid, above.st_gid)}
    for path in _top_down(new):
        place = target if path == new else os.path.join(target, os.path.relpath(path, new))
        there, own = _status(place), os.lstat(path)
        if there and stat.S_ISDIR(there.st_mode) and not stat.S_ISDIR(own.st_mode):
            raise ActionFailed(f"{place} is a folder here and none in the archive: restore it by into")
        if there and stat.S_IFMT(there.st_mode) != stat.S_IFMT(own.st_mode):
            there = None
        owners[path] = (there.st_uid, there.st_gid) if there else owners[os.path.dirname(path)]
        _give(path, own, owners[path], there.st_mode if there else own.st_mode & ~OTHERS_WRITE)


def _give(path: str, own: os.stat_result, owner: tuple[int, int], mode: int) -> None:
    if (own.st_uid, own.st_gid) != owner:
        os.chown(path, *owner, follow_symlinks=False)
    if not stat.S_ISLNK(own.st_mode):
        os.chmod(path, mode & (FOLDER_MODES if stat.S_ISDIR(own.st_mode) else FILE_MODES))


def _top_down(path: str) -> list[str]:
    """Return a path and, where it is a folder, all below it, each folder before what is in it."""
    if os.path.islink(path) or not os.path.isdir(path):
        return [path]
    walked = os.walk(path)
    return [path, *(os.path.join(folder, name) for folder, folders, names in walked for name in (*folders, *names))]


def _status(path: str) -> Optional[os.stat_result]:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _status_above(path: str) -> os.stat_result:
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.stat(folder)
