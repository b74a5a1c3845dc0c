# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was the way back tried lately? Drills are remembered by the host that played them, and by the set that came back:
a host of its own for drills is seen here by the latter, where the backup folder is shared with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from ..errors import SourceMissing
from ..finding import OK, SKIPPED, WARNING
from ..host import Host
from ..registry import Outcome, Rules
from ..units import human_seconds
from .context import Context
from .declared import Settings
from .model import DRILL, Catalog
from .names import is_set_id
from .times import moment_of, to_iso

RULES = Rules()
FILE = "drills.jsonl"


def lines_of(state_dir: str, host: Host) -> list[str]:
    """Return the lines that are kept of drills, from old to new."""
    try:
        return host.read(str(Path(state_dir) / FILE)).splitlines()
    except SourceMissing:
        return []


def recorded(state_dir: str, host: Host) -> list[Mapping[str, object]]:
    """Return the drills that are remembered, from old to new; a line that is none is left out."""
    found: list[Mapping[str, object]] = []
    for line in lines_of(state_dir, host):
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict) and {"scenario", "begun", "ok"} <= set(one):
            found.append(one)
    return found


def last_drill(settings: Settings, catalog: Catalog, host: Host) -> Optional[float]:
    """Return when the sets of this host last came back in a drill, in seconds since the epoch; None for never."""
    own = [one for one in recorded(settings.state_dir, host) if one["ok"] and one.get("of_host") == host.name()]
    known = [found.verification for found in catalog.sets if found.manifest.host == host.name()]
    named = [str(one.evidence.get(DRILL)) for one in known if one is not None and one.ok]
    moments = [*(float(str(one["begun"])) for one in own), *(moment_of(name) for name in named if is_set_id(name))]
    return max((moment for moment in moments if moment <= host.now()), default=None)


def begun(catalog: Catalog, last_run: Mapping[str, Any]) -> Optional[float]:
    """Return since when this host is known to have backups, as far as that is still told; None where it has none."""
    since = [one.created for one in catalog.on_time[:1]]
    since += [float(last_run["since"])] if isinstance(last_run.get("since"), (int, float)) else []
    return min(since, default=None)


@RULES.rule(
    "backup.drill",
    procedure="Q3.1",
    remedy="ansible-playbook cryptobot.maintenance.dr_drill, from a timer once a quarter: docs/drill.md.",
    source="drills.jsonl in state_dir and the evidence of the sets; a drill a quarter is what the procedures ask for.",
    title="A set of this host came back in a drill within the last 100 days (drill_days). A host whose backups are "
    "younger than that has time for its first one.",
)
def judge_drill(context: Context) -> Iterator[Outcome]:
    """Yield how long ago the last drill was, or since when there should have been one."""
    due, since = context.settings.drill_days * 86400, begun(context.catalog, context.last_run)
    if context.drilled is not None:
        age = context.now - context.drilled
        message = f"a set came back in a drill {human_seconds(age)} ago"
        yield Outcome(WARNING if 0 < due < age else OK, message, due or None, round(age))
    elif not due or since is None or context.platform not in ("", "linux"):
        why = "there is no set yet" if due and since is None else "none is asked for here: drill_days is 0, or no Linux"
        yield Outcome(SKIPPED, f"no drill was played; {why}", remedy="")
    elif context.now - since > due:
        message = f"there are backups since {to_iso(since)} at least, and none of them ever came back in a drill"
        yield Outcome(WARNING, message, due)
    else:
        yield Outcome(SKIPPED, f"no drill was played yet; the first one is due by {to_iso(since + due)}", remedy="")
