# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options are checked once, and the first wrong one is named with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .examples import files, settings, sqlite

WRONG = [
    ({"dir": "/"}, "dir is '/'"),
    ({"sources": []}, "at least one source"),
    ({"sources": [files("a", "/x"), files("a", "/y")]}, "each name once"),
    ({"sources": [files("a/b", "/x")]}, r"sources\[0\].name is 'a/b'"),
    ({"sources": [files("..", "/x")]}, r"sources\[0\].name"),
    ({"sources": [files("manifest.json", "/x")]}, r"sources\[0\].name"),
    ({"sources": [{"name": "a", "type": "files"}]}, r"sources\[0\].path"),
    ({"sources": [{"name": "a", "type": "sqlite"}]}, r"sources\[0\].path"),
    ({"name": "../../etc"}, "name is '../../etc'"),
    ({"name": "-rf"}, "name is '-rf'"),
    ({"label": "a b"}, "label is 'a b'"),
    ({"fresh_for": "soon"}, "fresh_for is 'soon'"),
    ({"fresh_for": "20"}, r"fresh_for is '20', expected a unit: 20 what\? write 20d"),
    ({"subset": "3/2"}, "subset is '3/2'"),
    ({"subset": "0/2"}, "subset is '0/2'"),
    ({"subset": "1"}, "subset is '1'"),
    ({"set": "a b"}, "set is 'a b'"),
    ({"retention": {"min_keep": 3}}, "at least one of daily, weekly, monthly, yearly above 0"),
    ({"retention": {"daily": 7, "min_keep": 0}}, "retention.min_keep is 0"),
    ({"retention": {"daily": -1, "weekly": 1}}, "retention.daily is -1"),
    ({"retention": {"daily": -1}}, "retention.daily is -1"),
    ({"retention": {"daily": 1}, "max_leap": "x"}, "max_leap is 'x'"),
    ({"state": "pruned"}, "retention is None"),
    ({"max_shrink": 0.0}, "max_shrink is 0.0"),
    ({"max_shrink": 1.5}, "max_shrink is 1.5"),
    ({"space_factor": -1.0}, "space_factor is -1.0"),
    ({"jobs": 0}, "jobs is 0"),
    ({"threads": -1}, "threads is -1"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_a_wrong_option_is_named_with_its_value(given, message):
    with pytest.raises(InputError, match=message):
        settings(**given)


def test_only_present_needs_sources():
    assert settings(state="verified", sources=[]).sources == ()


def test_path_and_paths_are_both_taken_as_absolute_paths():
    source = settings(sources=[{"name": "a", "type": "files", "path": "/x/../y", "paths": ["/z"]}]).sources[0]
    assert source.paths == ("/y", "/z")


def test_a_files_source_keeps_away_from_the_backups_and_from_declared_databases(tmp_path: Path):
    protected = settings(tmp_path, sources=[sqlite("db", tmp_path / "c.db"), files("all", tmp_path)]).protected
    expected = {"backups", "c.db", "c.db-wal", "c.db-shm", "c.db-journal"}
    assert {Path(path).name for path in protected} == expected


def test_protection_follows_links_to_the_real_place(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    protected = settings(tmp_path, sources=[sqlite("db", tmp_path / "link" / "c.db")]).protected
    assert str(tmp_path / "real" / "c.db") in protected


def test_hours_and_levels_become_numbers():
    read = settings(max_age_hours=2.0, verify_level="L1", subset="2/7")
    assert (read.max_age, read.verify_level, read.subset and read.subset.parts) == (7200.0, 1, 7)
