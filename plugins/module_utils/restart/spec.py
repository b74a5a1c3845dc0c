# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of service_restart, as plain data."""

from __future__ import annotations

from typing import Any

from ..options import common_options
from ..services.spec import SERVICES
from ..trading.spec import TRADING

SPEC: dict[str, Any] = {
    **common_options(1800),
    "services": SERVICES,
    "trading": TRADING,
    "when": {"type": "str", "choices": ["needed", "always"], "default": "needed"},
    "only": {"type": "list", "elements": "str", "default": []},
    "except": {"type": "list", "elements": "str", "default": []},
    # A little less than a week: with a whole one, a weekly run that begins a minute earlier would skip a week.
    "max_uptime": {"type": "str", "default": "6d"},
    "memory_growth": {"type": "str", "default": "256M"},
    "gate_timeout": {"type": "float", "default": 60.0},
    "gate_delay": {"type": "float", "default": 1.0},
    "gate_settle": {"type": "float", "default": 1.0},
    "start_retries": {"type": "int", "default": 1},
    "stop_timeout": {"type": "float", "default": 120.0},
    "rollback_timeout": {"type": "float", "default": 300.0},
}
