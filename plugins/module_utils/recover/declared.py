# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a recovery as a frozen record, checked once, with those of the restore that it is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..restore import SPEC as RESTORE
from ..restore.declared import Request
from ..restore.declared import read_request as read_restore
from . import JUDGED

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # of an account or a group, as useradd takes it
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:=~@/-]*")


class StepRow(NamedTuple):
    """One step as declared."""

    name: str
    title: str = ""
    after: str = ""
    tasks: str = ""


class Account(NamedTuple):
    """An account that things of the set belong to; ``uid`` is None where any number will do."""

    name: str
    uid: Optional[int] = None
    group: str = ""
    home: str = ""
    shell: str = "/usr/sbin/nologin"
    groups: tuple[str, ...] = ()


class Recovery(NamedTuple):
    """What is asked for. ``restore`` is what the restore within it is asked for."""

    state: str
    restore: Request
    over: bool
    steps: tuple[StepRow, ...]
    packages: tuple[str, ...]
    recorded_packages: bool
    left_out: tuple[str, ...]
    accounts: tuple[Account, ...]
    servers: tuple[str, ...]
    findings: Optional[Sequence[Mapping[str, Any]]]
    trade_service: str
    failed_step: str
    failure: str

    @property
    def state_dir(self) -> str:
        """Where is remembered what was begun."""
        return self.restore.state_dir


def read_recovery(params: Mapping[str, Any], platform: str = "") -> Recovery:
    """Given the options of the module and the host's platform, return them checked. Raise InputError."""
    defaults = {name: each.get("default") for name, each in RESTORE.items()}
    given = {name: value for name, value in params.items() if name in RESTORE and name not in ("state", "timeout")}
    return Recovery(
        state=params["state"],
        restore=read_restore({**defaults, **given}, platform),
        over=params["over"],
        steps=ordered([_row(place, row) for place, row in enumerate(params["steps"])]),
        packages=tuple(_package(name) for name in params["packages"]),
        recorded_packages=params["recorded_packages"],
        left_out=tuple(params["packages_left_out"]),
        accounts=tuple(_account(place, row) for place, row in enumerate(params["accounts"])),
        servers=tuple(params["servers"]),
        findings=params["findings"],
        trade_service=params["trade_service"],
        failed_step=_failed(params),
        failure=params["failure"] or "",
    )


def _failed(params: Mapping[str, Any]) -> str:
    if params["state"] == JUDGED and params["findings"] is None and not params["failed_step"]:
        raise InputError("findings", None, "what was found when the host was looked at, or failed_step")
    return params["failed_step"] or ""


def ordered(rows: Sequence[StepRow]) -> tuple[StepRow, ...]:
    """Given steps as declared, return them in their order. Raise InputError where one comes after none that there is.

    A later row of a name takes the place of an earlier one, where the earlier one stood unless it says ``after``.
    """
    found: list[StepRow] = []
    for number, row in enumerate(rows):
        names = [each.name for each in found]
        if row.after and row.after not in names:
            raise InputError(f"steps[{number}].after", row.after, f"one of {', '.join(names) or 'no step'}", names)
        place = names.index(row.name) if row.name in names else len(found)
        found = [each for each in found if each.name != row.name]
        if row.after:
            place = [each.name for each in found].index(row.after) + 1
        found.insert(place, row)
    return tuple(found)


def _row(place: int, row: Mapping[str, Any]) -> StepRow:
    if row["after"] and row["after"] == row["name"]:
        raise InputError(f"steps[{place}].after", row["after"], "another step than itself")
    return StepRow(row["name"], row["title"], row["after"] or "", row["tasks"] or "")


def _package(name: str) -> str:
    if not PACKAGE.fullmatch(name):
        raise InputError("packages", name, "the name of a package")
    return name


def _account(place: int, row: Mapping[str, Any]) -> Account:
    for field, name in (("name", row["name"]), *(("groups", group) for group in row["groups"])):
        if not NAME.fullmatch(name):
            raise InputError(f"accounts[{place}].{field}", name, "a name of small letters, digits, - and _")
    if row["uid"] is not None and not 0 < row["uid"] < 2**32 - 1:
        raise InputError(f"accounts[{place}].uid", row["uid"], "a number above 0")
    return Account(
        row["name"], row["uid"], row["name"], row["home"] or "", row["shell"], tuple(dict.fromkeys(row["groups"]))
    )
