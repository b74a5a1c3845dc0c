# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of drills: a line of JSON for each in the state folder, and the lessons sheet as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..backup.rules_drills import FILE, lines_of
from ..backup.times import to_iso
from ..host import Host
from ..publish import publish_file
from ..units import human_bytes, human_seconds
from .declared import Scenario


@dataclass
class Record:
    """One drill. ``phases`` are the seconds of each phase of the way back, ``data_age`` is how old what came back was,
    ``level`` is what it proved of the set: L4 where the application was tried, empty where not all of it came back.

    ``why`` says what failed; empty where all is back.
    """

    id: str
    scenario: str
    host: str
    begun: float
    rto_target: float
    rpo_target: float
    set_id: str = ""
    of_host: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    data_age: float = 0.0
    bytes: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    noticed: str = ""
    smoke: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    level: str = ""
    why: str = ""

    @property
    def seconds(self) -> float:
        """How long the way back took."""
        return sum(self.phases.values())

    @property
    def ok(self) -> bool:
        """Whether all came back, and within both targets."""
        return not self.why and self.seconds <= self.rto_target and self.data_age <= self.rpo_target


def keep(record: Record, state_dir: str, most: int, host: Host) -> None:
    """Add a drill to those that are remembered, of which the newest ``most`` stay. Raise CoreError or OSError."""
    lines = [*lines_of(state_dir, host), json.dumps({**asdict(record), "ok": record.ok}, sort_keys=True)]
    folder = Path(state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    publish_file(folder / FILE, "".join(f"{line}\n" for line in lines[-most:]).encode("utf-8"))


def sheet(record: Record, scenario: Scenario, before: Sequence[Mapping[str, object]]) -> str:
    """Given a drill, what was played and the drills before, return the lessons sheet."""
    outcome = "everything came back within its targets" if record.ok else record.why or "a target was missed"
    lines = [
        f"# Drill {record.id}: {scenario.name}",
        "",
        f"{scenario.title}",
        "",
        f"**{outcome[:1].upper()}{outcome[1:]}.**",
        "",
        "| | |",
        "|---|---|",
        f"| host of the drill | {record.host} |",
        f"| set | {record.set_id or 'none'} of {record.of_host or 'nobody'}, {human_bytes(record.bytes)} |",
        f"| begun | {to_iso(record.begun)} |",
        f"| time to recover (RTO) | {human_seconds(record.seconds)}, at most {human_seconds(record.rto_target)} |",
        f"| data lost (RPO) | {human_seconds(record.data_age)}, at most {human_seconds(record.rpo_target)} |",
        *(f"| phase {name} | {spent:.1f} s |" for name, spent in record.phases.items()),
        *(f"| source {name} | {count} files, rows or keys, compared |" for name, count in record.sources.items()),
        f"| the damage | {record.noticed or 'none was done to a copy'} |",
        *(f"| smoke test | {line} |" for line in record.smoke),
        f"| level of the set | {record.level or 'none: not all of it came back'} |",
        *(f"| note | {line} |" for line in record.notes),
    ]
    past = [one for one in before if one["scenario"] == record.scenario][-5:]
    if past:
        lines += ["", "## The drills before", "", "| begun | all came back |", "|---|---|"]
        lines += [f"| {to_iso(float(str(one['begun'])))} | {'yes' if one['ok'] else 'no'} |" for one in past]
    lines += ["", "## Lessons", ""]
    lines += [f"- {question}\n  -" for question in (*scenario.questions, "What will be done, by whom, until when?")]
    return "\n".join(lines) + "\n"
