# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for one server as a whole: what is looked at where, when stages come first, and who is next."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.context import ServerContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import Facts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import (
    DatabaseSnapshot,
    Table,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.plan import (
    ServerPlan,
    make_plan,
    next_candidates,
)

from ..options import postgresql, settings
from .builders import cluster, dirty, table, view


def planned(*views: DatabaseSnapshot) -> ServerPlan:
    return make_plan(cluster(*views), settings([postgresql()]), History(), Facts(), 7200.0)


def test_the_catalogs_that_all_databases_share_are_looked_at_in_the_first() -> None:
    shared = table("pg_authid", schema="pg_catalog", shared=True)
    plan = planned(view(table(), shared), view(table(), shared, database="auth"), view(shared, database="logs"))
    names = {database: [case.table.name for case in cases] for database, cases in plan.contexts.items()}
    assert names == {"cryptobot": ["trades", "pg_authid"], "auth": ["trades"], "logs": []}


def test_a_server_that_was_not_seen_needs_no_time() -> None:
    chosen = settings([postgresql()])
    assert ServerContext(chosen.databases[0], chosen, unavailable=("critical", "refused")).predicted_s == 0.0


# tables that were never analyzed, other tables by their live rows, and whether quick stages come first: where 20 tables
# and half of those that hold rows are new, the server was just restored
RESTORED = [
    (19, [], False),
    (20, [], True),
    (20, [1] * 20, True),
    (20, [1] * 21, False),
    (20, [1] * 20 + [0] * 5, True),
]


@pytest.mark.parametrize(("new", "others", "stages"), RESTORED)
def test_stages_come_first_where_half_of_the_filled_tables_are_new(new: int, others: list[int], stages: bool) -> None:
    tables = [table(f"new{number}", oid=number, reltuples=-1.0, last_analyze=None) for number in range(new)]
    tables += [table(f"old{number}", oid=100 + number, live=live) for number, live in enumerate(others)]
    steps = planned(view(*tables)).steps
    assert len(steps) == (3 * new if stages else new)
    assert (steps[0].task.target == 1) is stages


# a table beside a planned one, and how near it is said to be (None: it is no candidate)
NEAR: list[tuple[dict[str, Any], Any]] = [
    ({"dead": 1_000}, 0.1),
    ({"dead": 999}, None),
    ({"dead": 4_567}, 0.46),
    ({"xid_age": 90_000_000, "live": 0, "dead": 0}, None),  # it is empty
    ({"xid_age": 90_000_000, "live": 1, "dead": 0}, 0.9),
    ({"xid_age": 90_000_000, "live": 0, "dead": 1}, 0.9),
    ({"xid_age": 90_000_000, "live": 5, "dead": 5}, 0.9),
]


@pytest.mark.parametrize(("given", "nearness"), NEAR)
def test_a_candidate_holds_rows_and_is_at_a_tenth_of_a_threshold_or_nearer(
    given: dict[str, Any], nearness: Any
) -> None:
    found = next_candidates(planned(view(dirty(), table("orders", **given))))
    expected = [{"table": "cryptobot.public.orders", "nearness": nearness}]
    assert found == (expected if nearness is not None else [])


def test_the_five_nearest_are_candidates() -> None:
    def near(number: int) -> Table:
        return table(f"t{number}", oid=number, dead=1_000 * number)

    found = next_candidates(planned(view(*map(near, range(2, 9)))))
    assert [one["nearness"] for one in found] == [0.8, 0.7, 0.6, 0.5, 0.4]
