# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server answered, before anybody has made sense of it."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ...postgres.connection import Rows


class Seen(NamedTuple):
    """The raw answers of one database, or why there are none."""

    database: str
    tables: Optional[Rows]
    locks: Optional[Rows]
    extensions: Optional[Rows]
    error: str = ""


class Raw(NamedTuple):
    """The raw answers of one server. ``seen`` is empty where it is a standby."""

    server: Rows
    ages: Rows
    activity: Rows
    seen: tuple[Seen, ...]
