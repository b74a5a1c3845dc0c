# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of an inventory, and what the core would refuse of them. Pure."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, find_mistakes, shown
from ansible_collections.cryptobot.maintenance.plugins.module_utils.spelling import nearest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.typed import NO_OPTION
from ansible_collections.cryptobot.maintenance.plugins.module_utils.units import parse_bytes
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import mistakes_in

from .names import (
    FOLDERS,
    KNOWN,
    NOTHING,
    OF_PLAYBOOKS,
    ON_CONTROLLER,
    OPTIONS,
    PLAIN,
    PREFIX,
    is_null,
    is_own,
    is_used_by,
    known_by_its_end,
)

_ROOT = re.compile(r"(?:[A-Za-z]:)?[/\\]*")
_ABSOLUTE = re.compile(r"[/~$%\\]|[A-Za-z]:[\\/]")
_BATCH = re.compile(r"\d+%?")
_OWN = re.compile(r"cryptobot_(?:result_\w+|validation)$")


class Said(NamedTuple):
    """A mistake, and whether it is of what the run uses."""

    mistake: Mistake
    counts: bool


def check(variables: Mapping[str, Any], given: Mapping[str, Any], platform: str, used: Collection[str]) -> list[Said]:
    """Given the variables with all defaults, those that the inventory gives and the platform, return all mistakes.

    ``used`` are the areas that the run uses; what is wrong elsewhere is said and does not count.
    """
    said: dict[str, Said] = {}
    null = [name for name in sorted(KNOWN) if is_null(name, variables)]
    for name in null:
        said[name] = Said(_null(name), counts=is_used_by(name, used))
    for area in OPTIONS:
        for mistake in _looked_at(area, variables, platform):
            if re.split(r"[.\[]", mistake.place)[0] in null:
                continue  # that it is missing is said
            counts = area in used or (str(mistake) in said and said[str(mistake)].counts)
            said[str(mistake)] = Said(mistake, counts)
    for mistake in (*plain_mistakes(variables, platform), *_unknown(given)):
        slip = bool(mistake.meant) and is_own(mistake.place)
        said[str(mistake)] = Said(mistake, counts=slip or mistake.expected != NO_VARIABLE)
    return list(said.values())


def _null(name: str) -> Mistake:
    nothing = f", or write {NOTHING[name]} where there is none" if name in NOTHING else ""
    return Mistake(name, "", f"has no value: remove the line, and its default holds{nothing}")


NO_VARIABLE = "no variable of this collection"


def plain_mistakes(variables: Mapping[str, Any], platform: str) -> Iterator[Mistake]:
    """Given variables and the platform, return the mistakes in those that are no option of an area."""
    for spec, where in ((PLAIN, platform), (ON_CONTROLLER, "linux"), (OF_PLAYBOOKS, "linux")):
        given = {name: variables[name] for name in spec if variables.get(name) is not None}
        yield from find_mistakes(spec, given, _read_plain, where)


def _read_plain(options: Mapping[str, Any]) -> None:
    """Read the options that are of no area. Raise InputError."""
    for name in FOLDERS:
        folder = options.get(name)
        if folder == "":
            raise InputError(name, folder, "an absolute path")
        if folder is not None and (not folder.isprintable() or _ROOT.fullmatch(folder)):
            raise InputError(
                name, folder, "a folder of its own, not the root of a file system, and no line break in it"
            )
    keep = options.get("cryptobot_report_keep")
    if keep is not None and keep < 1:
        raise InputError("cryptobot_report_keep", keep, "1 or more")
    if options.get("cryptobot_report_keep_size") is not None:
        parse_bytes("cryptobot_report_keep_size", options["cryptobot_report_keep_size"])
    for batch in options.get("cryptobot_serial") or ():
        if not _BATCH.fullmatch(batch):
            raise InputError("cryptobot_serial", batch, "a number of hosts such as 2, a share of them such as 20%")


