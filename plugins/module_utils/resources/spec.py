# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module resource_check, as plain data for an argument_spec."""

from __future__ import annotations

from typing import Any

from ..options import common_options
from .checks import SKIPPABLE

_MOUNT_LIMITS: dict[str, Any] = {
    "disk_free_warning": {"type": "float"},
    "disk_free_critical": {"type": "float"},
    "disk_free_bytes_warning": {"type": "str"},
    "disk_free_bytes_critical": {"type": "str"},
    "inodes_free_warning": {"type": "float"},
    "inodes_free_critical": {"type": "float"},
}

# Where the numbers come from stands with each check in checks.py.
THRESHOLDS: dict[str, Any] = {
    **_MOUNT_LIMITS,
    "disk_free_warning": {"type": "float", "default": 20.0},
    "disk_free_critical": {"type": "float", "default": 5.0},
    "inodes_free_warning": {"type": "float", "default": 10.0},
    "inodes_free_critical": {"type": "float", "default": 3.0},
    "mounts": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "mount": {"type": "path", "required": True},
            "ignore": {"type": "bool", "default": False},
            **_MOUNT_LIMITS,
        },
    },
    "forecast_warning": {"type": "str", "default": "24h"},
    "forecast_critical": {"type": "str", "default": "4h"},
    "forecast_free_warning": {"type": "float", "default": 40.0},
    "forecast_free_critical": {"type": "float", "default": 20.0},
    "memory_available_warning": {"type": "float", "default": 10.0},
    "memory_available_critical": {"type": "float", "default": 5.0},
    "swap_used_warning": {"type": "float", "default": 80.0},
    "swap_used_critical": {"type": "float"},
    "load_warning": {"type": "float", "default": 2.0},
    "load_critical": {"type": "float"},
    "cpu_busy_warning": {"type": "float", "default": 80.0},
    "iowait_warning": {"type": "float", "default": 10.0},
    "steal_warning": {"type": "float", "default": 10.0},
    "open_files_warning": {"type": "float", "default": 70.0},
    "open_files_critical": {"type": "float", "default": 90.0},
    "connections_warning": {"type": "float", "default": 75.0},
    "connections_critical": {"type": "float", "default": 95.0},
    "clock_offset_warning": {"type": "float", "default": 0.05},
    "clock_offset_critical": {"type": "float", "default": 1.0},
    "oom_window": {"type": "str", "default": "24h"},
    "deleted_open_warning": {"type": "str", "default": "1G"},
    "skip": {"type": "list", "elements": "str", "default": [], "choices": list(SKIPPABLE)},
}

SPEC: dict[str, Any] = {
    "thresholds": {"type": "dict", "default": {}, "apply_defaults": True, "options": THRESHOLDS},
    "skip": {"type": "list", "elements": "str", "default": [], "choices": list(SKIPPABLE)},
    "sample_seconds": {"type": "float", "default": 0.5},
    "scan_seconds": {"type": "float", "default": 10.0},
    **common_options(60),
}
