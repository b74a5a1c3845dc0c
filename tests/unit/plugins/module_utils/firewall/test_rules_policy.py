# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the findings about the policy say, word by word, and whose doubt a summary may swallow."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES

from .audits import DENY, MAYBE, NOT_SEEN, OPEN_ALL, allow, audit, only, opening, socket
from .small import filter_table, ruleset


def ports(text: str, **values: Any) -> dict[str, Any]:
    """Return an entry of the policy for several ports."""
    return {**allow(**values), "port": text}


SAID = [
    (
        audit(DENY, [socket()], [allow()]),
        "critical",
        "tcp 0.0.0.0:8000: filtered to any, decided by ip filter INPUT: policy drop",
        {"any": "filtered"},
    ),
    (  # of several ports those that are closed are named
        audit(
            opening("-p tcp --dport 8002 -j DROP", "-j ACCEPT"),
            [socket(), socket(port=8002)],
            [ports("8000-8002")],
        ),
        "critical",
        (
            "tcp 0.0.0.0:8002: filtered to any on port 8002, decided by "
            "ip filter INPUT rule 2: -p tcp --dport 8002 -j DROP"
        ),
        {"any": "filtered"},
    ),
    (  # where all are open, none is
        audit(OPEN_ALL, [socket(), socket(port=8002)], [ports("8000-8002")]),
        "ok",
        "tcp 0.0.0.0:8000, tcp 0.0.0.0:8002: open to any, decided by no rule of the kernel stops it",
        {"any": "open"},
    ),
    (  # two sockets of one port are one port
        audit(DENY, [socket("203.0.113.10"), socket("203.0.113.11")], [ports("8000-8002")]),
        "critical",
        "tcp 203.0.113.10:8000, tcp 203.0.113.11:8000: filtered to any, decided by ip filter INPUT: policy drop",
        {"any": "filtered"},
    ),
    (  # any is served where one family lets everybody in: that the other does not is told by family_difference
        audit(ruleset(filter_table()), [socket("::")], [allow()]),
        "ok",
        "tcp [::]:8000: open to any, decided by no rule of the kernel stops it",
        {"any": "open"},
    ),
    (
        audit(DENY, [socket()], [allow(8000, "loopback", "10.0.0.0/8")]),
        "critical",
        (
            "tcp 0.0.0.0:8000: open to loopback, decided by ip filter INPUT rule 1: -i lo -j ACCEPT; "
            "filtered to 10.0.0.0/8, decided by ip filter INPUT: policy drop"
        ),
        {"loopback": "open", "10.0.0.0/8": "filtered"},
    ),
    (
        audit(OPEN_ALL, [socket("127.0.0.1")], [allow()]),
        "critical",
        "tcp 127.0.0.1:8000: filtered to any, decided by where it is bound: 127.0.0.1",
        {"any": "filtered"},
    ),
    (
        audit(opening("-s 10.1.0.0/16 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/8")]),
        "warning",
        "tcp 0.0.0.0:8000: limited to 10.0.0.0/8, decided by ip filter INPUT rule 2: -s 10.1.0.0/16 -j ACCEPT",
        {"10.0.0.0/8": "limited"},
    ),
    (
        audit(OPEN_ALL, [], [allow(why="peers trade here")]),
        "warning",
        "nothing listens on tcp/8000, which the policy allows (peers trade here)",
        "no listener",
    ),
    (
        audit(OPEN_ALL, [], [ports("8000-8002")]),
        "warning",
        "nothing listens on tcp/8000-8002, which the policy allows",
        "no listener",
    ),
    (audit(DENY, [], [allow(required=False)]), "skipped", "the policy names nothing that must be reachable", None),
]


@pytest.mark.parametrize(("made", "status", "message", "actual"), SAID)
def test_who_gets_through_to_what_the_policy_allows_is_said(
    made: Context, status: str, message: str, actual: Any
) -> None:
    finding = only(made, "expected_closed")
    assert (finding.status, finding.message, finding.actual) == (status, message, actual)


def half_seen(rule: str) -> Ruleset:
    """Return rules of which those of IPv4 were not seen, and those of IPv6 are one beside a default of deny."""
    return Ruleset(ruleset("", filter_table(f"-A INPUT {rule}")).tables, {4: ("not root",)})


