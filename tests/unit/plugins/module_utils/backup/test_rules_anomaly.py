# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources that look emptied."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_anomaly import anomaly, find_anomalies

from .examples import DAY, a_set, an_entry

SOURCE = Source("config", "files")


def taken(count: int = 10, live: int = 1000) -> SourceCopy:
    return SourceCopy("config", "files", "none", (), count, live, live, {})


CASES: list[tuple[str, Source, SourceCopy, Optional[int], str]] = [
    ("as before", SOURCE, taken(), 1000, ""),
    ("grown", SOURCE, taken(live=9000), 1000, ""),
    ("first of its kind", SOURCE, taken(), None, ""),
    ("just less than half lost", SOURCE, taken(live=501), 1000, ""),
    ("half lost", SOURCE, taken(live=500), 1000, "lost 50% of its data"),
    ("all but lost", SOURCE, taken(live=1), 1000, "lost 100% of its data"),
    ("no file at all", SOURCE, taken(count=0, live=0), 1000, "no files at all"),
    ("no row at all, the first time", Source("db", "sqlite"), taken(count=0), None, "no rows at all"),
    ("empty, and that is right", Source("config", "files", may_be_empty=True), taken(count=0, live=0), 0, ""),
    ("may be empty, but was not", Source("config", "files", may_be_empty=True), taken(count=0, live=0), 9, "lost 100%"),
]


@pytest.mark.parametrize(("why", "source", "now", "before", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_looks_emptied(why, source, now, before, expected):
    entry = None if before is None else an_entry(source.name, kind=source.type, live=before)
    found = anomaly(source, now, entry, 0.5)
    assert expected in found
    assert bool(found) is bool(expected)


def test_a_source_that_changed_its_type_is_not_compared():
    assert anomaly(SOURCE, taken(live=1), an_entry(kind="sqlite"), 0.5) == ""


def test_each_source_is_compared_with_the_last_good_set_that_has_it():
    old, new = a_set(9 * DAY, sources=("config", "logs"), size=2000), a_set(DAY, sources=("config",), size=10)
    now = {"config": taken(live=10), "logs": taken(live=10)}
    found = find_anomalies([SOURCE, SOURCE._replace(name="logs")], now, [old, new], 0.5)
    assert [message.split()[0] for message in found] == ["logs"]


def test_a_source_that_was_left_out_is_no_anomaly():
    assert find_anomalies([SOURCE], {}, [a_set(DAY)], 0.5) == []


SHIPPED = {"rows": {"trades": 0, "orders": 0}}
DUMPED = {"databases": {"main": {"objects": 4, "rows": {"public.trades": 0}}}}
BARE = {"databases": {"main": {"objects": 1, "rows": {}}}}
EMPTY: list[tuple[str, str, dict[str, Any], Optional[int], bool]] = [
    ("empty tables as shipped, the first set", "sqlite", SHIPPED, None, False),
    ("empty tables as shipped, as before", "sqlite", SHIPPED, 0, False),
    ("empty tables, one row before", "sqlite", SHIPPED, 1, True),
    ("empty tables, rows before", "sqlite", SHIPPED, 500, True),
    ("no table at all, the first set", "sqlite", {"rows": {}}, None, True),
    ("no table at all, as before", "sqlite", {"rows": {}}, 0, False),
    ("a server with empty tables, the first set", "postgresql", DUMPED, None, False),
    ("a server with empty tables, rows before", "postgresql", DUMPED, 9, True),
    ("a server without tables, the first set", "postgresql", BARE, None, True),
    ("no file, the first set", "files", {}, None, True),
    ("no file, files before", "files", {}, 3, True),
]


@pytest.mark.case("BK15")
@pytest.mark.parametrize(("why", "kind", "facts", "before", "expected"), EMPTY, ids=[case[0] for case in EMPTY])
def test_what_was_empty_before_has_lost_nothing(why, kind, facts, before, expected):
    entry = None if before is None else an_entry("db", kind=kind, live=0)._replace(things=before)
    found = anomaly(Source("db", kind), SourceCopy("db", kind, "none", (), 0, 8192, 8192, facts), entry, 0.5)
    assert bool(found) is expected
    assert not found or found.endswith("if that is right, declare may_be_empty: true for it")
