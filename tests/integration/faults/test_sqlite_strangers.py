# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account puts links to root's database where its own is declared: nothing of it is read, nothing of it is written.

SQLite follows any link, and root may open anything. So what an account of its own folder can do is tried here with a
second account for real: links that lie there from the start, links that are put there between the look and the act,
and names that change places all the time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act
from plugins.module_utils.backup.examples import sqlite as source
from plugins.module_utils.database.options import options
from plugins.module_utils.database.options import sqlite as entry

from ansible_collections.cryptobot.maintenance.plugins.module_utils import sqlite_place
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import run as looking
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import swap
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="root looks at what another account declares"
)
NOBODY = 65534
SECRET = "this is for root alone"
NOT_HIS = f"belongs to uid {NOBODY} and leads to what is not his own"
# Lets every database be rewritten: each is over its threshold at once.
EAGER: dict[str, Any] = {
    "sqlite_strategy": "into_swap",
    "services_stopped": True,
    "thresholds": {"freelist_ratio": 0.01, "freelist_bytes": "1k"},
}
# Exchanges a database and a link, and a folder and a link, each in one step, until told to stop.
SWAPPER = """
import ctypes, os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc, tree, swaps = ctypes.CDLL(None), os.fsencode(sys.argv[1]), 0
print("ready", flush=True)
parent = os.getppid()  # whose test was killed ends with it
while not os.path.exists(tree + b"/stop") and os.getppid() == parent:
    for one, other in ((b"/v.db", b"/to file"), (b"/sub", b"/to folder")):
        libc.renameat2(-100, tree + one, -100, tree + other, 2)
        swaps += 1
print(swaps, flush=True)
"""


def made(path: Path, text: str) -> Path:
    """Make a database that is half free, so that a vacuum is due."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("CREATE INDEX ix ON trades (body)")  # never analyzed, so an ANALYZE is due as well
        connection.executemany("INSERT INTO trades (body) VALUES (?)", [(text * 40,)] * 400)
        connection.execute("DELETE FROM trades WHERE id > 200")
        connection.commit()
    return path


def given_away(*paths: Path) -> None:
    for path in paths:
        os.lchown(path, NOBODY, NOBODY)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with ``root``, closed, with a database, and ``app``, which is the account's, with one of its own."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to the account
    folder.chmod(0o755)
    (folder / "root").mkdir(mode=0o700)
    (folder / "app").mkdir()
    made(folder / "root" / "v.db", SECRET)
    given_away(folder / "app", made(folder / "app" / "own.db", "anybody's"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return the inode and content of each file in a folder."""
    return {path.name: (path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()) for path in folder.iterdir()}


def vacuum(folder: Path, path: Path, **more: Any) -> Result:
    chosen = options([entry("app", str(path))], state_dir=str(folder / "state"), **{**EAGER, **more})
    return run(chosen, choose_host(300.0))


def backed_up(folder: Path, path: Path) -> Result:
    return act(folder, sources=[source("app", path)], compression="none", verify_level="L1")


def linked(folder: Path, kind: str) -> Path:
    """Put the account's link in the way to root's database, and return the path to declare."""
    link, declared, leads_to = {
        "the file": ("v.db", "v.db", folder / "root" / "v.db"),
        "a folder above": ("sub", "sub/v.db", folder / "root"),
        "by way of another": ("v.db", "v.db", folder / "app" / "second"),
    }[kind]
    if kind == "by way of another":
        (folder / "app" / "second").symlink_to(folder / "root" / "v.db")
        given_away(folder / "app" / "second")
    (folder / "app" / link).symlink_to(leads_to)
    given_away(folder / "app" / link)
    return folder / "app" / declared


