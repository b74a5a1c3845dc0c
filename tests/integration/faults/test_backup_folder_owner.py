# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup folder, or a folder above it, is another account's, or others may write there: it is said, nothing is
written or removed there, nothing in it counts, and no link leads us anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import found, status, tree

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import make, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import kinds, publish

from .folder_owners import NOBODY, asked, backed_up, his, link_of, of_the_database, said

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="root writes to what is another account's"
)
CREW = 65533  # a group of which nobody knows the members
HIS = f"belongs to uid {NOBODY}, who can replace whole sets"


POLICY = {"retention": {"daily": 1, "min_keep": 1}}


@pytest.mark.parametrize("state", ["present", "pruned", "verified", "listed"])
@pytest.mark.parametrize("where", ["backups", "above/backups", "above/more/backups"])
def test_another_account_s_folder_is_critical_with_its_cure(where: str, state: str, place: Path) -> None:
    owned = place / where.split("/", maxsplit=1)[0]
    for _run in range(2):
        assert backed_up(place, dir=str(place / where)).failure == ""
    os.chown(owned, NOBODY, NOBODY)
    before = tree(owned)
    result = backed_up(place, dir=str(place / where), state=state, **POLICY)
    assert tree(owned) == before
    if state != "pruned":  # which looks at nothing but what it may remove, and has its failure
        assert ("critical", str(owned), f"{owned} {HIS}") in said(result)
        assert f"chown 0 {owned} && chmod" in found(result, "backup.permissions")[0].remedy
    if state in ("present", "verified"):
        assert (status(result, "backup.present"), HIS in found(result, "backup.present")[0].message) == (
            "critical",
            True,
        )
    assert bool(result.failure) is (state in ("present", "pruned"))


def of_the_crew(folder: Path, mode: int) -> None:
    """Give a folder a mode, and a group that has others in it than its owner, as far as anybody knows."""
    os.chown(folder, -1, CREW)
    folder.chmod(mode)


def test_a_folder_that_is_open_to_a_group_of_its_owner_alone_is_open_to_nobody(place: Path) -> None:
    """What an account makes is so where each has a group of its own, and the umask 002."""
    (place / "backups").mkdir()
    (place / "backups").chmod(0o2770)
    result = backed_up(place)
    assert (result.failure, status(result, "backup.permissions"), status(result, "backup.present")) == ("", "ok", "ok")


# where others may write, and what they may write to by its mode
OPEN = [(where, mode) for where in ("backups", "above/backups") for mode in (0o775, 0o777, 0o2770, 0o702)]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("state", ["present", "pruned", "verified", "listed"])
@pytest.mark.parametrize(("where", "mode"), [*OPEN, ("backups", 0o1777)])
def test_nothing_is_written_where_others_may_write(
    where: str, mode: int, state: str, check_mode: bool, place: Path
) -> None:
    opened = place / where.split("/", maxsplit=1)[0]
    for _run in range(2):
        assert backed_up(place, dir=str(place / where)).failure == ""
    of_the_crew(opened, mode)
    before = tree(opened)
    result = backed_up(place, dir=str(place / where), state=state, check_mode=check_mode, **POLICY)
    assert tree(opened) == before
    critical = [one[:2] for one in said(result) if one[0] == "critical"]
    assert critical == ([] if state == "pruned" else [("critical", str(opened))])
    assert bool(result.failure) is (state in ("present", "pruned"))
    if result.failure:
        told = [str(opened), f"{mode:04o}"[-3:], "and nobody else may write there", f"chmod {how(where)} {opened}"]
        assert [word for word in told if word not in result.failure] == []
    if state in ("present", "verified"):
        assert status(result, "backup.present") == "critical"


def how(where: str) -> str:
    return "700" if where == "backups" else "go-w"


