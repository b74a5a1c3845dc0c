# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps of a restore work with: the request, the set, the journal, and what was done so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from ..backup.model import SourceCopy
from ..backup.sources.model import Bench, Reader
from ..finding import Action
from ..host import Host
from ..restart.model import Launch
from . import journal
from .declared import Request
from .model import Journal


@dataclass
class Work:
    """What the steps work with. ``entries`` are the sources of the set by name, none of them where it goes back alone.

    ``actions`` tell what was done, ``notes`` what is worth knowing of it, ``ways`` how script-started services ran.
    """

    request: Request
    host: Host
    journal: Journal
    entries: Mapping[str, SourceCopy]
    reader: Optional[Reader]
    bench: Bench
    heartbeat: Callable[[], None]
    actions: list[Action] = field(default_factory=list)
    ways: dict[str, Launch] = field(default_factory=dict, repr=False)
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Write down what is known now. Raise CoreError where that cannot be done."""
        journal.write(self.request.state_dir, self.journal)
        self.heartbeat()
