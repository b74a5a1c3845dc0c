# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a PostgreSQL source beside."""

from __future__ import annotations

from pathlib import Path

from ...errors import CannotJudge
from ...model import SourceCopy
from ..model import Bench, Reader, Restored


def restore(entry: SourceCopy, _reader: Reader, _into: Path, _bench: Bench) -> Restored:
    """Restore the databases that are selected, each into a new one of its own."""
    raise CannotJudge(f"{entry.name} cannot be restored yet")
