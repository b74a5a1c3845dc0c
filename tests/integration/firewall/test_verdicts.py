# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel agrees with the table of verdicts that the unit tests hold the model to."""

from __future__ import annotations

import shutil

import pytest

from .lab import Knock, Lab
from .record import FIXTURES, SCENARIOS

NEEDS = {"ufw": "ufw", "firewalld": "firewalld", "fail2ban": "fail2ban-client"}


def read_table() -> dict[str, dict[Knock, bool]]:
    """Return by scenario which connections come through; what no model can tell is not asked."""
    table: dict[str, dict[Knock, bool]] = {}
    for line in (FIXTURES / "nft/verdicts.txt").read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words and words[4] != "unknown":
            scenario, proto, port, source, verdict, *via = words
            knock = Knock(proto, int(via[0] if via else port), source)
            table.setdefault(scenario, {})[knock] = verdict == "open"
    return table


TABLE = read_table()


@pytest.mark.parametrize("scenario", sorted(TABLE))
def test_connections_come_through_exactly_where_the_table_says_so(lab: Lab, scenario: str) -> None:
    tool = next((tool for name, tool in NEEDS.items() if scenario.startswith(name)), "sh")
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    lab.load(SCENARIOS[scenario])
    redirected = {("tcp", 8080)} if scenario == "nft-nat" else set()
    lab.serve(*sorted({(knock.proto, knock.port) for knock in TABLE[scenario]} | redirected))
    assert lab.knock(list(TABLE[scenario])) == TABLE[scenario]
