# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of what service_restart can find."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "restart.platform",
        "W1.4",
        "The services of this platform can be restarted.",
        "Restart the services of this host with its own tools.",
    ),
    Check(
        "restart.needed",
        "W1.4",
        "A service is restarted when there is a reason, and otherwise left alone.",
        "None needed.",
        "replaced program files, changed unit or configuration, uptime, growth of memory",
    ),
    Check(
        "restart.refused",
        "W1.4",
        "A restart that is needed can be made: trading allows it, and nothing that depends on the service is excepted.",
        "Remove what stands in the way, then run it again.",
        "whatever depends on a service is restarted with it, so what must not be stopped protects all it depends on",
    ),
    Check(
        "restart.gate",
        "W1.4",
        "A restarted service is as well as before: it runs, holds its port and answers its probe.",
        "Read the log of the service since its start; service_check says what is wrong with it.",
        "the rules of service_check for state, port and health; what was not well before is not demanded",
    ),
    Check(
        "restart.left",
        "W1.4",
        "Everything that ran before the restart runs after it, also where a step failed.",
        "Start what is named here by hand, in the order of the inventory, or run service_restart again.",
    ),
    Check(
        "restart.memory",
        "W1.4",
        "How much memory a restart gave back. Where that is little week after week, the restart is not worth its risk.",
        "None needed.",
    ),
    Check(
        "restart.interrupted",
        "W1.4",
        "No earlier restart was interrupted half way.",
        "Find out what ended that run (power, kill, reboot). What it had stopped has been started again.",
        "the record is written before the first service is stopped and removed when all run again",
    ),
)