KINDS = ("the file", "a folder above", "by way of another")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_s_link_leads_no_vacuum_to_root_s_database(kind: str, place: Path) -> None:
    declared, before = linked(place, kind), state(place / "root")
    result = vacuum(place, declared)
    told = [(one.check, one.status) for one in result.findings]
    assert told == [("database.reachable", "unknown")]
    assert NOT_HIS in result.findings[0].message
    assert (state(place / "root"), result.changed) == (before, False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_s_link_puts_nothing_of_root_s_into_a_set(kind: str, place: Path) -> None:
    declared, before = linked(place, kind), state(place / "root")
    result = backed_up(place, declared)
    assert NOT_HIS in result.failure
    assert state(place / "root") == before
    assert not (place / "backups").exists()


@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_link_to_what_is_his_own_is_followed(owner: int, place: Path) -> None:
    link = place / "app" / "v.db"
    link.symlink_to(place / "app" / "own.db")
    os.lchown(link, owner, owner)
    before = (place / "app" / "own.db").stat().st_size
    assert backed_up(place, link).failure == ""
    assert vacuum(place, link).changed
    after = (place / "app" / "own.db").stat()
    assert (after.st_size < before, after.st_uid, link.is_symlink()) == (True, NOBODY, True)


def replaced_by_a_link(place: Path) -> Path:
    """Put a link to root's database in the place of the account's own, and return where."""
    path = place / "app" / "own.db"
    path.unlink(missing_ok=True)
    path.symlink_to(place / "root" / "v.db")
    given_away(path)
    return path


def before_each(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, what: Callable[[], object]) -> None:
    real = getattr(owner, name)

    def first(*given: Any, **named: Any) -> Any:
        what()
        return real(*given, **named)

    monkeypatch.setattr(owner, name, first)


@pytest.mark.parametrize("strategy", ["into_swap", "advise"])
def test_a_link_put_there_between_the_look_and_the_act_is_not_followed(
    strategy: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(place / "root")
    before_each(monkeypatch, looking, "perform", lambda: replaced_by_a_link(place))
    result = vacuum(place, place / "app" / "own.db", sqlite_strategy=strategy)
    assert state(place / "root") == before
    assert NOT_HIS in result.failure


@pytest.mark.parametrize("step", [vacuum, backed_up])
def test_a_link_put_there_while_sqlite_opens_it_is_noticed_before_the_first_statement(
    step: Callable[[Path, Path], Result], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked = state(place / "root"), []
    real = sqlite3.connect

    def swapped(database: str, **given: Any) -> sqlite3.Connection:
        if "own.db" not in str(database):
            return real(database, **given)
        kept = place / "app" / "kept.db"
        (place / "app" / "own.db").rename(kept)
        replaced_by_a_link(place)
        connection = real(database, **given)
        connection.set_trace_callback(asked.append)
        kept.replace(place / "app" / "own.db")  # who swaps swaps back, so that a look by path sees nothing
        return connection

    monkeypatch.setattr(sqlite_place.sqlite3, "connect", swapped)
    result = step(place, place / "app" / "own.db")
    said = result.failure or result.findings[0].message
    assert "another file was put in its place while it was opened" in said
    assert (state(place / "root"), asked) == (before, [])


def hard_link(draft: Path, root: Path) -> None:
    """A second name of root's file, as an account can make one where fs.protected_hardlinks is off."""
    os.link(root / "shadow", draft)


def link(draft: Path, root: Path) -> None:
    draft.symlink_to(root / "shadow")
    given_away(draft)


def link_to_nothing(draft: Path, root: Path) -> None:
    draft.symlink_to(root / "missing")
    given_away(draft)


def pipe(draft: Path, _root: Path) -> None:
    os.mkfifo(draft)
    given_away(draft)


@pytest.mark.parametrize("moment", ["_at", "_swap"])
@pytest.mark.parametrize("take", [hard_link, link, link_to_nothing, pipe])
def test_the_copy_s_place_is_taken_and_nothing_is_given_away(
    take: Callable[[Path, Path], None], moment: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = place / "root" / "shadow"
    shadow.write_text("root's")
    shadow.chmod(0o600)
    before = state(place / "root")
    draft = place / "app" / f"own.db{swap.SUFFIX}"

    taken: list[bool] = []

    def take_its_place() -> None:
        if not taken:
            taken.append(True)
            draft.unlink()
            take(draft, place / "root")

    before_each(monkeypatch, swap, moment, take_its_place)
    result = vacuum(place, place / "app" / "own.db")
    status = shadow.stat()
    assert (state(place / "root"), status.st_uid, status.st_mode & 0o777) == (before, 0, 0o600)
    assert (taken, (place / "app" / "own.db").is_symlink()) == ([True], False)
    assert [one.state != "done" for one in result.actions if one.action == "vacuum_into"] == [True]
    with closing(sqlite3.connect(place / "app" / "own.db")) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (200,)


def exchanged(place: Path) -> None:
    """Have the account's folder elsewhere, and a link to root's in its place."""
    (place / "app").rename(place / "elsewhere")
    (place / "app").symlink_to(place / "root")
    given_away(place / "app")


def test_a_folder_exchanged_before_the_swap_loses_no_log_of_root(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that are removed beside a swapped database are those in its own folder, whatever its path leads to."""
    (place / "root" / "own.db-wal").write_text("root's log")
    before = state(place / "root")
    before_each(monkeypatch, swap, "_swap", lambda: exchanged(place))
    result = vacuum(place, place / "app" / "own.db")
    assert (state(place / "root"), result.changed) == (before, False)


def test_a_folder_exchanged_while_the_copy_is_made_gets_no_file_of_ours(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = state(place / "root"), swap._write_copy

    def meanwhile(*given: Any, **named: Any) -> None:
        exchanged(place)
        try:
            real(*given, **named)
        finally:
            (place / "app").unlink()
            (place / "elsewhere").rename(place / "app")

    monkeypatch.setattr(swap, "_write_copy", meanwhile)
    result = vacuum(place, place / "app" / "own.db")
    assert state(place / "root") == before
    assert (bool(result.failure), os.geteuid(), os.getegid()) == (True, 0, 0)


def test_rights_that_cannot_be_lent_leave_the_database_as_it_was(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(place / "app")
    monkeypatch.setattr(swap, "_group_of", lambda _uid: -1)  # which the C library refuses
    result = vacuum(place, place / "app" / "own.db")
    assert f"own.db was not replaced and is as it was: the rights of uid {NOBODY}, gid -1 cannot" in result.failure
    assert (state(place / "app"), os.geteuid(), os.getegid()) == (before, 0, 0)


def test_a_folder_that_may_be_passed_and_not_listed_is_no_hindrance(place: Path) -> None:
    place.chmod(0o711)
    try:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        assert sqlite_place.locate(str(place / "app" / "own.db")).path == str(place / "app" / "own.db")
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def raced(place: Path) -> Iterator[Path]:
    """The place, while the account exchanges its database and a link to root's, and its folder and one to root's."""
    tree = place / "app"
    (tree / "sub").mkdir()
    (tree / "to file").symlink_to(place / "root" / "v.db")
    (tree / "to folder").symlink_to(place / "root")
    shutil.copy(tree / "own.db", tree / "v.db")
    shutil.copy(tree / "own.db", tree / "sub" / "v.db")
    given_away(*tree.rglob("*"))
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(tree)], stdout=subprocess.PIPE, text=True)
    assert swapper.stdout is not None
    assert swapper.stdout.readline() == "ready\n"
    try:
        yield place
    finally:
        (tree / "stop").touch()
        swaps = int(swapper.communicate(timeout=60)[0])
    assert swaps >= 200, "the race was not one"


@pytest.mark.parametrize("runs", [30, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["v.db", "sub/v.db"])
def test_names_that_change_places_all_the_time_lead_to_nothing_of_root_s(name: str, runs: int, raced: Path) -> None:
    before, refused = state(raced / "root"), 0
    for _run in range(runs):
        result = backed_up(raced, raced / "app" / name)
        refused += bool(result.failure)
        for payload in (raced / "backups").glob("*/app/*"):
            assert SECRET.encode() not in payload.read_bytes()
        shutil.rmtree(raced / "backups", ignore_errors=True)
        vacuum(raced, raced / "app" / name)
        assert state(raced / "root") == before
    assert refused, "no backup met a swap, so nothing could have gone wrong"
