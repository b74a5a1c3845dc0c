# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No damage to a set stays unseen at the level that claims to see it. `make test-long` tries a thousand cases."""

from __future__ import annotations

import os

import pytest

from .damage import KINDS, Lab, build, look

CASES, SEED = 150, 20261129


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    return build(tmp_path_factory.mktemp("damage"))


def test_each_damage_is_found_at_the_level_that_claims_it(lab):
    wrong, kinds = look(lab, CASES, SEED)
    assert wrong == []
    assert set(kinds) == set(KINDS)


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("LONG") != "1", reason="long: make test-long")
def test_a_thousand_damages(lab):
    wrong, _kinds = look(lab, 1000, SEED + 1)
    assert wrong == []


def test_every_file_of_a_set_is_among_them(lab):
    names = {path.name.partition(".zst")[0] for path in lab.files}
    archive = {"archive.tar", "index.jsonl", "attributes.jsonl", "database.sqlite"}
    assert names == {"manifest.json", "manifest.hmac", "verified.json", *archive}
