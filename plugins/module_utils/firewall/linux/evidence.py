# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gatherer hands to the parser of a Linux host: texts, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..reading import NOTHING_READ, Reading

UFW_FILES = ("/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/ufw/user.rules", "/etc/ufw/user6.rules")
SERVICES = ("firewalld.service", "nftables.service")
FIREWALLD_RUNNING, FIREWALLD_STORED = "firewalld runtime", "firewalld permanent"


@dataclass(frozen=True)
class Evidence:
    """All that was read: rules by back end and family (4, 6), routes, interfaces, and what manages the rules."""

    nft: Reading
    saves: Mapping[tuple[str, int], Reading] = field(default_factory=dict)
    ipsets: Reading = NOTHING_READ
    links: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = field(default_factory=dict)
    ephemeral: Reading = NOTHING_READ
    managers: Mapping[str, Reading] = field(default_factory=dict)
