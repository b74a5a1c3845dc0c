# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the page shows of a report, by one rule for one host and for a thousand: what matters most goes in first, while
there is room. All that is not ok in full, then hosts and actions, then what is ok; what has no room is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from .aggregate import is_bad
from .findings import Said
from .scope import in_words

PAGE = 5_000_000  # bytes: what a browser shows at once, also on a small machine, and what a mail may carry
FRAME = 50_000  # bytes of the page around its parts, its style and script among them
AFTER = 1_500_000  # bytes that what is not ok leaves for all else
NAMES = 300_000  # bytes that the hosts leave for the names of those without a card, and for the actions
LISTED = 1_000_000  # bytes: some 30 hosts have each finding that is ok listed; of more they are counted
ROW = 120  # bytes of a listed finding that are not its texts
BETWEEN = 4  # bytes between two parts
MAX_CARDS, MAX_ACTIONS, MAX_NAMED = 60, 500, 20  # of what would be too many to look at, long before there is no room
MAX_NUMBERS = 40  # of one host

Found = Mapping[str, Any]


class Room:
    """How many bytes of a page are left."""

    def __init__(self, size: int) -> None:
        self.left = size

    def fill(self, members: Iterable[Any], render: Callable[..., str], spare: int = 0) -> list[str]:
        """Given members, and what makes the markup of one, return that of the first while ``spare`` bytes are left."""
        parts = []
        for member in members:
            part = render(*member) if member.__class__ is tuple else render(member)
            size = len(part.encode()) + BETWEEN
            if self.left - size < spare:
                break
            self.left -= size
            parts.append(part)
        return parts


class Left(NamedTuple):
    """What is not ok and had no room, of one check and status: how often, and on which hosts, the first by name."""

    status: str
    check: str
    count: int
    hosts: list[str]
    others: int


class Sum(NamedTuple):
    """Of one check and status: how many findings of how many hosts."""

    status: str
    check: str
    count: int
    hosts: int


def view_of(report: Mapping[str, Any], parts: Any, checks: Collection[str] = ()) -> dict[str, Any]:
    """Given a report, the macros that make the parts of its page and the known checks, return what the page shows."""
    room, hosts = Room(PAGE - FRAME), report["hosts"]
    bad, fine = report["findings"].bad, report["findings"].fine
    rules = room.fill(_rules(bad, fine, checks), parts.rule)
    rows = room.fill(_with_followers(bad, fine), parts.row, AFTER)
    more = room.fill(_left(bad[len(rows) :]), parts.more, AFTER // 2)
    shown = [host for host in hosts if is_bad(host) or host["failed"]] if len(hosts) > MAX_CARDS else hosts
    cards = room.fill([(host, _numbers(host)) for host in shown[:MAX_CARDS]], parts.card, NAMES)
    others = room.fill(hosts[len(cards) :], parts.name)
    acted = [{"host": host["name"], **action} for host in hosts for action in host["actions"]]
    actions = room.fill(acted[:MAX_ACTIONS], parts.deed)
    sums = room.fill(_sums(fine), parts.sum)
    each = _listed(hosts, fine, room, parts) or room.fill(_counted(hosts, fine), parts.counted)
    return {
        "scope": in_words(report["run"]["scope"]),
        "rules": _joined(rules),
        "rows": _joined(rows),
        "rows_left": len(bad) - len(rows),
        "more": _joined(more),
        "cards": _joined(cards),
        "others": Markup(",\n  ").join(others),
        "others_count": len(hosts) - len(cards),
        "others_left": len(hosts) - len(cards) - len(others),
        "actions": _joined(actions),
        "actions_left": len(acted) - len(actions),
        "fine": _joined(sums),
        "each": _joined(each),
        "each_left": len({said.host for said in fine}) - len(each),
    }


def _joined(parts: Iterable[str]) -> Markup:
    return Markup("").join(parts)


def _with_followers(bad: Sequence[Found], fine: Sequence[Said]) -> Iterator[tuple[Found, list[Found]]]:
    """Yield what is not ok with what follows from it, which is folded under it."""
    follow: dict[tuple[str, str], list[Found]] = {}
    for said in fine:
        if said.finding.get("consequence_of"):
            follow.setdefault((said.host, str(said.finding["consequence_of"])), []).append(said.whole())
    return ((each, follow.get((each["host"], f"{each['check']} {each['subject']}"), [])) for each in bad)


def _rules(bad: Sequence[Found], fine: Sequence[Said], checks: Collection[str]) -> list[str]:
    """Return the known checks of what is not ok and of what follows from it: those that the page leads to."""
    follow = {said.check for said in fine if said.finding.get("consequence_of")}
    return sorted(({str(each["check"]) for each in bad} | follow) & set(checks))


def _left(bad: Iterable[Found]) -> list[tuple[Left]]:
    """Given findings, worst first, return them by check and status."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for each in bad:
        hosts.setdefault((each["status"], str(each["check"])), []).append(each["host"])
    sums = ((status, check, len(all_), list(dict.fromkeys(all_))) for (status, check), all_ in hosts.items())
    return [(Left(status, check, count, on[:MAX_NAMED], len(on[MAX_NAMED:])),) for status, check, count, on in sums]


def _sums(fine: Iterable[Said]) -> list[tuple[Sum]]:
    """Given what is ok or did not apply, return how much of it there is by check."""
    on = Counter((said.check, said.status, said.host) for said in fine)
    counts: dict[tuple[str, str], list[int]] = {}
    for (check, status, _host), count in on.items():
        counts.setdefault((check, status), []).append(count)
    return [(Sum(status, check, sum(each), len(each)),) for (check, status), each in sorted(counts.items())]


def _by_host(hosts: Sequence[Found], fine: Iterable[Said]) -> Iterator[tuple[Found, list[Said]]]:
    """Yield each host of which something is ok or did not apply with that, in the order of the hosts."""
    of: dict[str, list[Said]] = {}
    for said in fine:
        of.setdefault(said.host, []).append(said)
    return ((host, of[host["name"]]) for host in hosts if host["name"] in of)


def _listed(hosts: Sequence[Found], fine: Sequence[Said], room: Room, parts: Any) -> list[str]:
    """Return each host's findings that are ok or did not apply as a list, or nothing where that is too long."""
    most = min(LISTED, room.left)
    if len(fine) * ROW > most:
        return []
    alone = len(hosts) == 1
    lists = [parts.listed(host, [said.whole() for said in own], alone) for host, own in _by_host(hosts, fine)]
    return lists if sum(map(len, lists)) <= most else []


def _counted(hosts: Sequence[Found], fine: Sequence[Said]) -> Iterator[tuple[Found, list[str]]]:
    """Yield each host with how many of its findings are ok or did not apply, by check."""
    for host, own in _by_host(hosts, fine):
        yield host, [f"{check} {count}" for check, count in sorted(Counter(said.check for said in own).items())]


def _numbers(host: Found) -> list[Found]:
    return [metric for metric in host["metrics"] if metric.get("unit") == "ratio"][:MAX_NUMBERS]
