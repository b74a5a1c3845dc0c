# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module disk_cleanup, as plain data for an argument_spec."""

from __future__ import annotations

from typing import Any

from ..options import common_options

RULE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "patterns": {"type": "list", "elements": "str", "default": []},
    "age": {"type": "str"},
    "age_by": {"type": "str", "choices": ["mtime", "ctime", "atime", "newest"], "default": "mtime"},
    "owner": {"type": "str"},
    "keep": {"type": "int", "default": 0},
    "recurse": {"type": "bool", "default": False},
    "min_size": {"type": "str"},
    "empty_dirs": {"type": "bool", "default": False},
    "optional": {"type": "bool", "default": False},
}

SPEC: dict[str, Any] = {
    "rules": {"type": "list", "elements": "dict", "required": True, "options": RULE},
    "install_dir": {"type": "path"},
    "protected": {"type": "list", "elements": "path", "default": []},
    "free_bytes": {"type": "str"},
    "max_files": {"type": "int", "default": 100000},
    "max_entries": {"type": "int", "default": 200000},
    "scan_seconds": {"type": "float", "default": 60.0},
    "reclaimable_warning": {"type": "str", "default": "1G"},
    "usage_roots": {"type": "list", "elements": "path", "default": []},
    **common_options(600),
}
