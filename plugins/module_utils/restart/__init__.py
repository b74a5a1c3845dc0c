# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts of the services that need one, in the order in which they depend on each other."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare
from ..services import SERVICES
from ..trading import TRADING

SPEC: dict[str, Any] = {
    "services": SERVICES,
    "trading": TRADING,
    "when": option(
        "str",
        [
            (
                "V(needed) restarts services with a reason. That is a program file or library that was replaced on the "
                "disk, a unit file, C(EnvironmentFile=) or one of C(config_files) or C(declared_in) that is newer than "
                "the process, an uptime above O(max_uptime), or memory above C(memory_max) or grown by "
                "O(memory_growth)."
            ),
            "V(always) restarts every running service.",
        ],
        choices=["needed", "always"],
        default="needed",
        variable="cryptobot_restart_when",
    ),
    "only": option("list of str", "Restart these services only, with what depends on them.", default=[]),
    "except": option("list of str", "Never restart these services, nor anything that they depend on.", default=[]),
    # With a whole week, a weekly run that begins a minute earlier than the last would skip a week.
    "max_uptime": option(
        "str",
        (
            "Uptime that is a reason by itself, such as V(6d), a little less than the week between two runs. V(0) for "
            "none."
        ),
        default="6d",
    ),
    "memory_growth": option(
        "str",
        (
            "Growth of resident memory that is a reason by itself, as remembered by "
            "M(cryptobot.maintenance.service_check) since the process began. V(0) for none."
        ),
        default="256M",
    ),
    "gate_timeout": option("float", "Seconds that a service has from its start to pass its health gate.", default=60.0),
    "gate_delay": option("float", "Seconds between two looks at the gate.", default=1.0),
    "gate_settle": option("float", "Seconds that a service must stay well to pass.", default=1.0),
    "start_retries": option(
        "int", "How many times a service that did not pass is stopped and started again.", default=1
    ),
    "stop_timeout": option(
        "float",
        "Seconds that a service has to end. Processes of a script-started one are killed then, except on Windows.",
        default=120.0,
    ),
    "rollback_timeout": option(
        "float", "Seconds that are added to O(timeout) for starting again what ran before.", default=300.0
    ),
    **common_options(1800),
}

AREA = declare(
    __name__,
    module="service_restart",
    spec=SPEC,
    procedures=("W1.4",),
    plan_only=True,
    acts=True,
    low_priority=False,  # what it starts would inherit its priority
)
