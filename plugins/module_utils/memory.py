# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an area remembers from run to run (restart counts, speeds, sizes): one small JSON file each in ``state_dir``.

Memory is only ever an aid: a lost or broken file costs the comparison with the last run, never the run. One that
another account may have written is no memory (trusted.py), and the result says so (_ansible_module.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import trusted
from .publish import patiently, publish_file
from .trusted import DistrustedError


def recall(state_dir: str, area: str) -> dict[str, Any]:
    """Return what ``area`` remembered, or an empty dict where there is nothing that can be read and believed."""
    return recall_or_why(state_dir, area)[0]


def recall_or_why(state_dir: str, area: str) -> tuple[dict[str, Any], str]:
    """Return what ``area`` remembered, and why what is there is no memory; empty where there is one or none yet."""
    path, texts = Path(state_dir, f"{area}.json"), []
    try:
        patiently(lambda: texts.append(trusted.read(path).decode()))  # it may be about to be replaced
        memory = json.loads(texts[0])
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, RecursionError, DistrustedError) as error:
        return {}, f"{path} cannot be used: {error}"
    return (memory, "") if isinstance(memory, dict) else ({}, f"{path} cannot be used: it holds no object")


def remember(state_dir: str, area: str, memory: dict[str, Any]) -> bool:
    """Store what ``area`` remembers; return False where ``state_dir`` cannot be written or trusted."""
    try:
        trusted.make(state_dir)
        publish_file(Path(state_dir, f"{area}.json"), json.dumps(memory, sort_keys=True).encode())
    except (OSError, DistrustedError):
        return False
    return True
