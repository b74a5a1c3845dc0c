# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into the backup folder and its sets, as records that all platforms share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Folder:
    """A folder with its mode."""

    path: str
    mode: int


@dataclass(frozen=True)
class Opening:
    """A folder and who may look into it beside those who have to; ``actual`` is what says so."""

    path: str
    others: tuple[str, ...]
    actual: str


@dataclass(frozen=True)
class Access:
    """All folders; ``remedy`` closes one, ``unknown`` says why some or all of them could not be told."""

    folders: tuple[Opening, ...] = ()
    expected: str = "0700"
    remedy: str = "chmod 700 {folder}"
    unknown: str = ""
