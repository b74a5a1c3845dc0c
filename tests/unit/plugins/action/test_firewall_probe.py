# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only what the inventory names for its hosts is contacted: anything else is refused before a host is asked."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="action plugins need ansible-core")

from ansible_collections.cryptobot.maintenance.plugins.action.firewall_probe import strangers

INVENTORY = {
    "db1": {"ansible_host": "10.0.0.5", "cryptobot_firewall_probe_addresses": ["fd00::5", "10.1.0.5"]},
    "10.0.0.6": {},
    "named": {"ansible_host": "db.example.org"},
}
CURE = "(ansible_host, cryptobot_firewall_probe_addresses): add it there if it is one"

# (a target, what is said of it)
TARGETS: list[tuple[Any, list[str]]] = [
    ({"host": "db1", "host_address": "10.0.0.5"}, []),
    ({"host": "db1", "host_address": "10.0.0.5", "addresses": ["10.1.0.5", "fd00::5"]}, []),
    ({"host": "db1"}, []),
    ({"host": "db1", "host_address": None, "addresses": None}, []),
    ({"host": "10.0.0.6", "host_address": "10.0.0.6"}, []),
    ({"host": "named", "host_address": "db.example.org"}, []),
    (
        {"host": "db1", "host_address": "8.8.8.8"},
        [f"targets[0] (db1).host_address is '8.8.8.8': expected an address of db1 in the inventory {CURE}"],
    ),
    (
        {"host": "db1", "host_address": "10.1.0.5"},
        [f"targets[0] (db1).host_address is '10.1.0.5': expected an address of db1 in the inventory {CURE}"],
    ),
    (
        {"host": "db1", "host_address": "10.0.0.5", "addresses": ["10.1.0.5", "10.1.0.6", "10.0.0.5"]},
        [
            f"targets[0] (db1).addresses is '{wrong}': expected an address of db1 in the inventory {CURE}"
            for wrong in ("10.1.0.6", "10.0.0.5")
        ],
    ),
    (
        {"host": "named", "addresses": ["10.0.0.5"]},
        [f"targets[0] (named).addresses is '10.0.0.5': expected an address of named in the inventory {CURE}"],
    ),
    (
        {"host": "8.8.8.8", "host_address": "8.8.8.8"},
        ["targets[0].host is '8.8.8.8': expected a host of the inventory: nothing else is knocked at"],
    ),
    (
        {"host_address": "8.8.8.8"},
        ["targets[0].host is 'None': expected a host of the inventory: nothing else is knocked at"],
    ),
    (
        {"host": "db1", "addresses": "8.8.8.8"},
        [f"targets[0] (db1).addresses is '8.8.8.8': expected an address of db1 in the inventory {CURE}"],
    ),
    ("db1", []),  # no mapping: the options themselves are wrong, which is said elsewhere
]


@pytest.mark.parametrize(("target", "said"), TARGETS)
def test_an_address_is_one_of_its_host_or_refused(target: Any, said: list[str]) -> None:
    assert [str(mistake) for mistake in strangers([target], INVENTORY)] == said


@pytest.mark.parametrize("targets", [None, "8.8.8.8", {"host": "8.8.8.8"}, 7])
def test_what_is_no_list_of_targets_is_not_looked_into(targets: Any) -> None:
    assert list(strangers(targets, INVENTORY)) == []
