# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model against recorded rulesets of three Debian releases; the integration tests ask the kernel the same."""

from __future__ import annotations

import pytest

from .recorded import FIXTURES, SYSTEMS, exposer, facts, scenarios, verdict


def read_table() -> list[tuple[str, str, int, str, str]]:
    lines = (FIXTURES / "nft/verdicts.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("#")[0].split() for line in lines]
    return [(row[0], row[1], int(row[2]), row[3], row[4]) for row in rows if row]


TABLE = read_table()
# What an old nft does not tell in JSON, and the model therefore must not guess: the device of a chain at ingress
# (before 1.1), and the limit of elements that a rule adds to a set (before 1.0).
NOT_SHOWN = {
    ("debian-11", "nft-sets", "udp", 53, "198.51.100.7"),
    *(
        ("debian-11", "nft-ingress", "tcp", *row)
        for row in ((3306, "192.0.2.9"), (3306, "10.4.4.4"), (22, "198.51.100.7"))
    ),
    *(
        ("debian-12", "nft-ingress", "tcp", *row)
        for row in ((3306, "192.0.2.9"), (3306, "10.4.4.4"), (22, "198.51.100.7"))
    ),
}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("scenario", "proto", "port", "source", "expected"), TABLE)
def test_the_model_says_of_each_recorded_ruleset_who_gets_through(
    system: str, scenario: str, proto: str, port: int, source: str, expected: str
) -> None:
    complete = (system, scenario, proto, port, source) not in NOT_SHOWN
    assert verdict(exposer(system, scenario), proto, port, source) == (expected if complete else "unknown")


def test_the_table_asks_about_every_scenario_that_was_recorded() -> None:
    assert {row[0] for row in TABLE} == set(scenarios("debian-12"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_release_has_recorded_every_scenario(system: str) -> None:
    assert scenarios(system) == scenarios("debian-12")


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_recorded_ruleset_hides_anything_from_the_parsers(system: str) -> None:
    unavailable = {
        name: (facts(system, name).unavailable, facts(system, name).ruleset.unavailable) for name in scenarios(system)
    }
    assert {name: seen for name, seen in unavailable.items() if seen != ({}, {4: (), 6: ()})} == {}


def test_a_verdict_names_the_rule_that_decides() -> None:
    asked = exposer("debian-12", "ufw-g7")
    rules = {
        port: asked.port("tcp", port, 4, (0xCB00710A,)).decided_by((0xC6336407, 0xC6336408))
        for port in (8000, 5432, 8002)
    }
    assert rules == {
        8000: "ip filter ufw-user-input rule 2: tcp dport 8000 accept",
        5432: "ip filter ufw-user-input rule 8: tcp dport 5432 drop",
        8002: "ip filter INPUT: policy drop",
    }
