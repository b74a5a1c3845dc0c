# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of drills: a line of JSON for each in the state folder, and the lessons sheet as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..backup.times import to_iso
from ..errors import SourceMissing
from ..host import Host
from ..publish import publish_file
from ..units import human_bytes, human_seconds
from .declared import Scenario

FILE = "drills.jsonl"


@dataclass
class Record:
    """One drill. ``phases`` are the seconds of each phase of the way back, ``data_age`` is how old what came back was.

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
    lines = [*_lines(state_dir, host), json.dumps({**asdict(record), "ok": record.ok}, sort_keys=True)]
    folder = Path(state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    publish_file(folder / FILE, "".join(f"{line}\n" for line in lines[-most:]).encode("utf-8"))


def recorded(state_dir: str, host: Host) -> list[Mapping[str, object]]:
    """Return the drills that are remembered, from old to new; a line that is none is left out."""
    found: list[Mapping[str, object]] = []
    for line in _lines(state_dir, host):
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict) and {"scenario", "begun", "ok"} <= set(one):
            found.append(one)
    return found


def _lines(state_dir: str, host: Host) -> list[str]:
    try:
        return host.read(str(Path(state_dir) / FILE)).splitlines()
    except SourceMissing:
        return []


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
        *(f"| note | {line} |" for line in record.notes),
    ]
    past = [one for one in before if one["scenario"] == record.scenario][-5:]
    if past:
        lines += ["", "## The drills before", "", "| begun | all came back |", "|---|---|"]
        lines += [f"| {to_iso(float(str(one['begun'])))} | {'yes' if one['ok'] else 'no'} |" for one in past]
    lines += ["", "## Lessons", ""]
    lines += [f"- {question}\n  -" for question in (*scenario.questions, "What will be done, by whom, until when?")]
    return "\n".join(lines) + "\n"
