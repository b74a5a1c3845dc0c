# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a question has been answered, by whom, and whether that is all there is to know. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Optional, TypeVar

from ..errors import CoreError
from .crew import SEE_WHY, Crew

Answer = TypeVar("Answer")
SHOWN = 5


@dataclass(frozen=True)
class Replies(Generic[Answer]):
    """The answers to a question. ``unavailable`` says why they are not what all workers know (empty: they are),
    ``reach`` who gave them, and ``cure`` what makes the rest known, where it is the reach that lacks.
    """

    answers: tuple[Answer, ...] = ()
    unavailable: str = ""
    reach: str = ""
    cure: str = ""


@dataclass
class Tally(Generic[Answer]):
    """What is known so far: ``answers``, how many of them ``by`` which process, who was ``silent`` (asked in vain), and
    why. Of the ``lines`` that were opened ``strange`` ones were taken by a process that is not known to hold the port.
    """

    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    by: dict[int, int] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    lines: int = 0
    strange: int = 0

    def note(self, pid: Optional[int], ask: Callable[[], Answer]) -> None:
        """Ask, and note down what a process (None: whichever it is) answers."""
        try:
            self.answers.append(ask())
        except CoreError as error:
            self.failures.append(str(error))
            self.silent |= set() if pid is None else {pid}
            return
        if pid is not None:
            self.by[pid] = self.by.get(pid, 0) + 1

    @property
    def asked(self) -> int:
        """How many times it was asked."""
        return len(self.answers) + len(self.failures)

    @property
    def heard(self) -> frozenset[int]:
        """The processes that were asked, whatever they said."""
        return frozenset(self.by) | self.silent

    @property
    def hopeless(self) -> bool:
        """Whether asking on is of no use: two that do not answer are enough, each may take its whole time."""
        return len(self.failures) > 1 and not self.answers


def is_complete(tally: Tally[Answer], crew: Crew, asks: int, declared: Optional[int]) -> bool:
    """Return whether it was asked often enough, and everybody was, as far as they can be told apart."""
    all_heard = not lacking(tally, crew) and len(tally.heard) >= (declared or crew.asked)
    return tally.asked >= asks and (bool(crew.why) or all_heard)


def lacking(tally: Tally[Answer], crew: Crew) -> frozenset[int]:
    """Return the workers that were not heard."""
    return crew.workers - tally.heard


def sum_up(tally: Tally[Answer], crew: Crew, declared: Optional[int]) -> Replies[Answer]:
    """Given what was answered, who there is to answer, and how many workers are declared to be, return the replies."""
    reach, lack = _reach(tally, crew, declared)
    first = next(iter(tally.failures), "")
    return Replies(tuple(tally.answers), first or lack, reach, (crew.cure or SEE_WHY) if lack and not first else "")


def _reach(tally: Tally[Answer], crew: Crew, declared: Optional[int]) -> tuple[str, str]:
    """Return in words who answered, and why that is not all of them (empty: it is)."""
    said = _count(len(tally.answers), "answer")
    if crew.why:
        if declared == 1:
            return f"{said} of the one process that trading.workers declares", ""
        unclear = f", and nothing tells who of the {declared} that trading.workers declares they are of"
        return said, f"{said}, but {crew.why}{unclear if declared else ''}"
    there = max(len(crew.workers | tally.heard), declared or crew.asked)
    reach = f"{said} from {len(tally.by)} of {_count(there, 'worker')}"
    if tally.strange:
        return reach, f"{reach}: other connections were taken by a process that is not seen to hold the port"
    if len(tally.heard) >= there:
        return reach, ""
    if declared is not None and len(tally.heard) == declared:
        return f"{reach}, as many as trading.workers declares", ""
    return reach, f"{reach}: {_missing(tally, crew, there)}"


def _missing(tally: Tally[Answer], crew: Crew, there: int) -> str:
    missing = sorted(lacking(tally, crew))
    if not missing:
        return f"{_count(there - len(tally.heard), 'worker')} of those that should be there did not hold the port"
    pids = ", ".join(map(str, missing[:SHOWN]))
    holds = "holds" if len(missing) == 1 else "hold"
    return f"pid{'s' * (len(missing) > 1)} {pids} {holds} the port and took none of {tally.lines} connections"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
