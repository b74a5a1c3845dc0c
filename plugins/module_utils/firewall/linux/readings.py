# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read on a Linux host before it is parsed: texts, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...finding import EMPTY
from ..reading import NOTHING_READ, Reading
from .stack import NO_STACK, StackReadings


class Readings(NamedTuple):
    """All that was read: rules by back end and family (4, 6), routes, interfaces, and what manages the rules.

    ``listing`` is the text of the rules without sets' elements, where the JSON leaves something out. ``tables`` are the
    families and names of all nf_tables tables, as the kernel itself tells them.
    """

    nft: Reading
    saves: Mapping[tuple[str, int], Reading] = EMPTY
    ipsets: Reading = NOTHING_READ
    links: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = EMPTY
    ephemeral: Reading = NOTHING_READ
    managers: Mapping[str, Reading] = EMPTY
    listing: Reading = NOTHING_READ
    tables: tuple[tuple[str, str], ...] = ()
    stack: StackReadings = NO_STACK