def _unknown(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the variables that nothing knows: neither this collection nor another variable that is made of it.

    One that is another's by its prefix (``crytobot_services``) is named and no mistake: it may well be another's.
    """
    for name in given:
        if name not in KNOWN and not _OWN.match(name) and not _is_used(name, given):
            yield Mistake(
                name, "", NO_VARIABLE, nearest(name, KNOWN, PREFIX) if is_own(name) else known_by_its_end(name)
            )


def _is_used(name: str, given: Mapping[str, Any]) -> bool:
    return any(
        re.search(rf"\b{re.escape(name)}\b", text)
        for other, value in given.items()
        if other != name
        for text in texts(value)
    )


def texts(value: Any) -> Iterator[str]:
    """Yield every text within a value."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def _looked_at(area: str, variables: Mapping[str, Any], platform: str) -> list[Mistake]:
    """Return the mistakes of an area; whatever else looking at it ends in is one too."""
    try:
        return list(_of_area(area, variables, platform))
    except Exception as error:  # noqa: BLE001 - one host's value must not keep all hosts from their maintenance
        return [defect(error, f"the variables of {area}")]


def defect(error: Exception, place: str) -> Mistake:
    """Given what nobody foresaw and where it came up, return it as a mistake, without its text: values may be in it."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {'/'.join(at.filename.split('/')[-2:])}:{at.lineno}"
    return Mistake(place, "", f"cannot be looked at: a defect of the collection ({where}), please report it")


def _of_area(area: str, variables: Mapping[str, Any], platform: str) -> Iterator[Mistake]:
    paths, options = OPTIONS[area], {}
    for name in sorted({path.partition(".")[0] for path in paths.values() if "." in path}):
        inner = variables.get(name)
        if not isinstance(inner, Mapping):
            yield Mistake(name, type(inner).__name__, "a mapping")
            return
        known = [path.partition(".")[2] for path in paths.values() if path.startswith(f"{name}.")]
        for key in inner:
            if key not in known:
                meant = nearest(str(key), known)
                yield Mistake(
                    f"{name}.{key}", "", NO_OPTION if meant else f"{NO_OPTION}, expected one of {known}", meant
                )
    for option, path in paths.items():
        variable, _dot, part = path.partition(".")
        value = variables.get(variable)
        value = value.get(part) if part else value
        if value not in (None, ""):
            options[option] = value
    beside, origins = _beside(area, variables)
    for mistake in mistakes_in(area, {**options, **beside}, (platform,)):
        place = origins.get(mistake.value) if mistake.place.partition(".")[0] in beside else None
        yield mistake._replace(place=place or _place(mistake.place, paths))


def _beside(area: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the options that the roles make of several variables, and where each value of them comes from."""
    backup = variables.get("cryptobot_backup")
    places = {"cryptobot_backup.dir": backup.get("dir") if isinstance(backup, Mapping) else None}
    if area == "database":
        folder = places["cryptobot_backup.dir"]
        found = {"require_backup": {"dir": folder}} if isinstance(folder, str) and folder else {}
        return found, {shown(folder): "cryptobot_backup.dir"}
    if area != "cleanup":
        return {}, {}
    places.update({name: variables.get(name) for name in ("cryptobot_report_dir", "cryptobot_state_dir")})
    databases = variables.get("cryptobot_databases")
    for position, each in enumerate(databases if isinstance(databases, list) else ()):
        if isinstance(each, Mapping):
            places[f"cryptobot_databases[{position}].path"] = each.get("path")
    absolute = {name: place for name, place in places.items() if isinstance(place, str) and _ABSOLUTE.match(place)}
    return {"protected": list(absolute.values())}, {shown(place): name for name, place in absolute.items()}


def _place(place: str, paths: Mapping[str, str]) -> str:
    """Return where a mistake is in the inventory, given where it is among the options of an area."""
    option = re.match(r"\w+", place)
    name = option.group() if option else ""
    return f"{paths[name]}{place[len(name) :]}" if name in paths else place
