# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of the firewall that is taken back by the host itself unless it is confirmed: commit and confirm."""

from __future__ import annotations

from typing import Any

from ..firewall import POLICY
from ..options import common_options, option
from ..registry import declare

UFW, FIREWALLD, NFTABLES, WINDOWS = "ufw", "firewalld", "nftables", "windows"
PLANNED, ARMED, CONFIRMED, ROLLED_BACK = "planned", "armed", "confirmed", "rolled_back"

SPEC: dict[str, Any] = {
    "state": option(
        "str",
        [
            "V(planned) looks, and says what would have to be changed. It changes nothing.",
            (
                "V(armed) keeps what is there now, and has the host restore that by itself after O(seconds). It must "
                "come before the first change. With O(commit) it begins these seconds anew."
            ),
            (
                "V(confirmed) ends that, where it comes by another connection than V(armed) did and all that was "
                "planned is done. What is there then stays."
            ),
            "V(rolled_back) restores now what was there before.",
        ],
        choices=[PLANNED, ARMED, CONFIRMED, ROLLED_BACK],
        default=PLANNED,
    ),
    "policy": option(
        "list of dict",
        (
            "All that may be reached from outside, in the shape of the inventory variable "
            "C(cryptobot_firewall_policy). What has expired, and what is for V(loopback), opens nothing."
        ),
        default=[],
        options=POLICY,
    ),
    "manager": option(
        "str",
        (
            "Which program has the rules of this host. V(auto) takes the one that is enabled. One that is named is "
            "enabled where none is. Where another one is enabled, nothing is done."
        ),
        choices=["auto", UFW, FIREWALLD, NFTABLES, WINDOWS],
        default="auto",
    ),
    "management_port": option(
        "int",
        (
            "Port by which WinRM comes to a Windows host. Elsewhere the ssh session that this runs in says itself "
            "where it came from, and to which port."
        ),
        default=5986,
    ),
    "commit": option("str", "Which change is meant, as V(armed) returned it in RV(firewall_commit.id)."),
    "reason": option("str", "Why a change is taken back, for whoever reads of it.", default=""),
    "seconds": option(
        "int",
        (
            "Seconds after which the host has restored what was there, from 20 to 600. It begins a few seconds before "
            "they are over."
        ),
        default=60,
    ),
    **common_options(60),
}

AREA = declare(
    __name__, module="firewall_commit", spec=SPEC, procedures=(), plan_only=True, acts=True, low_priority=False
)
