# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other hosts got when they knocked here, beside what the rules of this host make of it. Pure.

Every pair of a host and a port that there is to knock at is in the outcome once: it agrees, it disagrees, or it is not
compared, with the reason.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..finding import CRITICAL, OK, UNKNOWN, WARNING
from .collect import ANSWERS, ERROR, OPEN, REFUSED, TIMEOUT, UNREACHABLE
from .declared import Declared, Pair
from .questions import Arrival

Ask = Callable[[str, int, str], Arrival]
FILTERED = "filtered"
SOMEBODY, NOBODY, ELSEWHERE = "listens", "nobody", "elsewhere"  # who is where the rules lead

# By verdict of the rules, who is there, and answer. Refused is what a closed port answers, and what a rule
# that rejects may: where the rules stop a connection every answer but an open one is as they say. Where they let it in
# to a listener, whatever else it gets was made on the way. What another host
# that NAT leads to lets in is not known, so that of there only what must be so counts.
_TABLE: Mapping[tuple[str, str, str], str] = {
    **{
        (FILTERED, who, answer): OK
        for who in (SOMEBODY, NOBODY, ELSEWHERE)
        for answer in (REFUSED, TIMEOUT, UNREACHABLE)
    },
    **{(FILTERED, who, OPEN): CRITICAL for who in (SOMEBODY, NOBODY, ELSEWHERE)},
    **{(OPEN, ELSEWHERE, answer): OK for answer in (OPEN, REFUSED)},
    (OPEN, SOMEBODY, OPEN): OK,
    **{(OPEN, SOMEBODY, answer): WARNING for answer in (REFUSED, TIMEOUT, UNREACHABLE)},
    (OPEN, NOBODY, OPEN): CRITICAL,
    (OPEN, NOBODY, REFUSED): OK,
    **{(OPEN, NOBODY, answer): WARNING for answer in (TIMEOUT, UNREACHABLE)},
}


class Heard(NamedTuple):
    """What one host got at one address and port of this one, and from which address of its own it knocked."""

    source: str
    answer: str
    ms: float
    why: str


NOTHING = Heard("", "", 0.0, "")


class Compared(NamedTuple):
    """A pair as one host knocked at it: ``status`` is ok where it agrees, critical or warning where it does not, and
    unknown where it is not compared: ``why``.
    """

    by: str
    pair: Pair
    status: str
    why: str = ""
    heard: Heard = NOTHING
    arrival: Arrival = Arrival(UNKNOWN, "")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        _host, address, port = self.pair
        source, answer, ms, _said = self.heard
        verdict, rule, listener, elsewhere = self.arrival
        place = {"by": self.by, "address": address, "port": port, "proto": "tcp", "source": source}
        judged = {"verdict": verdict, "decided_by": rule, "listener": listener or elsewhere}
        return {**place, "answer": answer, "ms": ms, **judged, "status": self.status, "why": self.why}


def compare(own: Declared, heard: Mapping[str, Any], ask: Ask) -> list[Compared]:
    """Given what this host declares, by host what it got here, and who asks the rules, return all pairs as compared."""
    return [
        _compared(by, pair, rows.get((pair.address, pair.port)), ask)
        for by, rows in ((str(by), read_rows(rows)) for by, rows in heard.items())
        for pair in own.pairs()
    ]


def read_rows(rows: Any) -> dict[tuple[str, int], Heard]:
    """Given what another host returned of its knocks here, return it by address and port; an odd row counts as none."""
    return dict(_rows(rows)) if isinstance(rows, (list, tuple)) else {}


def _rows(rows: Any) -> Iterator[tuple[tuple[str, int], Heard]]:
    for row in rows:
        try:
            address, source = str(ipaddress.ip_address(row["address"])), str(row["source"])
            if source and ipaddress.ip_address(source).version != ipaddress.ip_address(address).version:
                continue
            yield (address, int(row["port"])), Heard(source, str(row["answer"]), float(row["ms"]), str(row["why"]))
        except (LookupError, TypeError, ValueError):
            continue


def _compared(by: str, pair: Pair, heard: Any, ask: Ask) -> Compared:
    if heard is None:
        return Compared(by, pair, UNKNOWN, f"{by} did not knock")
    if heard.answer not in ANSWERS or heard.answer == ERROR:
        return Compared(by, pair, UNKNOWN, f"{by} could not tell: {heard.why or heard.answer}", heard)
    if not heard.source:
        return Compared(by, pair, UNKNOWN, f"{by} has no route to {pair.address}", heard)
    arrival = ask(pair.address, pair.port, heard.source)
    who = ELSEWHERE if arrival.elsewhere else SOMEBODY if arrival.listener else NOBODY
    status = _TABLE.get((arrival.verdict, who, heard.answer), UNKNOWN)
    beyond = f", and what {arrival.elsewhere} lets in is not known" if arrival.elsewhere else ""
    why = f"the rules do not tell: {arrival.rule}{beyond}" if status == UNKNOWN else ""
    return Compared(by, pair, status, why, heard, arrival)
