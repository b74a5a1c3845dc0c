# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets are made by the hundred here, and nobody cuts the power: the disk need not be waited for.

That content is flushed before it is published, and the folder after it, is what test_publish.py is about.
"""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush nothing to the disk; a descriptor that is none is an error as ever."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)
