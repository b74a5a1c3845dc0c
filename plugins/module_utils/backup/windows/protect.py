# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Closing a new folder to everybody but SYSTEM and the Administrators, as mode 0700 does elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...errors import CoreError
from ...host import Host
from ...powershell import ask
from .queries import protect as query

# SYSTEM and the Administrators alone, and nothing is inherited; the bridge protects its own folder alike.
PROTECTION = "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


def protect(folders: Sequence[Path], host: Host) -> None:
    """Close new folders. Where that is refused the check backup.permissions says who may look into them."""
    with suppress(CoreError):
        ask(host, {"protect": query([str(folder) for folder in folders], PROTECTION)})
