# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gatherer hands to the parser of a macOS host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..reading import NOTHING_READ, Reading

MAIN = ""  # the ruleset that is no anchor
ALF_OPTIONS = ("--getglobalstate", "--getblockall", "--getallowsigned", "--getstealthmode", "--listapps")


@dataclass(frozen=True)
class Evidence:
    """All that was read: ``rules`` and ``translations`` of pf by anchor, ``tables`` by anchor and name.

    ``alf`` is by option of socketfilterfw, ``routes`` by family. ``services`` are the names of ports.
    """

    info: Reading
    anchors: Reading = NOTHING_READ
    rules: Mapping[str, Reading] = field(default_factory=dict)
    translations: Mapping[str, Reading] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    skipped: Reading = NOTHING_READ
    alf: Mapping[str, Reading] = field(default_factory=dict)
    interfaces: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = field(default_factory=dict)
    ephemeral: Reading = NOTHING_READ
    services: Reading = NOTHING_READ
