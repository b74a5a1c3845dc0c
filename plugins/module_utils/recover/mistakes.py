# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mistakes in the options of recover_host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..mistakes import Mistake, find_mistakes
from . import SPEC
from .declared import read_recovery


def mistakes(given: Mapping[str, Any], platform: str = "linux") -> list[Mistake]:
    """Given the options as they are written and the platform of the host, return all that the area refuses."""

    def read(options: dict[str, Any]) -> None:
        read_recovery(options, platform)

    return find_mistakes(SPEC, given, read, platform)
