# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things lie: the cache and the state outside the checkout, the sockets under /run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .errors import FleetError

CACHE_VARIABLE = "CRYPTOBOT_TEST_CACHE"

# An overlay mount separates its folders with these, and an ssh configuration its words with blanks.
_UNUSABLE_IN_PATH = re.compile(r"[\s:,\\\"'%]")


def cache() -> Path:
    """Return the folder of everything that outlives a run. Raise FleetError when its path cannot be mounted."""
    given = os.environ.get(CACHE_VARIABLE)
    folder = Path(given).absolute() if given else Path.home() / ".cache" / "cryptobot-maintenance" / "fleet"
    if _UNUSABLE_IN_PATH.search(str(folder)):
        raise FleetError(f"{CACHE_VARIABLE}={folder}: the path must not contain blanks, quotes, or any of : , % \\")
    return folder


def state_root() -> Path:
    """Return the folder that holds one folder per fleet."""
    return cache() / "state"


def state(fleet: str) -> Path:
    """Return the folder with everything on disk about one fleet."""
    return state_root() / fleet


def host_state(fleet: str, host: str) -> Path:
    """Return the folder of one host: upper, work, root, console.log."""
    return state(fleet) / "hosts" / host


def runtime_root() -> Path:
    """Return the folder of the sockets. A socket's path is limited to 107 bytes, which the cache may exceed."""
    return Path("/run/cryptobot-fleet")


def runtime(fleet: str) -> Path:
    """Return the folder of one fleet's sockets: readiness of its hosts, shared ssh connections."""
    return runtime_root() / fleet