@pytest.mark.parametrize("where", ["backups", "above/backups"])
def test_the_cure_that_the_failure_names_lets_the_next_run_back_up(where: str, place: Path) -> None:
    opened = place / where.split("/", maxsplit=1)[0]
    (place / where).mkdir(parents=True)
    os.chown(opened, NOBODY, NOBODY)
    opened.chmod(0o777)
    failure = backed_up(place, dir=str(place / where)).failure
    subprocess.run(["/bin/sh", "-c", failure.rpartition(", or: ")[2]], check=True)
    result = backed_up(place, dir=str(place / where))
    assert (result.failure, status(result, "backup.present")) == ("", "ok")
    assert [one for one in said(result) if one[0] == "critical"] == []


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_who_is_faster_where_all_may_make_names_gets_nothing_written(
    kind: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "wide").mkdir()
    (place / "wide").chmod(0o1777)
    real, first, written = publish._make_folder, place / "wide" / "backups", []

    def late(folder: Path) -> None:
        if kind == "folder":
            his(first)
        else:
            link_of(NOBODY, first, place / "precious")
        real(folder)

    monkeypatch.setattr(publish, "_make_folder", late)
    monkeypatch.setattr(publish, "publish_file", lambda path, _content: written.append(path))
    assert "nothing is written or removed in" in backed_up(place, dir=str(first)).failure
    assert (written, list((place / "precious").iterdir()), list(first.iterdir())) == ([], [], [])


def test_the_folders_above_that_a_run_makes_are_not_open_whatever_the_umask(place: Path) -> None:
    before = os.umask(0)
    try:
        for _run in range(2):
            assert backed_up(place, dir=str(place / "a" / "b" / "backups")).failure == ""
    finally:
        os.umask(before)


@pytest.mark.parametrize("whose", ["", "manifest.json", "verified.json"])
@pytest.mark.parametrize("open_to_all", [False, True])
def test_a_set_that_another_account_may_have_made_is_named_and_does_not_count(
    whose: str, open_to_all: bool, place: Path
) -> None:
    first = backed_up(place).data["set"]["id"]
    path = place / "backups" / first / whose
    if open_to_all:
        path.chmod(0o666 if whose else 0o777)
    else:
        os.chown(path, NOBODY, NOBODY)
    before = tree(place / "backups" / first)
    result = backed_up(place, state="verified")
    assert tree(place / "backups" / first) == before
    assert status(result, "backup.present") == "critical"
    [named] = said(result)  # once, and not as open to readers as well
    assert (*named[:2], f"set {first} counts as no backup: " in named[2], str(path) in named[2]) == (
        "critical",
        str(place / "backups" / first),
        True,
        True,
    )
    again = backed_up(place, fresh_for="20h")
    assert (again.failure, again.changed, status(again, "backup.present")) == ("", True, "ok")


def test_a_folder_that_is_still_to_be_made_below_another_s_is_told_before(place: Path) -> None:
    owned = his(place / "above")
    result = backed_up(place, dir=str(owned / "backups"), state="verified")
    assert ("critical", str(owned), f"{owned} {HIS}") in said(result)
    assert "nothing is written or removed in" in backed_up(place, dir=str(owned / "backups")).failure
    assert list(owned.iterdir()) == []


def test_a_folder_above_in_which_all_may_make_names_of_their_own_is_no_fault(place: Path) -> None:
    (place / "wide").mkdir()
    (place / "wide").chmod(0o1777)
    assert said(backed_up(place, dir=str(place / "wide" / "backups"))) == []


@pytest.mark.parametrize("leads_to", ["precious", "own"])
@pytest.mark.parametrize("below", ["", "sets"])
def test_nothing_is_written_through_another_account_s_link(leads_to: str, below: str, place: Path) -> None:
    his(place / "own")
    link_of(NOBODY, place / "backups", place / leads_to)
    declared, before = place / "backups" / below, tree(place)
    for state in ("present", "pruned", "verified"):
        result = backed_up(place, dir=str(declared), state=state, retention={"daily": 1, "min_keep": 1})
        assert bool(result.failure) is (state != "verified")
        assert {name: what for name, what in tree(place).items() if not name.startswith("state")} == before
    assert said(result)[0][:2] == ("critical", str(place / "backups"))
    assert found(result, "backup.permissions")[0].remedy.startswith(f"rm {place / 'backups'}, ")


