# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which way of looking belongs to which platform: chosen here once. Each returns an Observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .linux.gather import observe as observe_linux
from .records import Observation


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _observe_macos(*given: Any, **named: Any) -> Observation:
    from .macos.gather import observe

    return observe(*given, **named)


def _observe_windows(*given: Any, **named: Any) -> Observation:
    from .windows.gather import observe

    return observe(*given, **named)


GATHERERS: dict[str, Callable[..., Observation]] = {
    "linux": observe_linux,
    "darwin": _observe_macos,
    "windows": _observe_windows,
}
