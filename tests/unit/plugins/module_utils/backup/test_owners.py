# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose things of a set are: names are noted, and a restore goes by them, for numbers are another's on another host."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources import owners

pytestmark = pytest.mark.skipif(not owners.HAS_NAMES, reason="this system has no numbers of accounts")
STRANGER = 64123


def test_a_restored_file_is_given_to_who_is_called_so_and_only_else_to_the_number() -> None:
    assert owners.numbers_of({"uid": STRANGER, "gid": STRANGER, "owner": "root", "group": "root"}) == (0, 0)
    for unknown in ({"owner": "nobody-here", "group": "no-group-here"}, {"owner": "", "group": ""}, {}):
        assert owners.numbers_of({"uid": STRANGER, "gid": 1, **unknown}) == (STRANGER, 1)


def test_facts_have_numbers_and_names() -> None:
    status = os.stat("/")
    facts = owners.owner_facts(status)
    assert (facts["uid"], facts["gid"], facts["owner"], facts["group"]) == (0, 0, "root", facts["group"])
    assert owners.numbers_of(facts) == (0, 0)


def test_names_are_told_of_all_numbers_that_have_one() -> None:
    found = owners.names_of([(0, 0), (STRANGER, 0)])
    assert found["accounts"] == {"0": "root"}
    assert set(found["groups"]) == {"0"}


def test_a_set_names_the_owners_of_its_files_and_databases(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.install()
    if os.geteuid() == 0:  # another's file, which the second set does not store again
        os.chown(lab.app / "config" / "bot.yml", 1, 1)
        os.utime(lab.app / "config" / "bot.yml", (1e9, 1e9))
        time.sleep(2.1)
    for _round in range(2):
        set_id = lab.back_up(incremental=True)
        manifest = json.loads((tmp_path / "backups" / set_id / "manifest.json").read_text("utf-8"))
        entries = {entry["name"]: entry for entry in manifest["sources"]}
        me = owners.owner_facts(os.stat(lab.database))
        theirs = os.stat(lab.app / "config" / "bot.yml").st_uid
        assert set(entries["config"]["owners"]["accounts"]) == {str(me["uid"]), str(theirs)}
        assert (entries["database"]["owner"], entries["database"]["group"]) == (me["owner"], me["group"])
