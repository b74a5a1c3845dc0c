# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module backup_archive."""

from __future__ import annotations

from typing import Any

from ..options import common_options

_SOURCE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": ["files", "sqlite", "postgresql"]},
    "optional": {"type": "bool", "default": False},
    "may_be_empty": {"type": "bool", "default": False},
    "path": {"type": "path"},
    "paths": {"type": "list", "elements": "path"},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "database": {"type": "str", "default": "*"},
    "login_host": {"type": "str"},
    "login_unix_socket": {"type": "path"},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "system_user": {"type": "str"},
    "bin_dir": {"type": "path"},
    "globals": {"type": "bool", "default": True},
    "role_passwords": {"type": "bool", "default": True},
    "rows": {"type": "str", "default": "exact", "choices": ["exact", "estimated", "none"]},
    "lock_wait_timeout": {"type": "int", "default": 60},
}

_RETENTION: dict[str, Any] = {
    "daily": {"type": "int", "default": 0},
    "weekly": {"type": "int", "default": 0},
    "monthly": {"type": "int", "default": 0},
    "yearly": {"type": "int", "default": 0},
    "min_keep": {"type": "int", "default": 3},
}

SPEC: dict[str, Any] = {
    "state": {"type": "str", "default": "present", "choices": ["present", "verified", "listed", "pruned"]},
    "dir": {"type": "path", "required": True},
    "sources": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _SOURCE,
        "required_if": [("type", "sqlite", ("path",)), ("type", "files", ("path", "paths"), True)],
        "mutually_exclusive": [("path", "paths"), ("login_host", "login_unix_socket")],
    },
    "label": {"type": "str", "default": "regular"},
    "name": {"type": "str"},
    "reason": {"type": "str", "default": ""},
    "requested_by": {"type": "str", "default": ""},
    "pin_until": {"type": "str"},
    "fresh_for": {"type": "str"},
    "compression": {"type": "str", "default": "auto", "choices": ["auto", "zstd", "gzip", "lzma", "none"]},
    "compression_level": {"type": "int"},
    "threads": {"type": "int", "default": 0},
    "jobs": {"type": "int", "default": 2},
    "verify_level": {"type": "str", "default": "L2", "choices": ["L0", "L1", "L2", "L3"]},
    "subset": {"type": "str"},
    "set": {"type": "str", "default": "newest"},
    "retention": {"type": "dict", "options": _RETENTION},
    "max_leap": {"type": "str", "default": "35d"},
    "max_age_hours": {"type": "float", "default": 26.0},
    "max_shrink": {"type": "float", "default": 0.5},
    "accept_anomaly": {"type": "bool", "default": False},
    "space_factor": {"type": "float", "default": 2.0},
    "scratch_dir": {"type": "path"},
    "sign_key_file": {"type": "path", "no_log": False},
    "trusted_accounts": {"type": "list", "elements": "str", "default": []},
    **common_options(14400),
}
