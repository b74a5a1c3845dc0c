# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup folder, or a folder above it, is another account's: it is said, and no link of its leads us anywhere."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, files, found, status, tree
from plugins.module_utils.database.options import options
from plugins.module_utils.database.options import sqlite as entry

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import make
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.states import present
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import ask_gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.settings import parse_settings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="root writes to what is another account's"
)
NOBODY = 65534
HIS = f"belongs to uid {NOBODY}, who can replace whole sets"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of root with ``config``, which is backed up, and ``precious``, as /etc/cron.d is."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    (folder / "config").mkdir()
    (folder / "config" / "app.yml").write_text("key: 1")
    (folder / "precious").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def backed_up(place: Path, **more: Any) -> Result:
    return act(place, **{"sources": [files("config", place / "config")], "compression": "none", **more})


def his(path: Path) -> Path:
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    return path


def link_of(uid: int, path: Path, target: Path) -> None:
    path.symlink_to(target)
    os.lchown(path, uid, uid)


def said(result: Result) -> list[tuple[str, str, str]]:
    told = [one for one in found(result, "backup.permissions") if one.status != "ok"]
    return [(one.status, one.subject, one.message) for one in told]


@pytest.mark.parametrize("state", ["present", "verified", "listed"])
@pytest.mark.parametrize("where", ["backups", "above/backups", "above/more/backups"])
def test_another_account_s_folder_is_critical_with_its_cure(where: str, state: str, place: Path) -> None:
    owned = his(place / where.split("/", maxsplit=1)[0])
    assert backed_up(place, dir=str(place / where)).failure == ""
    result = backed_up(place, dir=str(place / where), state=state)
    assert said(result) == [("critical", str(owned), f"{owned} {HIS}")]
    assert f"chown 0 {owned} && chmod" in found(result, "backup.permissions")[0].remedy
    if state != "listed":
        assert HIS in found(result, "backup.present")[0].message


def test_a_folder_that_is_still_to_be_made_below_another_s_is_told_before(place: Path) -> None:
    owned = his(place / "above")
    result = backed_up(place, dir=str(owned / "backups"), state="verified")
    assert ("critical", str(owned), f"{owned} {HIS}") in said(result)


def test_a_folder_above_in_which_others_may_write_is_a_warning(place: Path) -> None:
    (place / "wide").mkdir()
    (place / "wide").chmod(0o777)
    result = backed_up(place, dir=str(place / "wide" / "backups"))
    assert (said(result)[0][:2], result.failure) == (("warning", str(place / "wide")), "")
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
        assert bool(result.failure) is (state == "present")
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


@pytest.mark.parametrize(("owner", "name"), [(present, "make_set"), (make, "new_id"), (make, "verify")])
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
    declared = options([entry(path=str(place / "v.db"))], require_backup={"dir": str(backups)})
    settings = parse_settings(declared)
    his(backups)
    gate = ask_gate(settings.backup, settings.databases[0], [str(place / "v.db")], choose_host(60.0))
    assert (gate.open, gate.reason) == (
        False,
        f"{backups} belongs to uid {NOBODY}, who can replace the sets in {backups}",
    )


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
        ["failed"],
    )
