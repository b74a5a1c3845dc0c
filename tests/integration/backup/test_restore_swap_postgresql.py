# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Databases of a real PostgreSQL server go back in their place, and back again; who is in one is never cut off."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import filled

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC as BACKUP
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import run as run_backup
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import SPEC, databases, journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.journal import read_all, under_way
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.run import run

from ..database.postgres_server import Server, binaries, running_server
from .dying import died_at

SCHEMA = (
    "CREATE TABLE trades (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, side text)",
    "INSERT INTO trades (side) SELECT 'left' FROM generate_series(1, 200)",
)
NAMES = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"


class Lab:
    """A server with two databases and a set of them."""

    def __init__(self, server: Server, root: Path) -> None:
        self.server, self.root = server, root
        self.exclude = ["postgres"]

    @property
    def sources(self) -> list[dict]:
        login = {"login_unix_socket": str(self.server.folder), "login_port": self.server.port}
        login |= {"system_user": self.server.account, "bin_dir": str(self.server.bin), "exclude": self.exclude}
        return [{"name": "pg", "type": "postgresql", "database": "*", **login}]

    def back_up(self) -> str:
        given = {"dir": str(self.root / "backups"), "state_dir": str(self.root / "state"), "sources": self.sources}
        return str(run_backup(filled(BACKUP, given), choose_host(120), False).data["set"]["id"])

    def restore(self, *, check: bool = False, **options: object) -> Result:
        given = {"dir": str(self.root / "backups"), "state_dir": str(self.root / "state"), "sources": self.sources}
        return run(filled(SPEC, {**given, "safety_set": False, **options}), choose_host(120), check)

    def state(self) -> list[object]:
        names = [name for (name,) in self.server.sql("postgres", NAMES)]
        rows = self.server.sql("main", "SELECT count(*), min(side) FROM trades") if "main" in names else []
        return [[name for name in names if not name.startswith("cryptobot_")], rows]

    def ours(self) -> list[str]:
        return [name for (name,) in self.server.sql("postgres", NAMES) if name.startswith("cryptobot_")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = binaries()
    if folder is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("no PostgreSQL server binaries (initdb) on this machine")
        pytest.skip("no PostgreSQL server binaries (initdb) on this machine: install postgresql-15")
    with running_server(folder) as running:
        yield running


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Lab:
    for (name,) in server.sql("postgres", NAMES):
        if name != "postgres":
            server.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    server.sql("postgres", "CREATE DATABASE main", "CREATE DATABASE other")
    server.sql("main", *SCHEMA)
    lab = Lab(server, tmp_path)
    lab.saved = lab.state()
    lab.back_up()
    server.sql("main", "UPDATE trades SET side = 'spoilt'", "DELETE FROM trades WHERE id > 7")
    lab.spoilt = lab.state()
    return lab


def test_there_and_back_and_tidied(lab: Lab) -> None:
    result = lab.restore()
    assert (result.failure, lab.state()) == ("", lab.saved)
    assert len(lab.ours()) == 2, "the state before is kept"
    assert lab.restore(state="rolled_back").failure == ""
    assert lab.state() == lab.spoilt
    again = lab.restore(databases=["main"])
    assert (again.failure, lab.state()) == ("", lab.saved)
    for each in read_all(str(lab.root / "state")):
        lab.restore(state="tidied", restore=each.id)
    assert (lab.ours(), lab.state()) == ([], lab.saved)


def test_a_database_that_was_dropped_comes_back(lab: Lab) -> None:
    lab.server.sql("postgres", "DROP DATABASE main")
    result = lab.restore(safety_set=True)
    assert (result.failure, lab.state()) == ("", lab.saved)


@pytest.mark.parametrize("state", ["resumed", "rolled_back"])
def test_the_database_that_we_ask_the_server_in_is_swapped_like_any_other(lab: Lab, state: str) -> None:
    """A source declares all databases by default, and every server has one named postgres."""
    lab.exclude = []
    spoilt, which = lab.state(), lab.back_up()
    lab.server.sql("main", "UPDATE trades SET side = 'worse'")
    worse = lab.state()
    assert died_at(databases, "close_doors", 1, lambda: lab.restore(set=which), after=True)
    assert lab.restore(state=state).failure == ""
    assert lab.state() == (spoilt if state == "resumed" else worse)


def test_into_a_folder_are_the_dumps_that_a_person_can_read(lab: Lab) -> None:
    into = lab.root / "look"
    assert lab.restore(into=str(into), databases=["main"]).failure == ""
    assert sorted(path.name for path in (into / "pg").iterdir()) == ["globals.sql", "main.dump"]
    listed = subprocess.run(
        [lab.server.bin / "pg_restore", "--list", into / "pg" / "main.dump"], check=True, capture_output=True, text=True
    )
    assert "TABLE DATA public trades" in listed.stdout
    assert (lab.ours(), lab.state()) == ([], lab.spoilt), "no server is asked"


def test_who_stays_in_a_database_is_not_cut_off_and_nothing_is_swapped(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 1.0)
    writer = lab.server.connect("main")
    try:
        result = lab.restore()
        assert "somebody is in the database main" in result.failure
        assert "everything is as it was before" in result.failure
        with writer.cursor() as cursor:
            cursor.execute("INSERT INTO trades (side) VALUES ('still in') RETURNING side")
            assert cursor.fetchall() == [("still in",)]
    finally:
        writer.close()
    assert lab.ours() == []
    assert lab.server.sql("main", "SELECT count(*) FROM trades") == [(8,)], "the doors are open again"


def test_the_dump_in_an_archive_of_the_application_comes_back(lab: Lab) -> None:
    stage = lab.root / "stage" / "nightly"
    stage.mkdir(parents=True)
    lab.server.sql("main", "DELETE FROM trades", "INSERT INTO trades (side) VALUES ('archived')")
    archived = lab.state()
    dump = ["runuser", "-u", lab.server.account, "--", str(lab.server.bin / "pg_dump"), "-Fc", "-h"]
    words = [*dump, str(lab.server.folder), "-p", str(lab.server.port), "main"]
    (stage / "database.sql").write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
    (stage / "metadata.json").write_text(json.dumps({"system": {"hostname": platform.node(), "os": "Linux"}}))
    subprocess.run(["tar", "-C", stage.parent, "-czf", lab.root / "n.tar.gz", "nightly"], check=True)
    lab.server.sql("main", "UPDATE trades SET side = 'spoilt'")
    spoilt = lab.state()
    result = lab.restore(archive=str(lab.root / "n.tar.gz"), install_dir="/opt/cryptobot", safety_set=True)
    assert (result.failure, lab.state()) == ("", archived)
    [said] = [each for each in result.findings if each.check == "restore.archive"]
    assert "one database of PostgreSQL alone" in said.message
    assert lab.restore(state="rolled_back").failure == ""
    assert lab.state() == spoilt


@pytest.mark.parametrize("state", ["resumed", "rolled_back"])
def test_a_restore_that_is_killed_goes_on_or_back(lab: Lab, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    points = [(journal, "write", nth, after) for nth, after in ((2, False), (3, True), (8, True), (9, False))]
    points += [(databases, "_allow", 1, True), (databases, "_put", 1, True), (databases, "_check_indexes", 1, False)]
    for owner, name, nth, after in points:
        lab.server.sql("main", "UPDATE trades SET side = 'spoilt'", "DELETE FROM trades WHERE id > 7")
        assert died_at(owner, name, nth, lab.restore, after=after), (name, nth)
        assert under_way(read_all(str(lab.root / "state"))) is not None
        assert lab.restore(state=state).failure == "", (name, nth)
        assert lab.state() == (lab.saved if state == "resumed" else lab.spoilt), (name, nth, after)
        assert state == "resumed" or lab.ours() == [], (name, nth)
        for each in read_all(str(lab.root / "state")):
            lab.restore(state="tidied", restore=each.id)
