# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a host before anything is judged, whatever its platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .model.network import Network
from .model.ruleset import Ruleset
from .views import View


@dataclass(frozen=True)
class Facts:
    """Rules, network, managers of rules, the range of clients' ports, and by subject what could not be seen and why."""

    ruleset: Ruleset
    network: Network
    views: tuple[View, ...]
    ephemeral: tuple[int, int]
    blind: Mapping[str, str]
