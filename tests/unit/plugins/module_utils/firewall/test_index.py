# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of addresses, as fail2ban keeps them, are one rule; what is no such list stays as it is."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.index import bunched
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import merge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    Effect,
    FilterRule,
    Match,
    Ruleset,
)

from .test_exchange import Exposer as Asked
from .test_exchange import asks, closed, listener, network, numbers, rule, rules

BANNED = [f"10.1.{place}.9" for place in range(40)]


def source(address: str) -> Match:
    return Match(("saddr",), ((numbers(address),),), address)


def ban(address: str, **more: object) -> FilterRule:
    return rule(source(address), asks("dport", 8000))._replace(**more)  # type: ignore[arg-type]


def test_rules_that_differ_by_an_address_alone_are_one_and_say_how_many() -> None:
    (one,) = bunched(map(ban, BANNED))
    assert one.tests[0].rows == ((merge(map(numbers, BANNED)),),)  # type: ignore[union-attr]
    assert one.tests[1:] == ban(BANNED[0]).tests[1:]
    assert "39 rules behind it" in str(one)


OTHERS = [
    ban("10.9.9.9", verdict=rule(do=ACCEPT).verdict),
    ban("10.9.9.9", effects=(Effect("mark", 1),)),
    ban("10.9.9.9", verdict=None),
    rule(source("10.9.9.9")._replace(negated=True), asks("dport", 8000)),
    rule(source("10.9.9.9")._replace(mask=0xFF), asks("dport", 8000)),
    rule(source("10.9.9.9"), asks("dport", 8001)),
    rule(source("10.9.9.9")),
    rule(asks("dport", 8000)),
    rule(source("10.9.9.9")._replace(fields=("daddr",)), asks("dport", 8000)),
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_rule_between_them_keeps_its_place(other: FilterRule) -> None:
    listed = [ban(address) for address in BANNED[:32]]
    before, between, after = bunched([*listed, other, *listed])
    assert between == other
    assert before == after == next(bunched(listed))


def test_a_short_list_stays_as_it_is() -> None:
    listed = [ban(address) for address in BANNED[:31]]
    assert list(bunched(listed)) == listed


def test_who_is_listed_is_stopped_and_nobody_else() -> None:
    held: Ruleset = rules(closed(*map(ban, BANNED), rule(asks("dport", 8000), do=ACCEPT)))
    exposure = Asked(held, network()).outside(listener(), 4)
    assert {exposure.verdict(numbers(address)) for address in BANNED if address.startswith("10.1.0.")} == {"filtered"}
    assert exposure.verdict(numbers("10.1.0.10")) == "open"
    assert "39 rules behind it" in exposure.decided_by(numbers("10.1.0.9"))
