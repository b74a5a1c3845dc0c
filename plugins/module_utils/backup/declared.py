# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options, validated once at the edge into frozen values; behind this file nothing is checked again.

The folder of the sets gets the mode 0700, and what is in it and is no set is named as foreign: so it is neither in the
system's own folders nor around what is to be backed up.
"""

from __future__ import annotations

import hashlib
import json
import ntpath
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..finding import EMPTY
from ..options import expand
from ..reading import real_path
from ..sqlite_place import place_of
from ..trusted import NOBODY_ELSE, Others
from ..trusted_accounts import check_trusted
from ..units import parse_seconds
from .copies.declared import ALL as ALL_COPIES
from .copies.declared import Copy, check_places, read_copies
from .names import declared_refusal, is_device, is_set_id
from .repository import Repository, read_repository
from .retention import PERIODS, Policy
from .source_options import OF_SERVER, OF_SYSTEM, PATHLESS

_OF_THE_SYSTEM = (  # the Filesystem Hierarchy Standard, and what macOS has beside it
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys"),
    *("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share", "/System", "/private/etc", r"C:\Windows"),
)
_WHOLE = (  # which others have their folders in
    *("/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/usr/local", "/var", "/var/lib", "/var/log"),  # noqa: S108
    *("/Users", "/Library", "/Applications", "/private", "/private/var", "/private/tmp"),
    *(r"C:\Users", r"C:\ProgramData", r"C:\Program Files", r"C:\Program Files (x86)"),
)


def check_place(params: Mapping[str, Any], platform: str) -> None:
    """Given the options and the platform of the host, raise InputError where the folder is one of the system's, or a
    source is in it.
    """
    folder = _pure(params["dir"], platform)
    own = [("dir", folder)]
    if params["store"] == "restic" and os.path.isabs(params["repository"] or ""):
        own.append(("repository", _pure(params["repository"], platform)))
    if any(_is_in(folder, _pure(each, platform)) for each in _OF_THE_SYSTEM) or str(folder) in _WHOLE:
        raise InputError("dir", params["dir"], "a folder of its own, not one of the system such as /etc or /var")
    for position, source in enumerate(params["sources"]):
        for (option, path), (name, place) in product(_paths(source), own):
            if _is_in(_pure(path, platform), place):
                raise InputError(
                    f"sources[{position}].{option}", path, f"a path outside of {name}, which holds the sets"
                )
    check_places(params, lambda path: _pure(path, platform))


def _paths(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if source["path"]:
        yield "path", source["path"]
    yield from (("paths", path) for path in source["paths"] or () if path)


def _pure(path: str, platform: str) -> PurePath:
    return PureWindowsPath(ntpath.normpath(path)) if platform == "windows" else PurePosixPath(posixpath.normpath(path))


def _is_in(path: PurePath, folder: PurePath) -> bool:
    return folder == path or folder in path.parents


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_A_NAME = "up to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SUBSET = re.compile(r"(\d{1,4})/(\d{1,4})")
NEWEST, ALL = "newest", "all"


LEVELS = ("L0", "L1", "L2", "L3", "L4")  # the last one is reached by a drill alone
LONGEST_CHAIN = 7  # members, the full set among them: each one more is one more set that must not be lost
# Options of a PostgreSQL source that say what it holds; the others say how it is reached.
WHICH_DATABASES = ("database", "exclude_databases", "login_host", "login_unix_socket", "login_port", "globals")


class Source(NamedTuple):
    """One declared source. ``paths`` are absolute; ``server`` are the options of a PostgreSQL or Redis source,
    ``system`` those of a host's own; ``lock_wait`` is how many seconds it may be locked by others, on end.
    """

    name: str
    type: str
    optional: bool = False
    may_be_empty: bool = False
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    server: Mapping[str, Any] = EMPTY
    lock_wait: float = 60.0
    system: Mapping[str, Any] = EMPTY

    def __repr__(self) -> str:
        """Return the source as text, without the server, whose options have a password among them."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "server")
        return f"Source({', '.join(shown)})"

    @property
    def declaration(self) -> dict[str, Any]:
        """What the source is, whatever it is called: without what says how it is reached or how well it must do."""
        given = {key: self.server[key] for key in WHICH_DATABASES if self.server.get(key)}
        of_host = {key: sorted(self.system[key]) for key in OF_SYSTEM if self.system.get(key)}
        return {"type": self.type, "paths": sorted(self.paths), "exclude": sorted(self.exclude), **given, **of_host}

    @property
    def declared(self) -> str:
        """The declaration as a short text that is compared."""
        return digest(self.declaration)


