# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of service_check, as plain data. SERVICES is the shape of the inventory variable cryptobot_services."""

from __future__ import annotations

from typing import Any

from ..options import common_options

PORT: dict[str, Any] = {
    "port": {"type": "int", "required": True},
    "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "bind": {"type": "str"},
}

HEALTH: dict[str, Any] = {
    "path": {"type": "str", "default": "/health", "no_log": True},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "timeout": {"type": "float", "default": 5.0},
    "samples": {"type": "int", "default": 3},
    "latency_warn": {"type": "float", "default": 1.0},
    "body_regex": {"type": "str"},
    "json": {"type": "dict", "default": {}},
    "tls_min_days": {"type": "int", "default": 21},
    "tls_verify": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}

DECLARED_IN: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "pattern": {"type": "str", "required": True},
}

SERVICE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "unit": {"type": "str"},
    "label": {"type": "str"},
    "service": {"type": "str"},
    "pid_file": {"type": "path"},
    "command": {"type": "list", "elements": "str"},
    "stop_command": {"type": "list", "elements": "str"},
    "process": {"type": "str"},
    "chdir": {"type": "path"},
    "output": {"type": "path"},
    "user": {"type": "str"},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "enabled": {"type": "bool", "default": True},
    "port": {"type": "int"},
    "bind": {"type": "str"},
    "ports": {"type": "list", "elements": "dict", "options": PORT, "default": []},
    "health": {"type": "dict", "options": HEALTH},
    "depends_on": {"type": "list", "elements": "str", "default": []},
    "declared_in": {"type": "list", "elements": "dict", "options": DECLARED_IN, "default": []},
    "config_files": {"type": "list", "elements": "path", "default": []},
    "start_grace": {"type": "str", "default": "30s"},
    "memory_max": {"type": "str"},
}

SERVICES: dict[str, Any] = {"type": "list", "elements": "dict", "options": SERVICE, "default": []}

PATTERN: dict[str, Any] = {
    "pattern": {"type": "str", "required": True},
    "min_match": {"type": "int", "default": 1},
    "expected": {"type": "list", "elements": "str", "default": []},
}

SPEC: dict[str, Any] = {
    **common_options(180),
    "services": SERVICES,
    "patterns": {"type": "list", "elements": "dict", "options": PATTERN, "default": []},
    "restarts_window": {"type": "str", "default": "1h"},
    "restarts_warn": {"type": "int", "default": 1},
    "restarts_crit": {"type": "int", "default": 3},
    "retries": {"type": "int", "default": 2},
    "delay": {"type": "float", "default": 3.0},
    "open_files_warn": {"type": "int", "default": 70},
    "open_files_crit": {"type": "int", "default": 90},
    "leak_min_samples": {"type": "int", "default": 6},
    "leak_min_span": {"type": "str", "default": "6h"},
    "leak_warn": {"type": "str", "default": "50M"},
}
