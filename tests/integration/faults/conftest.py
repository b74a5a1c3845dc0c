# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The races at full length are for who asks for them: `make test-long`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked ``long``, unless LONG=1."""
    if os.environ.get("LONG") == "1":
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of root with ``config``, which is backed up, and ``precious``, as /etc/cron.d is."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    (folder / "config").mkdir()
    (folder / "config" / "app.yml").write_text("key: 1")
    (folder / "precious").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
