# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is declared as trusted may own the backup folder or write to it, and leads nobody by a link all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import sqlite, status, tree

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .folder_owners import NOBODY, asked, backed_up, link_of, of_the_database, said

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="root writes to what is another account's"
)


def given_to(uid: int, gid: int, mode: int, where: str) -> Callable[[Path], None]:
    """Return what makes a folder below ``place`` that of an account and a group."""

    def change(place: Path) -> None:
        os.chown(place / where, uid, gid)
        (place / where).chmod(mode)

    return change


# (what the folders are like, who is trusted, whether that is enough)
TRUSTED = [
    (given_to(NOBODY, 0, 0o755, "above"), ["nobody"], True),
    (given_to(NOBODY, 0, 0o755, "above/backups"), [str(NOBODY)], True),
    (given_to(NOBODY, 0, 0o755, "above/backups"), ["65533"], False),
    (given_to(NOBODY, 0, 0o755, "above/backups"), ["group:65534"], False),
    (given_to(NOBODY, 65533, 0o775, "above/backups"), ["nobody"], False),
    (given_to(NOBODY, 65533, 0o777, "above/backups"), ["nobody", "group:65533"], False),
    (given_to(0, 65533, 0o2770, "above/backups"), ["group:65533"], True),
    (given_to(0, 65533, 0o1770, "above/backups"), ["group:65533"], True),
    (given_to(0, 65533, 0o775, "above"), ["group:65533"], True),
    (given_to(0, 65533, 0o775, "above"), ["65533", "group:0"], False),
    (given_to(0, 65533, 0o1772, "above/backups"), ["group:65533"], False),
]


@pytest.mark.parametrize(("change", "trusted", "enough"), TRUSTED)
def test_who_is_declared_as_trusted_may_own_the_folder_or_write_to_it(
    change: Callable[[Path], None], trusted: list[str], enough: bool, place: Path
) -> None:
    folder = place / "above" / "backups"
    folder.mkdir(parents=True, mode=0o700)
    change(place)
    refused = backed_up(place, dir=str(folder))
    assert "nothing is written or removed in" in refused.failure
    result = backed_up(place, dir=str(folder), trusted_accounts=trusted)
    assert (result.failure == "", status(result, "backup.present")) == (enough, "ok" if enough else "critical")
    looked = backed_up(place, dir=str(folder), trusted_accounts=trusted, state="verified")
    assert status(looked, "backup.present") == ("ok" if enough else "critical")
    assert (not [one for one in said(looked) if one[0] == "critical"]) is enough


def test_a_set_of_a_trusted_account_counts_and_no_link_of_its_is_followed(place: Path) -> None:
    made = of_the_database(place)
    for path in (place / "backups", made, *made.rglob("*")):  # as a share shows them that takes root for nobody
        os.chown(path, NOBODY, NOBODY)
    assert asked(place)[0] is False
    assert asked(place, "nobody") == (True, asked(place, "nobody")[1])
    assert asked(place, "no-such-account")[0] is False
    given = {"trusted_accounts": ["nobody"], "sources": [sqlite("v", place / "v.db")]}
    assert status(backed_up(place, state="verified", **given), "backup.present") == "ok"
    (place / "backups").rename(place / "aside")
    link_of(NOBODY, place / "backups", place / "aside")
    before = tree(place / "aside")
    assert "the symlink" in backed_up(place, **given).failure
    assert tree(place / "aside") == before
    assert asked(place, "nobody")[0] is False


def test_an_account_that_the_host_does_not_know_is_a_mistake(place: Path) -> None:
    for name in ("no-such-account", "group:no-such-group"):
        with pytest.raises(InputError) as refused:
            backed_up(place, trusted_accounts=[name])
        assert (refused.value.name, name in str(refused.value)) == ("trusted_accounts", True)
    assert not (place / "backups").exists()
