# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a noun remembers from run to run (restart counts, speeds, sizes): one small JSON file each in ``state_dir``.

Memory is only ever an aid: a lost or broken file costs the comparison with the last run, never the run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .publish import patiently, publish_file


def recall(state_dir: str, noun: str) -> dict[str, Any]:
    """Return what ``noun`` remembered, or an empty dict where there is nothing readable."""
    path, texts = Path(state_dir, f"{noun}.json"), []
    try:
        patiently(lambda: texts.append(path.read_text(encoding="utf-8")))  # it may be about to be replaced
        memory = json.loads(texts[0])
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def remember(state_dir: str, noun: str, memory: dict[str, Any]) -> bool:
    """Store what ``noun`` remembers; return False where ``state_dir`` cannot be written."""
    try:
        publish_file(Path(state_dir, f"{noun}.json"), json.dumps(memory, sort_keys=True).encode())
    except OSError:
        return False
    return True
