# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Having every worker of the trade service answer: which of them takes a connection is the kernel's choice.

So connections are opened first, several at once (a burst wakes several workers), then it is seen which process took
each, and only then the question is put. That goes on in rounds until all have answered or the time is over. Connections
nobody takes are kept: they wait in a queue that is not endless.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Optional, TypeVar

from ..errors import CoreError
from ..host import Host
from ..sockets.collect import TAKEN, WAITS
from ..sockets.model import Ends
from .crew import AS_ROOT, Crew, PortSnapshot, crew_of, untold
from .declared import Endpoint
from .line import Line, own_address, place_of
from .tally import Replies, Tally, is_complete, sum_up

Answer = TypeVar("Answer")
Ask = Callable[[Optional[Line]], Answer]

# How hard it is tried to have all of them answer: rounds, within the seconds that one answer may take.
ROUNDS = 40
BURST = 8  # connections of a round at once
WAITING = 32  # connections that nobody takes, at most
QUEUED_IN = 0.25  # seconds for a connection beside others that wait: longer means that their queue is full
DELAYS = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)  # seconds before each look at who took one
PAUSE, LONGEST_PAUSE = 0.005, 0.2  # seconds between rounds, more with each
RENEWED = 5  # rounds after which it is seen anew who is there


class Asker:
    """Puts questions to all workers at an endpoint. ``observe`` is asked for the host: who there is may change."""

    def __init__(self, host: Host, endpoint: Endpoint, observe: Callable[[], PortSnapshot]) -> None:
        self.host, self.endpoint, self._observe = host, endpoint, observe
        self._crew: Optional[Crew] = None

    @property
    def crew(self) -> Crew:
        """Who answers, as it was seen last."""
        if self._crew is None:
            self._crew = self._muster()
        return self._crew

    def _muster(self) -> Crew:
        """See who answers."""
        name, port = place_of(self.endpoint.url)
        address = own_address(name, port)
        crew = crew_of(self._snapshot() if address else PortSnapshot(), self.endpoint.service, address, port)
        waits = WAITS.get(self.host.platform)
        busy = {pid for pid in crew.parents if waits and waits(self.host, pid, crew.inodes)}
        crew = crew._replace(workers=crew.workers | busy, parents=crew.parents - busy)
        return untold(crew, port) if len(crew.workers) > 1 and self.host.platform not in TAKEN else crew

    def _snapshot(self) -> PortSnapshot:
        try:
            return self._observe()
        except CoreError as error:
            return PortSnapshot(own=(), unavailable=str(error))

    def put(self, ask: Ask[Answer]) -> Replies[Answer]:
        """Put a question to every worker, at least as often as declared, and return what came of it.

        ``ask`` puts it once, over a connection where it is given one, and raises CoreError where it is not answered.
        """
        tally: Tally[Answer] = Tally()
        waiting: list[Line] = []
        try:
            self._rounds(ask, tally, waiting)
        except CoreError as error:  # the time of the whole run is over
            tally.failures.append(str(error))
        finally:
            for line in waiting:
                line.close()
        return sum_up(tally, self.crew, self.endpoint.workers)

    def _rounds(self, ask: Ask[Answer], tally: Tally[Answer], waiting: list[Line]) -> None:
        deadline = time.monotonic() + self.endpoint.timeout
        for number in range(1, ROUNDS + 1):
            several = len(self.crew.workers) > 1 and not self.crew.why
            if several:
                self._ask_takers(ask, tally, waiting)
            else:
                self._ask_anybody(ask, tally)
            if is_complete(tally, self.crew, self.endpoint.asks, self.endpoint.workers) or tally.hopeless:
                return
            if not several or number % RENEWED == 0 or number == ROUNDS or time.monotonic() > deadline:
                self._crew = self._muster()  # who did not answer may have ended
            if time.monotonic() > deadline:
                return
            self.host.pause(min(PAUSE * number, LONGEST_PAUSE))

    def _ask_anybody(self, ask: Ask[Answer], tally: Tally[Answer]) -> None:
        """Ask as often as declared, whoever answers: there is one process, or nothing tells them apart."""
        (only,) = self.crew.workers if len(self.crew.workers) == 1 and not self.crew.why else (None,)
        left = self.endpoint.asks - tally.asked
        for _ask in range(max(left, 0 if only in tally.heard else 1)):
            tally.note(only, partial(ask, None))
            if tally.hopeless:
                return

    def _ask_takers(self, ask: Ask[Answer], tally: Tally[Answer], waiting: list[Line]) -> None:
        """Open connections and ask over each that was taken, of whom there is more to hear."""
        self._open(tally, waiting)
        for line, pid in self._taken(tally, waiting):
            waiting.remove(line)
            with closing(line):
                enough = pid in tally.silent or (pid in tally.by and tally.asked >= self.endpoint.asks)
                if pid is None:
                    tally.strange += 1
                elif not enough:
                    tally.note(pid, partial(ask, line))

    def _open(self, tally: Tally[Answer], waiting: list[Line]) -> None:
        for _line in range(min(max(BURST - len(waiting), 2), WAITING - len(waiting))):
            try:
                patience = min(QUEUED_IN, self.endpoint.timeout) if waiting else self.endpoint.timeout
                waiting.append(Line(self.endpoint.url, min(patience, self.host.remaining())))
            except CoreError as error:
                tally.failures += [] if waiting else [str(error)]
                return
            tally.lines += 1

    def _taken(self, tally: Tally[Answer], waiting: list[Line]) -> list[tuple[Line, Optional[int]]]:
        """Return the connections that a process took, with its pid; None: it is none that is known to hold the port."""
        try:
            taken = self._takers_of(waiting)
            if any(pid is None for pid in taken.values()):
                self._crew = self._muster()
                taken = self._takers_of(waiting)
        except CoreError as error:
            self._crew = self.crew._replace(why=f"which process answers cannot be seen: {error}", cure=AS_ROOT)
            return []
        return [(line, taken[line.ends]) for line in waiting if line.ends in taken]

    def _takers_of(self, waiting: list[Line]) -> dict[Ends, Optional[int]]:
        """See who took which connection until all are taken, or no more are."""
        taken: dict[Ends, tuple[int, ...]] = {}
        there = self.crew.workers | self.crew.parents
        for seconds in DELAYS:
            self.host.pause(seconds)
            before, taken = taken, TAKEN[self.host.platform](self.host, [line.ends for line in waiting], there)
            if len(taken) == len(waiting) or (taken and len(taken) == len(before)):
                break
        return {ends: pids[0] if len(pids) == 1 else None for ends, pids in taken.items()}
