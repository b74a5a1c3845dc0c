# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is made of: disks, memory, processors, clock. THRESHOLDS is the shape of cryptobot_thresholds."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

SKIPPABLE = (
    "clock",
    "connections",
    "cpu",
    "deleted_open_files",
    "disk_forecast",
    "disk_space",
    "inodes",
    "iowait",
    "load",
    "memory",
    "mounts",
    "not_looked_at",
    "oom_kills",
    "open_files",
    "steal",
    "swap",
)  # each check of this area but for the one about a platform that is not known

_MOUNT: dict[str, Any] = {
    "mount": option("path", "The path at which it is mounted.", required=True),
    "ignore": option("bool", "Whether this mount is not looked at.", default=False),
    "disk_free_warning": option("float", "Percentage that must stay free on this mount."),
    "disk_free_critical": option("float", "The same, below which it is critical."),
    "disk_free_bytes_warning": option("str", "Size that must stay free on this mount."),
    "disk_free_bytes_critical": option("str", "The same, below which it is critical."),
    "inodes_free_warning": option("float", "Percentage of the inodes that must stay free on this mount."),
    "inodes_free_critical": option("float", "The same, below which it is critical."),
}

# Where the numbers come from stands with each rule.
THRESHOLDS: dict[str, Any] = {
    "disk_free_warning": option(
        "float",
        (
            "Percentage of a file system that must stay free, counted as C(df) does, so space reserved for root is no "
            "space."
        ),
        default=20.0,
    ),
    "disk_free_critical": option("float", "The same, below which it is critical.", default=5.0),
    "disk_free_bytes_warning": option(
        "str", "Size that must stay free beside the percentage, such as V(10G). Not looked at by default."
    ),
    "disk_free_bytes_critical": option("str", "The same, below which it is critical."),
    "inodes_free_warning": option("float", "Percentage of the inodes that must stay free.", default=10.0),
    "inodes_free_critical": option("float", "The same, below which it is critical.", default=3.0),
    "mounts": option(
        "list of dict",
        [
            "Bounds of single mounts. What an entry leaves out is taken from the bounds of all mounts.",
            "A mount that is named here and is not mounted is critical.",
        ],
        default=[],
        options=_MOUNT,
    ),
    "forecast_warning": option(
        "str",
        (
            "A file system that will be full within this time is a warning, if less than "
            "O(thresholds.forecast_free_warning) of it is free."
        ),
        default="24h",
    ),
    "forecast_critical": option(
        "str",
        "The same, within which it is critical, if less than O(thresholds.forecast_free_critical) is free.",
        default="4h",
    ),
    "forecast_free_warning": option(
        "float", "Percentage of free space above which a forecast is never a warning.", default=40.0
    ),
    "forecast_free_critical": option(
        "float", "Percentage of free space above which a forecast is never critical.", default=20.0
    ),
    "memory_available_warning": option(
        "float", "Percentage of memory that must be available to new work.", default=10.0
    ),
    "memory_available_critical": option("float", "The same, below which it is critical.", default=5.0),
    "swap_used_warning": option("float", "Percentage of swap that may be used.", default=80.0),
    "swap_used_critical": option("float", "The same, above which it is critical. Not looked at by default."),
    "load_warning": option("float", "Load average of 15 minutes that each processor may have.", default=2.0),
    "load_critical": option(
        "float", "The same, above which it is critical. Not looked at by default, because waiting counts as load."
    ),
    "cpu_busy_warning": option(
        "float",
        (
            "Percentage of processor time that may be used. It counts only where the load of 5 minutes is at least 1 "
            "for each processor too, because the sample is short."
        ),
        default=80.0,
    ),
    "iowait_warning": option(
        "float", "Percentage of processor time that may be spent waiting for storage.", default=10.0
    ),
    "steal_warning": option(
        "float", "Percentage of processor time that the hypervisor may give to others.", default=10.0
    ),
    "open_files_warning": option(
        "float", "Percentage of the kernel's limit of open files that may be used.", default=70.0
    ),
    "open_files_critical": option("float", "The same, above which it is critical.", default=90.0),
    "connections_warning": option(
        "float", "Percentage of the kernel's limit of tracked connections that may be used.", default=75.0
    ),
    "connections_critical": option("float", "The same, above which it is critical.", default=95.0),
    "clock_offset_warning": option("float", "Seconds that the clock may be off.", default=0.05),
    "clock_offset_critical": option("float", "The same, above which it is critical.", default=1.0),
    "oom_window": option(
        "str", "How far back the kernel's log is searched for processes killed for want of memory.", default="24h"
    ),
    "deleted_open_warning": option(
        "str", "Size that deleted files may hold while a process has them open.", default="1G"
    ),
    "skip": option(
        "list of str",
        "Checks that are left out on this host, so that an inventory can say it. O(skip) adds to them.",
        choices=list(SKIPPABLE),
        default=[],
    ),
}

SPEC: dict[str, Any] = {
    "thresholds": option(
        "dict",
        [
            "From where on a number is bad. Percentages are 0 to 100. What is left out keeps its default.",
            (
                "This is the inventory variable C(cryptobot_thresholds). Where the defaults come from stands with each "
                "check in C(docs/checks.md)."
            ),
        ],
        default={},
        apply_defaults=True,
        options=THRESHOLDS,
        variable="cryptobot_thresholds",
    ),
    "skip": option(
        "list of str",
        "Checks that are left out. Each is reported as V(skipped), so a report shows that nobody looked.",
        choices=list(SKIPPABLE),
        default=[],
    ),
    "sample_seconds": option(
        "float",
        (
            "Seconds over which processor time is measured, at most 60. The module is busy with other looks meanwhile "
            "and waits only for the rest. V(0) takes no sample."
        ),
        default=0.5,
    ),
    "scan_seconds": option(
        "float", "Seconds that the search for deleted open files may take, at most 60.", default=10.0
    ),
    **common_options(60),
}

AREA = declare(
    __name__,
    module="resource_check",
    spec=SPEC,
    procedures=("D1.1",),
)
