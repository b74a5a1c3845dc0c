# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the trading guard, as plain data: the shape of the inventory variable cryptobot_trading."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    "service": {"type": "str", "default": "trade"},
    "url": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "tls_verify": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    # The application lists its open orders nowhere: trade takes POST /api/trades/orders only, a GET is answered 405.
    "orders_path": {"type": "str", "default": ""},
    "orders_items": {"type": "str"},
    "state_field": {"type": "str", "default": "status"},
    "states_in_flight": {"type": "list", "elements": "str", "default": []},
    "states_final": {"type": "list", "elements": "str", "default": []},
    "dry_run_path": {"type": "str", "default": "/api/v1/settings/dry_run"},
    "dry_run_field": {"type": "str", "default": "dry_run"},
    "dry_run": {"type": "bool"},
    "asks": {"type": "int", "default": 8},
    "workers": {"type": "int"},
    "timeout": {"type": "float", "default": 5.0},
    "when_orders": {"type": "str", "choices": ["refuse", "proceed", "wait"], "default": "refuse"},
    "when_unknown": {"type": "str", "choices": ["refuse", "proceed"], "default": "refuse"},
    "wait_timeout": {"type": "str", "default": "5m"},
    "wait_delay": {"type": "float", "default": 5.0},
}

TRADING: dict[str, Any] = {"type": "dict", "options": OPTIONS, "apply_defaults": True}
