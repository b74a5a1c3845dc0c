# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which way of looking belongs to which platform: chosen here once. Each returns an Observation."""

from __future__ import annotations

from collections.abc import Callable

from .linux.gather import observe as observe_linux
from .records import Observation

GATHERERS: dict[str, Callable[..., Observation]] = {"linux": observe_linux}
