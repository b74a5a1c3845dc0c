# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that every module of the collection has, as plain data for an argument_spec.

``state_dir`` is documented by the doc fragment ``cryptobot.maintenance.common``; ``timeout``, whose default differs, by
each module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .errors import InputError


def common_options(timeout: int) -> dict[str, Any]:
    """Given the default bound of a whole run in seconds, return the options common to all modules."""
    return {
        "state_dir": {"type": "path", "default": "/var/lib/cryptobot-maintenance"},
        "timeout": {"type": "int", "default": timeout},
    }


def expand(path: str) -> str:
    """Given a path as an operator writes it, return it absolute with ``~`` resolved. Symlinks are left as they are.

    Raise InputError where the account whose home it names does not exist.
    """
    try:
        return os.path.abspath(str(Path(path).expanduser()))
    except RuntimeError:
        raise InputError("a path", path, "the home folder of an account of this host") from None
