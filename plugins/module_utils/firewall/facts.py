# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a host before anything is judged, whatever its platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .model.exposure import Receivers, same_for_all
from .model.network import Network
from .model.ruleset import Ruleset
from .views import View


@dataclass(frozen=True)
class Facts:
    """Rules, network, managers of rules, the range of clients' ports, and by subject what could not be seen and why.

    ``receivers`` says which processes a listener stands for, where rules tell processes apart. ``never_seen`` is what
    no run sees on this platform. ``remedies`` are by check what to do there instead of what the catalogue says.
    ``notes`` are settings of the filter that decide nothing about who can connect, for the report.
    """

    ruleset: Ruleset
    network: Network
    views: tuple[View, ...]
    ephemeral: tuple[int, int]
    blind: Mapping[str, str]
    receivers: Receivers = same_for_all
    never_seen: tuple[str, ...] = ()
    remedies: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
