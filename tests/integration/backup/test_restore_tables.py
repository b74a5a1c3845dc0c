# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of some tables of a real PostgreSQL database come back, and nothing else of it is another afterwards."""

from __future__ import annotations

import os

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import databases, journal, tables
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.journal import read_all, under_way

from ..database.postgres_server import Server
from .dying import died_at
from .test_restore_swap_postgresql import NAMES, Lab, server

SCHEMA = (
    "CREATE ROLE tables_owner",
    "CREATE TABLE pairs (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE)",
    "CREATE TABLE trades (id serial PRIMARY KEY, pair int NOT NULL REFERENCES pairs, side text CHECK (side <> 'bad'))",
    "ALTER TABLE trades ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED",
    "CREATE INDEX by_side ON trades (upper(side))",
    "CREATE VIEW last_trades AS SELECT * FROM trades ORDER BY id DESC LIMIT 5",
    "CREATE TABLE notes (id int)",
    "INSERT INTO pairs (name) SELECT 'p' || n FROM generate_series(1, 5) n",
    "INSERT INTO trades (pair, side) SELECT 1 + n % 5, 'kept' FROM generate_series(1, 200) n",
    "INSERT INTO notes VALUES (1)",
    *(f"ALTER TABLE {name} OWNER TO tables_owner" for name in ("pairs", "trades", "notes")),
    "GRANT SELECT ON trades TO PUBLIC",
)
DEFINITION = """
SELECT c.oid::int, c.relname, c.relacl::text, pg_get_userbyid(c.relowner),
  (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid),
  (SELECT array_agg(conname || pg_get_constraintdef(oid) ORDER BY oid) FROM pg_constraint WHERE conrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY c.oid
"""
OURS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cryptobot%'"
__all__ = ["server"]


class Tables(Lab):
    """A server with a database whose tables refer to each other, and a set of it."""

    def sql(self, *statements: str) -> list[tuple]:
        return self.server.sql("main", *statements)

    def rows(self) -> list[object]:
        return [self.sql(f"SELECT * FROM {name} ORDER BY id") for name in ("pairs", "trades", "notes")]

    def ours(self) -> list[str]:
        return [*super().ours(), *(name for (name,) in self.sql(OURS))]

    def spoil(self) -> None:
        self.sql("UPDATE trades SET side = 'spoilt'", "DELETE FROM trades WHERE id > 7")
        self.sql("INSERT INTO trades (pair, side) VALUES (1, 'new')", "INSERT INTO notes VALUES (2)")


@pytest.fixture
def lab(server: Server, tmp_path: object) -> Tables:
    for (name,) in server.sql("postgres", NAMES):
        if name != "postgres":
            server.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    server.sql("postgres", "DROP ROLE IF EXISTS tables_owner", "CREATE DATABASE main")
    lab = Tables(server, tmp_path)
    lab.sql(*SCHEMA)
    lab.back_up()
    lab.saved = lab.rows()
    lab.spoil()
    lab.spoilt, lab.definition = lab.rows(), lab.sql(DEFINITION)
    return lab


def test_the_rows_of_one_table_come_back_and_it_stays_the_table_that_it_is(lab: Tables) -> None:
    planned = lab.restore(check=True, only=["pg"], tables=["trades"])
    assert any("rows of public.trades, in one transaction" in each.reason for each in planned.actions)
    with lab.server.connect("main"):  # who is in the database is in nobody's way
        result = lab.restore(only=["pg"], tables=["trades"])
    assert result.failure == ""
    assert [(a.action, a.subject) for a in planned.actions] == [(a.action, a.subject) for a in result.actions]
    assert lab.rows() == [lab.saved[0], lab.saved[1], lab.spoilt[2]]
    assert lab.sql(DEFINITION) == lab.definition
    assert lab.sql("INSERT INTO trades (pair, side) VALUES (1, 'x') RETURNING id") == [(202,)], "no number comes again"
    assert lab.restore(state="rolled_back").failure == ""
    assert (lab.rows(), lab.sql(DEFINITION)) == (lab.spoilt, lab.definition)
    assert len(lab.ours()) == 1, "what was taken back is kept for a while"
    for each in read_all(str(lab.root / "state")):
        lab.restore(state="tidied", restore=each.id)
    assert (lab.ours(), lab.rows()) == ([], lab.spoilt)


def test_tables_that_refer_to_each_other_come_back_together(lab: Tables) -> None:
    lab.sql(
        "DELETE FROM trades",
        "DELETE FROM pairs",
        "ALTER SEQUENCE trades_id_seq RESTART",
        "INSERT INTO notes VALUES (3)",
    )
    result = lab.restore(only=["pg"], tables=["public.trades", "public.pairs"])
    assert (result.failure, lab.rows()[:2]) == ("", lab.saved[:2])
    assert lab.sql("INSERT INTO trades (pair, side) VALUES (1, 'x') RETURNING id") == [(201,)], "behind the largest"


def refused(lab: Tables, *names: str) -> str:
    before = lab.rows()
    with pytest.raises(CoreError) as error:
        lab.restore(only=["pg"], tables=list(names))
    assert (lab.rows(), lab.ours(), read_all(str(lab.root / "state"))) == (before, [], [])
    return str(error.value)


