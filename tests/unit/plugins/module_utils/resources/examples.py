# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A healthy host, and ways to change one thing about it: the tables of the tests name only what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Evidence
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.declared import (
    Thresholds,
    read_thresholds,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Absent,
    Clock,
    Counted,
    CpuShares,
    HeldFiles,
    Load,
    Memory,
    Mount,
    OomKills,
    Snapshot,
    Usage,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import RULES

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
GIB = 1 << 30
HOUR, DAY = 3600.0, 86400.0
NOW = 1_800_000_000.0

USAGE = Usage(size=100 * GIB, used=50 * GIB, available=50 * GIB, inodes=1000, inodes_available=900)
HEALTHY = Snapshot(
    at=NOW,
    mounts=(Mount("/", "/dev/vda", "ext4", USAGE),),
    lost_mounts={},
    memory=Memory(16 * GIB, 8 * GIB),
    swap=Counted(0, 2 * GIB),
    load=Load(0.5, 0.5, 0.5, 2),
    cpu=CpuShares(0.1, 0.01, 0.0),
    open_files=Counted(1000, 100_000),
    connections=Absent("the kernel tracks no connections"),
    clock=Clock("chronyc", synchronised=True, offset=0.0001),
    oom=OomKills(0, "this host", NOW - 10 * DAY, "boot-1", Evidence((), NOW - 10 * DAY)),
    held=HeldFiles(()),
)


def fixture(name: str) -> str:
    """Return a recorded text by its path below tests/fixtures."""
    return (FIXTURES / name).read_text(encoding="utf-8")


def defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """Return what Ansible makes of no options at all, suboptions included."""
    return {
        name: defaults(option["options"]) if option.get("apply_defaults") else option.get("default")
        for name, option in spec.items()
    }


def options(**changes: Any) -> dict[str, Any]:
    """Return the defaults of the option ``thresholds`` with changes."""
    known = defaults(SPEC["thresholds"]["options"])
    unknown = changes.keys() - known.keys()
    if unknown:
        raise KeyError(f"the spec has no {unknown}")
    return {**known, **changes}


def mount_options(mount: str, **changes: Any) -> dict[str, Any]:
    """Return one element of ``thresholds.mounts`` as Ansible completes it."""
    return {**defaults(SPEC["thresholds"]["options"]["mounts"]["options"]), "mount": mount, **changes}


def thresholds(**changes: Any) -> Thresholds:
    """Return the default thresholds with changes."""
    return read_thresholds(options(**changes))


def observed(**changes: Any) -> Snapshot:
    """Return the healthy host with changes."""
    return HEALTHY._replace(**changes)


def mounted(path: str = "/", **changes: Any) -> tuple[Mount, ...]:
    """Return one mount whose usage differs from the healthy one."""
    return (Mount(path, "/dev/vda", "ext4", USAGE._replace(**changes)),)


NO_HISTORY = History()


def findings(
    check: str, seen: Snapshot, limits: Thresholds | None = None, history: History = NO_HISTORY
) -> list[Finding]:
    """Return the findings of one check."""
    found = Context(seen, limits or thresholds(), history).judged_by(RULES)
    return [finding for finding in found if finding.check == f"resources.{check}"]


def the_one(check: str, seen: Snapshot, limits: Thresholds | None = None, history: History = NO_HISTORY) -> Finding:
    """Return the only finding of one check; more or fewer are a failure of the test."""
    (finding,) = findings(check, seen, limits, history)
    return finding
