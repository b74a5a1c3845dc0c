# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of the variables of a host, before anything acts."""

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "run.inventory",
        "D1.1",
        "The variables of each host are such that every module takes them.",
        "Correct the variable where the inventory sets it, then run `ansible-playbook cryptobot.maintenance.validate`.",
        "what the core would refuse is refused before anything acts; such a host is left out and reported",
    ),
)
