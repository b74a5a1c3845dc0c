# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mistakes in the options of backup_archive."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..mistakes import Mistake, find_mistakes
from . import SPEC
from .declared import read_settings
from .plan import pin_of
from .sources.postgresql.server import check_account
from .streams import check_level


def mistakes(given: Mapping[str, Any], platform: str = "linux", now: float = 0.0) -> list[Mistake]:
    """Given the options as they are written, the platform of the host and the time (0: that of this machine), return
    all that the area refuses.
    """

    def read(options: dict[str, Any]) -> None:
        settings = read_settings(options, platform)
        pin_of(settings, now or time.time())
        for place, source in enumerate(options["sources"]):
            check_account(f"sources[{place}].system_user", source["system_user"] or "", platform)
        if settings.compression != "auto":
            check_level(settings.compression, settings.compression_level)

    return find_mistakes(SPEC, given, read, platform)
