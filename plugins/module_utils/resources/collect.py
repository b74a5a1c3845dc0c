# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which way of looking belongs to which platform: chosen here once. Each returns a Snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .linux import collect as collect_linux
from .model import Snapshot


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _collect_macos(*given: Any, **named: Any) -> Snapshot:
    from .macos import collect

    return collect(*given, **named)


def _collect_windows(*given: Any, **named: Any) -> Snapshot:
    from .windows import collect

    return collect(*given, **named)


COLLECTORS: dict[str, Callable[..., Snapshot]] = {
    "linux": collect_linux,
    "darwin": _collect_macos,
    "windows": _collect_windows,
}
