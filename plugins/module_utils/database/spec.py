# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of db_vacuum as plain data for an argument_spec."""

from __future__ import annotations

from typing import Any

from ..options import common_options

# Every threshold with its type and default; where each comes from stands in checks.py and in the documentation. A
# database of the list may override any of them, which is why its own options have no defaults.
_THRESHOLDS: dict[str, tuple[str, Any]] = {
    "dead_rows": ("int", 10_000),
    "dead_ratio": ("float", 0.10),
    "analyze_rows": ("int", 50),
    "analyze_ratio": ("float", 0.10),
    "xid_ratio": ("float", 0.5),
    "wraparound_warning_ratio": ("float", 0.9),
    "wraparound_critical_age": ("int", 1_300_000_000),
    "wraparound_critical_left": ("int", 10_000_000),
    "bloat_ratio": ("float", 0.20),
    "bloat_bytes": ("str", "100M"),
    "freelist_ratio": ("float", 0.20),
    "freelist_bytes": ("str", "64M"),
    "wal_bytes": ("str", "64M"),
}


def _thresholds(with_defaults: bool) -> dict[str, Any]:
    return {
        name: {"type": kind, "default": default} if with_defaults else {"type": kind}
        for name, (kind, default) in _THRESHOLDS.items()
    }


_DATABASE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "engine": {"type": "str", "required": True, "choices": ["postgresql", "sqlite"]},
    "path": {"type": "path"},
    "database": {"type": "str"},
    "login_host": {"type": "str"},
    "login_unix_socket": {"type": "path"},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_passfile": {"type": "path", "no_log": False},
    "login_db": {"type": "str", "default": "postgres"},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ssl_rootcert": {"type": "path"},
    "system_user": {"type": "str"},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "thresholds": {"type": "dict", "options": _thresholds(with_defaults=False)},
}

SPEC: dict[str, Any] = {
    **common_options(9000),
    "databases": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": _DATABASE,
        "required_if": [("engine", "sqlite", ("path",)), ("engine", "postgresql", ("database",))],
        "mutually_exclusive": [("login_host", "login_unix_socket"), ("login_password", "login_passfile")],
    },
    "mode": {"type": "str", "default": "run", "choices": ["plan", "run"]},
    "profile": {"type": "str", "default": "normal", "choices": ["gentle", "normal", "fast", "emergency"]},
    "window_minutes": {"type": "int", "default": 120},
    "jobs": {"type": "int", "default": 1},
    "freeze": {"type": "str", "default": "auto", "choices": ["auto", "never", "force"]},
    "analyze": {"type": "str", "default": "auto", "choices": ["auto", "always", "never", "stages"]},
    "truncate": {"type": "str", "default": "auto", "choices": ["auto", "always", "never"]},
    "rewrite": {"type": "str", "default": "advise", "choices": ["never", "advise", "allow"]},
    "exact": {"type": "bool", "default": False},
    "max_xmin_age": {"type": "int", "default": 50_000_000},
    "max_txn_age": {"type": "str", "default": "15m"},
    "lock_timeout": {"type": "str", "default": "2s"},
    "thresholds": {"type": "dict", "apply_defaults": True, "options": _thresholds(with_defaults=True)},
    "hot_tables": {"type": "list", "elements": "str", "default": ["trades", "orders"]},
    "replica_lag_max": {"type": "str", "default": "30s"},
    "load_max": {"type": "float", "default": 4.0},
    "require_backup": {
        "type": "dict",
        "options": {
            "dir": {"type": "path", "required": True},
            "max_age_hours": {"type": "float", "default": 26.0},
            "trusted_accounts": {"type": "list", "elements": "str", "default": []},
        },
    },
    "backup_expected": {"type": "bool", "default": False},
    "integrity": {"type": "str", "default": "quick", "choices": ["quick", "full"]},
    "sqlite_strategy": {
        "type": "str",
        "default": "auto",
        "choices": ["auto", "in_place", "into_swap", "incremental", "advise"],
    },
    "services_stopped": {"type": "bool", "default": False},
}
