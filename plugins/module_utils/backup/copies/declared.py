# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places for copies as they are declared, validated once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional

from ...errors import InputError
from ...options import expand
from ..retention import Policy

ALL, ANY = "all", "any"
MEDIA = {"folder": "disk", "sftp": "server", "rclone": "cloud"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._:%\[\]-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]*")
_REMOTE = re.compile(r":?[A-Za-z0-9_][^:\x00-\x1f]*:.*")


class Copy(NamedTuple):
    """One place. ``max_age`` is in seconds, ``rate`` in bytes a second (0: no limit); no ``policy`` keeps all."""

    name: str
    type: str
    path: str
    mount: str = ""
    host: str = ""
    port: int = 22
    user: str = ""
    key_file: str = ""
    known_hosts_file: str = ""
    config_file: str = ""
    labels: tuple[str, ...] = ()
    policy: Optional[Policy] = None
    max_age: float = 0.0
    rate: int = 0
    media: str = ""
    offsite: bool = False
    immutable: bool = False


PolicyOf = Callable[[str, Mapping[str, Any]], Policy]


def read_copies(params: Mapping[str, Any], policy: Optional[Policy], policy_of: PolicyOf) -> tuple[Copy, ...]:
    """Given a module's parameters, the retention of the sets here and what reads one, return the places.

    Raise InputError naming the first option that is wrong.
    """
    found = tuple(_copy(f"copies[{place}]", one, params, policy, policy_of) for place, one in enumerate(_given(params)))
    for place, copy in enumerate(found):
        if copy.name in [other.name for other in found[:place]]:
            raise InputError(f"copies[{place}].name", copy.name, "each name once")
    needed_of(params["copies_policy"], len(found))
    if params["copies_at_once"] < 1:
        raise InputError("copies_at_once", params["copies_at_once"], "1 or more")
    return found


def _given(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(params["copies"] or ())


def needed_of(policy: str, count: int) -> int:
    """Given a policy and the number of places, return how many must have the newest set."""
    if policy in (ALL, ANY):
        return count if policy == ALL else min(1, count)
    if not policy.isdigit() or not 1 <= int(policy) <= max(1, count):
        raise InputError("copies_policy", policy, f"{ALL!r}, {ANY!r}, or a number from 1 to that of copies ({count})")
    return min(int(policy), count)


def _copy(
    where: str, given: Mapping[str, Any], params: Mapping[str, Any], policy: Optional[Policy], policy_of: PolicyOf
) -> Copy:
    _check(where, given)
    hours = params["max_age_hours"] if given["max_age_hours"] is None else given["max_age_hours"]
    if given["labels"] and given["max_age_hours"] is None:
        expected = "hours, because labels are given: what is seldom is older"
        raise InputError(f"{where}.max_age_hours", None, expected)
    if hours <= 0:
        raise InputError(f"{where}.max_age_hours", hours, "hours above 0: every set is older than that")
    folder = given["type"] == "folder"
    path = expand(given["path"]) if folder else given["path"]
    own = policy_of(f"{where}.retention", given["retention"]) if given["retention"] else policy
    return Copy(
        name=given["name"],
        type=given["type"],
        path=path,
        mount=(expand(given["mount"]) if given["mount"] else path) if folder and given["mounted"] else "",
        host=given["host"] or "",
        port=given["port"],
        user=given["user"] or "",
        **{key: expand(given[key]) if given[key] else "" for key in ("key_file", "known_hosts_file", "config_file")},
        labels=tuple(given["labels"]),
        policy=own,
        max_age=hours * 3600,
        rate=given["rate_limit"] << 10,
        media=given["media"] or MEDIA[given["type"]],
        offsite=given["offsite"],
        immutable=given["immutable"],
    )


def _check(where: str, given: Mapping[str, Any]) -> None:
    """Raise InputError where a value would be taken for something else by the program that gets it."""
    if not _NAME.fullmatch(given["name"]):
        expected = "up to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"
        raise InputError(f"{where}.name", given["name"], expected)
    if given["type"] == "sftp" and not _HOST.fullmatch(given["host"] or ""):
        raise InputError(f"{where}.host", given["host"], "the name or address of the server, because type is sftp")
    if given["user"] and not _USER.fullmatch(given["user"]):
        raise InputError(f"{where}.user", given["user"], "an account of the server")
    if given["type"] == "rclone" and not _REMOTE.fullmatch(given["path"]):
        raise InputError(f"{where}.path", given["path"], "a remote of rclone and a path, such as offsite:bucket/folder")
    absolute = given["path"].startswith(("/", "~", "$", "%", "\\")) or given["path"][1:2] == ":"
    if given["type"] == "folder" and not absolute:
        raise InputError(f"{where}.path", given["path"], "an absolute path")
    if given["type"] != "rclone" and given["path"].strip("/") in ("", "."):
        raise InputError(f"{where}.path", given["path"], "a folder of its own, not the root")
    if not 1 <= given["port"] <= 65535:
        raise InputError(f"{where}.port", given["port"], "a port from 1 to 65535")
    if given["rate_limit"] < 0:
        raise InputError(f"{where}.rate_limit", given["rate_limit"], "KiB in a second, 0 for no limit")
