# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the demo importable, and find ports that nobody uses."""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
sys.path.append(str(DEMO))

# Below the range from which the kernel takes ports for clients; each worker of pytest-xdist has a part of it.
LOWEST, PART, PARTS = 20000, 1500, 8
# Three demos side by side, and where two of them open a port that no rule allows.
OFFSETS = (*range(15), 99, 109)


def is_free(port):
    with socket.socket() as listener:
        try:
            listener.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def base_port():
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PARTS
    chooser = random.SystemRandom()
    for _unused in range(200):
        base = LOWEST + worker * PART + chooser.randrange(PART - max(OFFSETS))
        if all(is_free(base + offset) for offset in OFFSETS):
            return base
    raise RuntimeError(f"no free ports from {LOWEST + worker * PART} on")
