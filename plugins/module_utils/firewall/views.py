# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program that manages rules says, beside what the kernel holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A manager of rules: whether it is enabled, whether the kernel holds its rules, and what differs.

    ``blind`` says why its stored rules could not be read. ``off`` says what it means that it is not enabled.
    """

    name: str
    enabled: bool
    loaded: bool = False
    differences: tuple[str, ...] = ()
    blind: str = ""
    off: str = ""
