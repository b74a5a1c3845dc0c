# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore works on, as records that a journal can keep: what is swapped, where it lies, what is held down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ..restores import UNDER_WAY

Identity = tuple[int, int]  # device and inode, or the oid of a database twice: what it is, whatever it is called


class Unit(NamedTuple):
    """One thing that is swapped: ``target`` is where it belongs, ``new`` where it was restored beside, ``old`` where
    what was there is kept. Of a database these three are its names.

    ``had`` and ``got`` tell what lay at the target and what is to lie there; None: nothing, or not known yet.
    ``carried`` are paths below the target that no set has and that move along, ``made`` folders made above it.
    """

    source: str
    kind: str
    target: str
    new: str
    old: str
    bytes: int = 0
    got: Optional[Identity] = None
    had: Optional[Identity] = None
    noted: bool = False
    carried: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Unit:
        """Return a unit that was turned into plain JSON values."""
        identities = {name: tuple(plain[name]) if plain[name] else None for name in ("got", "had")}
        lists = {name: tuple(plain[name]) for name in ("carried", "made")}
        return cls(**{**plain, **identities, **lists})


KEPT, BACK = "kept", "rolled back"


@dataclass
class Journal:
    """What is known of one restore, written durably before each of its steps is done.

    ``steps`` are [action, subject] in their order, ``done`` those that are, as ``action subject``. ``folders`` are
    ours, each with what was restored and what is kept. ``held`` is what the hold-down has to undo, ``until`` when the
    old state may go (epoch), ``safety`` the id of the safety set. ``servers`` are units of servers that are held down
    beside the services. ``seconds`` are by action. ``archive`` is the file that is restored where that is no set of
    ours.
    """

    id: str
    set_id: str
    begun: float
    state: str = UNDER_WAY
    steps: list[list[str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    now: str = ""
    units: list[Unit] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    safety: str = ""
    until: float = 0.0
    failure: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: int = 0
    archive: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the journal as plain JSON values."""
        return {**vars(self), "units": [unit._asdict() for unit in self.units]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Journal:
        """Return a journal that was turned into plain JSON values. Raise TypeError, KeyError or ValueError."""
        return cls(**{**plain, "units": [Unit.of(unit) for unit in plain["units"]]})

    def unit(self, target: str) -> Unit:
        """Return the unit of a target."""
        return next(unit for unit in self.units if unit.target == target)

    def put(self, unit: Unit) -> None:
        """Take what is known of a unit now."""
        self.units = [unit if each.target == unit.target else each for each in self.units]
