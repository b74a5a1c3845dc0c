# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A source that is one file in a set is unpacked up to the bytes that its manifest declares, and is gone afterwards."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import CannotJudge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Payload, SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.single import unpacked
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

CONTENT = b"x" * 5000


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "set" / "db").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "set" / "db" / "one.gz").write_bytes(gzip.compress(CONTENT))
    return Bench(tmp_path / "set", tmp_path / "scratch", choose_host(86_400.0))


def entry(size: int) -> SourceCopy:
    payload = Payload("db/one.gz", "database", 1, "")
    return SourceCopy("db", "sqlite", "gzip", (payload,), 0, size, size, {"size": size})


@pytest.mark.parametrize("size", [5000, 5001])
def test_what_is_unpacked_is_gone_afterwards(bench: Bench, size: int) -> None:
    with unpacked(entry(size), "database", bench) as copy:
        assert (copy.path.read_bytes(), copy.sha256) == (CONTENT, hashlib.sha256(CONTENT).hexdigest())
        assert copy.path.parent.parent == bench.scratch
        assert copy.path.stat().st_mode & 0o777 == 0o600
    assert list(bench.scratch.iterdir()) == []


def test_one_byte_more_than_was_declared_is_refused_and_nothing_is_left(bench: Bench) -> None:
    with (
        pytest.raises(ActionFailed, match="more than the 4999 bytes declared"),
        unpacked(entry(4999), "database", bench),
    ):
        raise AssertionError("it was yielded")
    assert list(bench.scratch.iterdir()) == []


@pytest.mark.parametrize("more", [{"doubt": "it is another's"}, {}])
def test_where_there_is_no_room_that_is_ours_nobody_can_judge(bench: Bench, more: dict[str, str]) -> None:
    size = 5000 if more else 1 << 60
    with pytest.raises(CannotJudge), unpacked(entry(size), "database", bench._replace(**more)):  # type: ignore[arg-type]
        raise AssertionError("it was yielded")
    assert list(bench.scratch.iterdir()) == []
