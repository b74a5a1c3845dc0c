# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mistakes in the options of firewall_audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..accepted import parse_accepted
from ..mistakes import Mistake, find_mistakes
from . import SPEC
from .policy import parse_policy


def mistakes(given: Mapping[str, Any], platform: str = "linux") -> list[Mistake]:
    """Given the options as they are written and the platform of the host, return all that the area refuses."""
    from .run import RULES  # on the controller only, so that no host compiles it for its SPEC

    def read(options: dict[str, Any]) -> None:
        parse_policy(options["policy"])
        parse_accepted("exceptions", options["exceptions"], RULES.checks)

    return find_mistakes(SPEC, given, read, platform)