def reached(made: Context) -> list[Finding]:
    return [finding for finding in RULES.judge(made) if finding.check == "firewall.expected_closed"]


@pytest.mark.parametrize("unavailable", [{4: ("not root",)}, {4: ("not root",), 6: ("not root",)}])
def test_entries_that_have_only_blindness_in_common_are_one_finding(unavailable: dict[int, tuple[str, ...]]) -> None:
    made = audit(Ruleset((), unavailable), [socket(), socket(port=1)], [allow(), allow(1), allow(2)])
    summary, other = reached(made)
    assert (summary.subject, summary.status, summary.message, summary.actual) == (
        "policy",
        "unknown",
        (
            "whether the packet filter lets peers through could not be seen for 2 entries: "
            "tcp/8000 from any, tcp/1 from any"
        ),
        ["tcp/8000 from any", "tcp/1 from any"],
    )
    assert other.subject == "tcp/2 from any"


def test_an_entry_that_a_rule_makes_doubtful_is_no_part_of_the_summary() -> None:
    entries = [allow(1), allow(2), allow(3, "2001:db8:1::/48"), allow(4, "10.0.0.0/8", "2001:db8:1::/48")]
    sockets = [socket(port=1), socket(port=2), socket("::", 3), socket("::", 4)]
    made = audit(half_seen(f"{MAYBE} -j ACCEPT"), sockets, entries)
    summary, of_a_rule, of_both = reached(made)
    assert summary.actual == ["tcp/1 from any", "tcp/2 from any"]
    rule = "ip6 filter INPUT rule 1: -m time --timestart 08:00 -j ACCEPT"
    assert of_a_rule.message == f"tcp [::]:3: unknown to 2001:db8:1::/48, decided by {rule}"
    assert of_both.message == (
        f"tcp [::]:4: unknown to 10.0.0.0/8, decided by not root; unknown to 2001:db8:1::/48, decided by {rule}"
    )


def test_what_is_seen_of_an_entry_leaves_it_in_the_summary() -> None:
    entries = [allow(port, "10.0.0.0/8", "2001:db8:1::/48") for port in (1, 2)]
    made = audit(half_seen("-s 2001:db8:1::/48 -j ACCEPT"), [socket("::", 1), socket("::", 2)], entries)
    assert [finding.subject for finding in reached(made)] == ["policy"]


def test_whether_an_entry_is_served_and_whether_the_filter_lets_peers_through_are_told_apart() -> None:
    entries = [allow(port) for port in (1, 2, 3, 4, 5)]
    made = audit(NOT_SEEN, [socket(port=1)], entries)._replace(unavailable={"tcp sockets": "denied"})
    (summary,) = reached(made)
    assert summary.message == (
        "whether the packet filter lets peers through could not be seen for 1 entries: tcp/1 from any; "
        "whether anything listens could not be seen for 4 entries: "
        "tcp/2 from any, tcp/3 from any, tcp/4 from any and 1 more"
    )
    assert summary.actual == [f"tcp/{port} from any" for port in (1, 2, 3, 4, 5)]


def test_one_entry_of_which_it_is_not_seen_whether_it_is_served_says_why() -> None:
    made = audit(DENY, [], [allow()])._replace(unavailable={"tcp sockets": "denied"})
    assert [finding.message for finding in reached(made)] == ["whether anything listens is not seen: denied"]


EXPIRED = [
    (
        audit(DENY, [socket()], [allow(expires="2026-11-21", owner="ops")]),
        "tcp/8000 from any expired on 2026-11-21, ask ops: tcp 0.0.0.0:8000 still listens",
    ),
    (
        audit(DENY, [socket(port=1)], [allow(expires="2026-11-21")]),
        "tcp/8000 from any expired on 2026-11-21: nothing listens there any more",
    ),
    (
        audit(DENY, [], [allow(expires="2026-11-22"), allow(1, expires="2027-01-01"), allow(2)]),
        "none of 2 entries with a date is past it",
    ),
]


@pytest.mark.parametrize(("made", "message"), EXPIRED)
def test_an_expired_entry_says_who_is_asked_and_who_still_uses_it(made: Context, message: str) -> None:
    assert only(made, "policy_expired").message == message