def digest(declaration: Mapping[str, Any]) -> str:
    """Return a declaration as a short text that is compared."""
    text = json.dumps(declaration, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


class Subset(NamedTuple):
    """The ``part``-th of ``parts`` shares; after a run with each part everything has been looked at."""

    part: int
    parts: int

    def has(self, set_id: str, source: str) -> bool:
        """Return whether a source of a set is in this share. The answer is the same on every host and every run."""
        digest = hashlib.sha256(f"{set_id}/{source}".encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.part - 1


class Settings(NamedTuple):
    """The options of one run. Durations are in seconds, ``verify_level`` is 0 to 3.

    ``others`` are the ``trusted_accounts`` as this host knows them.
    """

    state: str
    dir: Path
    sources: tuple[Source, ...]
    label: str
    name: str
    reason: str
    requested_by: str
    pin_until: Optional[str]
    fresh_for: Optional[float]
    compression: str
    compression_level: Optional[int]
    threads: int
    jobs: int
    verify_level: int
    subset: Optional[Subset]
    which: str
    policy: Optional[Policy]
    max_age: float
    max_shrink: float
    accept_anomaly: bool
    space_factor: float
    scratch_dir: Optional[Path]
    state_dir: str
    incremental: bool = False
    max_chain: int = LONGEST_CHAIN
    sign_key_file: str = ""
    trusted_accounts: tuple[str, ...] = ()
    others: Others = NOBODY_ELSE
    sign_key: bytes = b""
    repository: Optional[Repository] = None
    copies: tuple[Copy, ...] = ()
    copies_policy: str = ALL_COPIES
    drill_days: float = 100.0
    copies_at_once: int = 5
    copies_reread: bool = False

    def __repr__(self) -> str:
        """Return the options as text, without the key."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "sign_key")
        return f"Settings({', '.join(shown)})"

    @property
    def title(self) -> str:
        """The name given to the set that is asked for, else its label."""
        return self.name or self.label

    @property
    def protected(self) -> frozenset[str]:
        """Real paths that a files source leaves out: the backups themselves, and databases that are taken as such."""
        databases = [place_of(source.paths[0]) for source in self.sources if source.type == "sqlite"]
        beside = ("", "-wal", "-shm", "-journal")
        places = [str(self.dir), *(copy.path for copy in self.copies if copy.type == "folder")]
        places += [self.repository.path] if self.repository and self.repository.path else []
        return frozenset([*map(real_path, places), *(path + end for path in databases for end in beside)])


_AS_GIVEN = (  # their type and choices are all that can be asked of them
    *("state", "reason", "requested_by", "pin_until", "compression", "compression_level", "accept_anomaly"),
    *("state_dir", "drill_days", "copies_policy", "copies_at_once", "copies_reread"),
)


def read_settings(params: Mapping[str, Any], platform: str = "") -> Settings:
    """Given a module's parameters and the host's platform, return the settings.

    Raise InputError naming the first option that is wrong.
    """
    _require_paths(params, PATH_REFUSALS.get(platform, _no_refusal))
    sources = _sources(params["sources"])
    policy = _policy("retention", params["retention"], params["max_leap"]) if params["retention"] else None
    settings = Settings(
        dir=_folder(params["dir"]),
        sources=sources,
        label=_name("label", params["label"]),
        name=_name("name", params["name"]) if params["name"] else "",
        fresh_for=parse_seconds("fresh_for", params["fresh_for"]) if params["fresh_for"] else None,
        threads=_at_least(0, "threads", params["threads"]),
        jobs=_at_least(1, "jobs", params["jobs"]),
        verify_level=LEVELS.index(params["verify_level"]),
        subset=_subset(params["subset"]) if params["subset"] else None,
        which=_which(params["set"]),
        policy=policy,
        max_age=_hours("max_age_hours", params["max_age_hours"]) * 3600,
        max_shrink=_share("max_shrink", params["max_shrink"]),
        space_factor=_at_least(0, "space_factor", params["space_factor"]),
        scratch_dir=Path(expand(params["scratch_dir"])) if params["scratch_dir"] else None,
        incremental=params["incremental"] and params["store"] == "archive",
        max_chain=_length(params["max_chain"]),
        sign_key_file=expand(params["sign_key_file"]) if params["sign_key_file"] else "",
        trusted_accounts=check_trusted("trusted_accounts", params["trusted_accounts"]),
        **{name: params[name] for name in _AS_GIVEN},
        repository=read_repository(params, platform),
        copies=read_copies(params, policy, lambda option, given: _policy(option, given, params["max_leap"])),
    )
    check_place(params, platform)
    _require_together(settings)
    return settings


def _no_refusal(_path: str) -> str:
    return ""


# What is wrong with a path as it is declared, by platform; elsewhere any text names a file.
PATH_REFUSALS: dict[str, Callable[[str], str]] = {"windows": declared_refusal}


def _require_paths(params: Mapping[str, Any], refusal: Callable[[str], str]) -> None:
    declared = [("dir", params["dir"]), ("scratch_dir", params["scratch_dir"])]
    for position, source in enumerate(params["sources"]):
        declared += [(f"sources[{position}].path", path) for path in (source["path"], *(source["paths"] or ()))]
    for option, path in declared:
        why = refusal(path) if path else ""
        if why:
            raise InputError(option, path, f"a path such as C:\\CryptoBot or \\\\server\\share\\folder: {why}")


def _require_together(settings: Settings) -> None:
    if settings.repository and settings.copies:
        raise InputError("copies", settings.copies[0].name, "none with store restic, whose sets are no folders")
    if settings.state == "present" and not settings.sources:
        raise InputError("sources", [], "at least one source, because state is present")
    if settings.state == "pruned" and settings.policy is None:
        raise InputError("retention", None, "what to keep, because state is pruned")


def _folder(value: str) -> Path:
    path = Path(expand(value))
    if path == Path(path.anchor):
        raise InputError("dir", value, "a folder of its own, not the root of a file system")
    return path


def _name(option: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InputError(option, value, _A_NAME)
    return value


def _source_name(position: int, value: str) -> str:
    """Return a source's name, which is also the name of its folder in a set."""
    if not _SOURCE_NAME.fullmatch(value) or is_device(value):
        expected = "up to 64 letters, digits, dashes or underscores, the first a letter or digit, and no device (con)"
        raise InputError(f"sources[{position}].name", value, expected)
    return value


def _at_least(least: float, option: str, value: Any) -> Any:
    if value < least:
        raise InputError(option, value, f"{least} or more")
    return value


def _length(value: int) -> int:
    if not 1 <= value <= LONGEST_CHAIN:
        raise InputError("max_chain", value, f"1 to {LONGEST_CHAIN} sets, the full one among them")
    return value


def _hours(option: str, value: float) -> float:
    if value <= 0:
        raise InputError(option, value, "hours above 0: every set is older than that")
    return value


def _share(option: str, value: float) -> float:
    if not 0 < value <= 1:
        raise InputError(option, value, "a share above 0 and up to 1, such as 0.5")
    return value


def _which(value: str) -> str:
    if value not in (NEWEST, ALL) and not is_set_id(value) and not _NAME.fullmatch(value):
        raise InputError("set", value, f"{NEWEST!r}, {ALL!r}, or the id or name of a set")
    return value


def _subset(value: str) -> Subset:
    match = _SUBSET.fullmatch(value)
    if match is None or not 1 <= int(match.group(1)) <= int(match.group(2)):
        raise InputError("subset", value, "part/parts such as 2/7, the part from 1 to the number of parts")
    return Subset(int(match.group(1)), int(match.group(2)))


def _policy(option: str, retention: Mapping[str, Any], max_leap: str) -> Policy:
    counts = {key: _at_least(0, f"{option}.{key}", retention[key]) for key in PERIODS}
    if not any(counts.values()):
        raise InputError(option, dict(retention), f"at least one of {', '.join(PERIODS)} above 0")
    least = _at_least(1, f"{option}.min_keep", retention["min_keep"])
    return Policy(**counts, min_keep=least, max_leap=parse_seconds("max_leap", max_leap))


def _sources(declared: list[Mapping[str, Any]]) -> tuple[Source, ...]:
    sources = tuple(_source(position, given) for position, given in enumerate(declared))
    names = [source.name.casefold() for source in sources]
    twice = [source.name for source in sources if names.count(source.name.casefold()) > 1]
    if twice:
        expected = "each name once, whatever its case, because it names the source's folder in a set"
        raise InputError(f"sources[{twice[-1]}].name", twice[-1], expected)
    return sources


def _source(position: int, given: Mapping[str, Any]) -> Source:
    paths = [path for path in (given["path"], *(given["paths"] or ())) if path]
    _check_paths(position, given, paths)
    return Source(
        name=_source_name(position, given["name"]),
        type=given["type"],
        optional=given["optional"],
        may_be_empty=given["may_be_empty"],
        paths=tuple(expand(path) for path in paths),
        exclude=tuple(given["exclude"]),
        server=_server(given),
        lock_wait=float(_at_least(0, f"sources[{position}].lock_wait_timeout", given["lock_wait_timeout"])),
        system=_system(position, given) if given["type"] == "system" else {},
    )


def _check_paths(position: int, given: Mapping[str, Any], paths: list[str]) -> None:
    kind, option = given["type"], f"sources[{position}].{'path' if given['path'] else 'paths'}"
    if kind in ("files", "sqlite") and not paths:
        raise InputError(f"sources[{position}].path", None, f"what the {kind} source {given['name']!r} holds")
    if kind in PATHLESS and paths:
        raise InputError(option, paths[0], PATHLESS[kind])
    if kind == "redis" and given["paths"]:
        raise InputError(option, given["paths"][0], "path, because a redis source is one file")


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a server that a type of source has."""
    names, port = OF_SERVER.get(given["type"], ((), 0))
    return {name: given[name] or port if name == "login_port" else given[name] for name in names}


def _system(position: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a system source. A name with a slash in it would be a way, not a name."""
    for option in ("services", "accounts"):
        wrong = next((one for one in given[option] if not one or "/" in one or "\\" in one), None)
        if wrong is not None:
            raise InputError(f"sources[{position}].{option}", wrong, "a name, without a path")
    return {name: given[name] for name in OF_SYSTEM} | {"venvs": [expand(path) for path in given["venvs"]]}
