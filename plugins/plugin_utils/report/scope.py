# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of the inventory and of the procedures a run was about: only a whole, real run stands for the system."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

WHOLE, PARTIAL, CHECK = "whole", "partial", "check"


class Call(NamedTuple):
    """How ansible-playbook was called: what narrows a run, and which hosts it is about."""

    playbook: str
    check_mode: bool
    tags: Sequence[str] = ("all",)
    skip_tags: Sequence[str] = ()
    limit: str = ""
    narrowed: Sequence[str] = ()  # by other means: --start-at-task, --step, -e cryptobot_hosts=...
    asked: Sequence[str] = ()
    targeted: Sequence[str] = ()


def scope_of(call: Call, hosts: Sequence[Mapping[str, Any]], mistaken: Collection[str] = ()) -> dict[str, Any]:
    """Given how the run was called, its hosts as they are in the report and those of them that were left out because
    their variables are wrong, return its scope.

    The latter do not make it a part: they were meant, and are in the report as unknown, as hosts are that were lost.
    """
    missing = sorted(set(call.asked) - set(call.targeted))
    why = [*_narrowed(call), *([f"{len(missing)} of {len(call.asked)} hosts were left out"] if missing else [])]
    return {
        "kind": PARTIAL if why else CHECK if call.check_mode else WHOLE,
        "why": why,
        "playbook": call.playbook,
        "check_mode": call.check_mode,
        "tags": list(call.tags),
        "skip_tags": list(call.skip_tags),
        "limit": call.limit,
        "hosts_asked": len(set(call.asked) | set(call.targeted)),
        "hosts_targeted": len(call.targeted),
        "hosts_reached": sum(host["reached"] for host in hosts),
        "hosts_answered": sum(bool(host["procedures"]) and host["name"] not in mistaken for host in hosts),
        "hosts_left_out": sorted({*missing, *mistaken}),
    }


def _narrowed(call: Call) -> list[str]:
    tags = [] if set(call.tags) <= {"all"} else [f"--tags {','.join(call.tags)}"]
    skipped = [f"--skip-tags {','.join(call.skip_tags)}"] if call.skip_tags else []
    limit = [f"--limit {call.limit}"] if call.limit else []
    return [*tags, *skipped, *limit, *call.narrowed]


def in_words(scope: Mapping[str, Any]) -> str:
    """Given a scope, return it as one line for people, empty for a whole real run."""
    planned = ["planned only (check mode): nothing was changed"] if scope["check_mode"] else []
    return "; ".join([*planned, *([f"a part of it: {', '.join(scope['why'])}"] if scope["why"] else [])])
