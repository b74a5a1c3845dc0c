# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read on a macOS host before it is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...finding import EMPTY
from ..reading import NOTHING_READ, Reading

MAIN = ""  # the ruleset that is no anchor
ALF_OPTIONS = ("--getglobalstate", "--getblockall", "--getallowsigned", "--getstealthmode", "--listapps")


class PfReadings(NamedTuple):
    """All that was read: ``rules`` and ``translations`` of pf by anchor, ``tables`` by anchor and name.

    ``alf`` is by option of socketfilterfw, ``routes`` by family. ``services`` are the names of ports.
    """

    info: Reading
    anchors: Reading = NOTHING_READ
    rules: Mapping[str, Reading] = EMPTY
    translations: Mapping[str, Reading] = EMPTY
    tables: Mapping[tuple[str, str], Reading] = EMPTY
    skipped: Reading = NOTHING_READ
    alf: Mapping[str, Reading] = EMPTY
    interfaces: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = EMPTY
    ephemeral: Reading = NOTHING_READ
    services: Reading = NOTHING_READ