FUNCTION = "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
REFUSED = [
    ("SELECT 1", "pairs", "the foreign key trades_pair_fkey of public.trades refers to it, so name both tables"),
    ("CREATE MATERIALIZED VIEW m AS SELECT * FROM trades", "trades", "the materialized view public.m would keep"),
    (f"CREATE TRIGGER audit BEFORE UPDATE ON trades {FUNCTION}", "trades", "its trigger audit would run"),
    ("ALTER TABLE trades ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "trades", "row level security"),
    ("CREATE TABLE child () INHERITS (notes)", "notes", "it inherits from a table, or one from it"),
    ("CREATE RULE r AS ON INSERT TO notes DO INSTEAD NOTHING", "notes", "its rule r would apply"),
    ("DROP TABLE notes", "notes", "this database has no such table"),
    ("ALTER TABLE notes OWNER TO postgres", "notes trades pairs", "are of several owners"),
    ("SELECT 1", "nowhere", "no database has public.nowhere in the set"),
]


@pytest.mark.parametrize(("statement", "names", "why"), REFUSED, ids=[row[2][:40] for row in REFUSED])
def test_what_would_harm_something_else_is_refused(lab: Tables, statement: str, names: str, why: str) -> None:
    lab.sql(statement)
    if "DROP TABLE" in statement:
        lab.rows = lambda: lab.sql("SELECT count(*) FROM trades")  # type: ignore[method-assign]
    assert why in refused(lab, *names.split())


def test_rows_that_do_not_fit_what_is_there_are_taken_back(lab: Tables) -> None:
    lab.sql("DELETE FROM trades WHERE pair = 5", "DELETE FROM pairs WHERE id = 5")
    before = lab.rows()
    result = lab.restore(only=["pg"], tables=["trades"])
    assert "do not fit what is there" in result.failure
    assert "trades_pair_fkey" in result.failure
    assert (lab.rows(), lab.ours()) == (before, [])


def test_a_table_with_other_columns_is_not_restored(lab: Tables) -> None:
    lab.sql("ALTER TABLE notes ADD COLUMN text text")
    before = lab.rows()
    result = lab.restore(only=["pg"], tables=["notes"])
    assert "the table public.notes has other columns than in the set" in result.failure
    assert (lab.rows(), lab.ours()) == (before, [])


def test_a_lock_that_somebody_holds_is_waited_for_and_nothing_is_swapped(lab: Tables) -> None:
    writer = lab.server.connect("main")
    try:
        writer.autocommit = False
        writer.cursor().execute("INSERT INTO trades (pair, side) VALUES (1, 'uncommitted')")
        sources = [{**lab.sources[0], "lock_wait_timeout": 1}]
        result = lab.restore(only=["pg"], tables=["trades"], sources=sources)
        assert "lock timeout" in result.failure
    finally:
        writer.close()
    assert (lab.rows(), lab.ours()) == (lab.spoilt, [])


@pytest.mark.parametrize("state", ["resumed", "rolled_back"])
def test_a_restore_of_tables_that_is_killed_goes_on_or_back(
    lab: Tables, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    points = [(journal, "write", 3, True), (tables, "copy_into", 1, False), (tables, "copy_into", 1, True)]
    points += [(databases, "_exchange", 1, False), (databases, "_exchange", 1, True), (tables, "_fill", 1, True)]
    for owner, name, nth, after in points:
        where = f"{name} {nth} {after}"
        assert died_at(owner, name, nth, lambda: lab.restore(only=["pg"], tables=["trades"]), after=after), where
        assert under_way(read_all(str(lab.root / "state"))) is not None
        assert lab.restore(state=state).failure == "", where
        assert lab.rows()[1] == (lab.saved if state == "resumed" else lab.spoilt)[1], where
        if state == "resumed":
            assert lab.restore(state="rolled_back").failure == "", where
            assert lab.rows() == lab.spoilt, where
        for each in read_all(str(lab.root / "state")):
            lab.restore(state="tidied", restore=each.id)
        assert lab.ours() == [], where


def test_that_a_second_exchange_would_be_seen(lab: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the defect: what tells whether it came to the exchange is not looked at."""
    died = died_at(databases, "_exchange", 1, lambda: lab.restore(only=["pg"], tables=["trades"]), after=True)
    monkeypatch.setattr(tables, "is_swapped", lambda unit, conversation: False)
    assert died
    lab.restore(state="rolled_back")
    assert lab.rows() != lab.spoilt


def test_that_rows_which_do_not_arrive_would_be_seen(lab: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_pipe", lambda server, host, giving, taking: None)
    result = lab.restore(only=["pg"], tables=["trades"])
    assert "[0] rows of public.trades came into main" in result.failure
    assert (lab.rows(), lab.ours()) == (lab.spoilt, [])


def test_that_the_refusals_are_what_keeps_others_from_harm(lab: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.sql("CREATE MATERIALIZED VIEW m AS SELECT * FROM trades")
    monkeypatch.setattr(tables, "require_possible", lambda conversation, names: None)
    assert lab.restore(only=["pg"], tables=["trades"]).failure == ""
    assert lab.sql("SELECT count(*) FROM m") != lab.sql("SELECT count(*) FROM trades"), "it has the rows of before"
    assert "truncate a table referenced in a foreign key" in lab.restore(only=["pg"], tables=["pairs"]).failure
