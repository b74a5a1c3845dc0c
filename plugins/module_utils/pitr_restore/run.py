# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pitr_restore: plan a restore to a moment, do it beside the live cluster, and remove it again."""

from __future__ import annotations

import os
from typing import Any, Optional

from ..errors import CoreError, InputError
from ..finding import FAILED, Action, Result
from ..host import Host
from ..lock import host_lock
from ..pitr.collect import collect
from ..pitr.declared import PGBACKREST
from ..registry import Rules
from ..steps import Step
from . import rules_restore
from .act import PREFIX, Restored, Run
from .copy import Copy, free_port
from .declared import Wanted, read_request
from .plan import Choice, Destination, Refusal, choose, refusals, steps
from .rules_restore import Context
from .survey import MARKER, read_marker, size_of, survey

RULES = Rules(rules_restore.RULES)
LOCK = "DB3.2 pitr_restore"
SYSTEMS = ("linux", "darwin")


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of pitr_restore, return what was done, or in check mode what would be.

    Raise InputError before anything is looked at, LockHeld where another maintenance run works on this host.
    """
    request = read_request(params)
    if host.platform not in SYSTEMS:
        raise CoreError(f"a cluster on a {host.platform} host cannot be restored by this release")
    if check_mode:
        return _run(request, host, None)
    with host_lock(params["state_dir"], LOCK, host) as heartbeat:
        return _run(request, host, heartbeat)


def _run(request: Wanted, host: Host, heartbeat: Any) -> Result:
    marker = read_marker(request, host)
    if not request.present:
        return _absent(request, host, marker, act=heartbeat is not None)
    if _is_there(request, host, marker):
        restored = Restored(None, marker["stopped"], marker["content"], marker["timeline"])
        return _result(Context(request, restored=restored), marker)
    observation = collect(host, request.cluster)
    choice, refused = choose(request, observation)
    place = Destination()
    if choice is not None:
        choice = _sized(request, choice)
        place = survey(host, request, observation, choice)
        refused = [*refused, *refusals(request, choice, place)]
    if choice is None or refused:
        return _refused(request, refused, choice)
    planned = steps(request, choice, place)
    if heartbeat is None:
        return _result(Context(request, choice=choice, actions=[step.planned() for step in planned]), {})
    copy = Copy(request, host, free_port(request.port) or request.port, place.major)
    work = Run(copy, choice, place, heartbeat)
    actions = work.carry_out(planned)
    return _result(Context(request, (), choice, actions, work.done), {"port": copy.port})


def _sized(request: Wanted, choice: Choice) -> Choice:
    if request.cluster.engine == PGBACKREST or choice.backup.size:
        return choice
    folder = os.path.join(request.cluster.base_dir, choice.backup.label)
    return choice._replace(backup=choice.backup._replace(size=size_of(folder)))


def _is_there(request: Wanted, host: Host, marker: dict[str, Any]) -> bool:
    """Return whether this very restore is there and runs already."""
    if (
        marker.get("made_by") != PREFIX
        or marker.get("identity") != request.identity()
        or marker.get("stage") != "running"
    ):
        return False
    return Copy(request, host, int(marker["port"]), int(marker["major"])).running()


def _refused(request: Wanted, refused: list[Refusal], choice: Optional[Choice]) -> Result:
    result = _result(Context(request, refused, choice), {})
    result.failure = f"nothing was done: {refused[0].message}. {refused[0].remedy}"
    return result


def _absent(request: Wanted, host: Host, marker: dict[str, Any], *, act: bool) -> Result:
    """Stop a copy and remove what was made of it; nothing else that may lie in the folder."""
    if not os.path.lexists(request.dir):
        return _result(Context(request), {})
    if marker.get("made_by") != PREFIX:
        raise InputError("dir", request.dir, f"a folder that pitr_restore made: there is no {MARKER} of ours in it")
    copy = Copy(request, host, int(marker["port"]), int(marker["major"]))
    planned = [Step("remove", request.dir, "stop the copy, and remove what was made of it")]
    if not act:
        return _result(Context(request, actions=[step.planned() for step in planned]), {})
    try:
        if os.path.isdir(request.data) and copy.running():
            copy.stop()
        copy.remove()
        os.unlink(os.path.join(request.dir, MARKER))
        os.rmdir(request.dir)
    except (CoreError, OSError) as error:
        return _result(Context(request, actions=[planned[0].ended(FAILED, str(error))]), {})
    return _result(Context(request, actions=[planned[0].ended()]), {})


def _result(context: Context, more: dict[str, Any]) -> Result:
    failed: list[Action] = [action for action in context.actions if action.state == FAILED]
    return Result(
        RULES.judge(context),
        actions=list(context.actions),
        data={"restored": _as_data(context, more)},
        changed=bool(context.actions),
        failure=f"{failed[0].action}: {failed[0].reason}" if failed else "",
    )


def _as_data(context: Context, more: dict[str, Any]) -> dict[str, Any]:
    request, restored, choice = context.request, context.restored, context.choice
    return {
        "cluster": request.cluster.name,
        "dir": request.dir,
        "target": request.in_words() if request.present else "",
        "set": choice.backup.label if choice else str(more.get("set", "")),
        "port": int(more.get("port", 0)),
        "socket": request.run,
        "stopped_at": restored.stopped if restored else "",
        "last_commit": restored.reached.last_commit if restored and restored.reached else more.get("last_commit"),
        "timeline": restored.timeline if restored else 0,
        "content": dict(restored.content) if restored else {},
        "aside": restored.aside if restored else "",
        "seconds": dict(restored.seconds) if restored else {},
    }