def test_a_link_of_root_s_is_followed(place: Path) -> None:
    link_of(0, place / "backups", place / "precious")
    result = backed_up(place)
    assert (result.failure, status(result, "backup.permissions")) == ("", "warning")  # precious is 0755
    assert any((place / "precious").glob("*/MANIFEST.json")) or any((place / "precious").glob("*/manifest.json"))


def put_there_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, place: Path) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def first(*given: Any, **named: Any) -> Any:
        if (place / "backups").is_dir() and not (place / "backups").is_symlink():
            (place / "backups").rename(place / "aside")
        if not (place / "backups").is_symlink():
            link_of(NOBODY, place / "backups", place / "precious")
        return real(*given, **named)

    monkeypatch.setattr(owner, name, first)


@pytest.mark.parametrize(("owner", "name"), [(kinds, "make_set"), (make, "new_id"), (make, "verify")])
def test_a_link_put_there_after_the_look_is_not_written_through(
    owner: Any, name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_there_before(monkeypatch, owner, name, place)
    result = backed_up(place)
    assert result.failure
    assert list((place / "precious").iterdir()) == []


@pytest.mark.case("L6b")
def test_a_set_in_another_account_s_folder_opens_no_gate(place: Path) -> None:
    backups = place / "backups"
    his(backups)
    assert asked(place) == (False, f"{backups} belongs to uid {NOBODY}, who can replace the sets in {backups}")


@pytest.mark.case("L6b")
@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777, 0o2770])
@pytest.mark.parametrize("above", [False, True])
def test_a_set_where_others_may_write_opens_no_gate(above: bool, mode: int, place: Path) -> None:
    of_the_database(place)
    opened = place if above else place / "backups"
    of_the_crew(opened, mode)
    reason = f"others may write to the folder {opened}"
    is_open, words = asked(place)
    assert (is_open, reason in words) == ((True, False) if above and mode == 0o1777 else (False, True))


@pytest.mark.case("L6b")
@pytest.mark.parametrize("whose", ["", "manifest.json", "verified.json"])
def test_another_account_s_set_in_a_folder_of_root_s_opens_no_gate(whose: str, place: Path) -> None:
    made = of_the_database(place)
    os.chown(made / whose, NOBODY, NOBODY)
    is_open, words = asked(place)
    assert (is_open, f"could have been made by another account: {made / whose}".rstrip("/") in words) == (False, True)


@pytest.mark.parametrize(("mode", "status_then"), [(0o1777, "ok"), (0o777, "unknown"), (0o775, "unknown")])
def test_nothing_is_unpacked_where_others_could_take_its_place(mode: int, status_then: str, place: Path) -> None:
    of_the_database(place)
    (place / "scratch").mkdir()
    of_the_crew(place / "scratch", mode)
    result = backed_up(place, state="verified", scratch_dir=str(place / "scratch"))
    assert status(result, "backup.readable") == status_then
    if status_then == "unknown":
        assert "nothing is unpacked into" in found(result, "backup.readable")[0].message


def test_a_set_is_not_removed_by_way_of_another_account_s_link(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = place / "precious"
    for _run in range(2):
        assert backed_up(place, dir=str(sets)).failure == ""
    link_of(NOBODY, place / "backups", sets)
    before = tree(sets)
    result = backed_up(place, state="pruned", retention={"daily": 1, "min_keep": 1})
    assert tree(sets) == before
    assert (f"the symlink {place / 'backups'}" in result.failure, [one.state for one in result.actions]) == (
        True,
        ["skipped"],
    )


@pytest.mark.parametrize("change", [lambda path: path.chmod(0o777), lambda path: os.chown(path, NOBODY, NOBODY)])
def test_a_folder_that_others_get_after_the_look_loses_no_set(
    change: Callable[[Path], None], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _run in range(2):
        assert backed_up(place).failure == ""
    real, names = run.prune_all, sorted(path.name for path in (place / "backups").iterdir())

    def late(*given: Any) -> Any:
        change(place / "backups")
        return real(*given)

    monkeypatch.setattr(run, "prune_all", late)
    result = backed_up(place, state="pruned", **POLICY)
    assert ([one.state for one in result.actions], "nothing is written or removed" in result.failure) == (
        ["failed"],
        True,
    )
    assert sorted(path.name for path in (place / "backups").iterdir()) == names
