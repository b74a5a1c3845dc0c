# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mistakes in the options of service_restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..mistakes import Mistake, find_mistakes
from ..services.declared import declare_whole
from ..trading.declared import read_endpoint
from . import SPEC
from .declared import default_url, read_options


def mistakes(given: Mapping[str, Any], platform: str = "linux") -> list[Mistake]:
    """Given the options as they are written and the platform of the host, return all that the area refuses."""

    def read(options: dict[str, Any]) -> None:
        services = declare_whole(options["services"], platform)
        names = tuple(service.name for service in services)
        read_options(options, names)
        read_endpoint(options["trading"], default_url(services, options["trading"]["service"]), names)

    return find_mistakes(SPEC, given, read, platform)
