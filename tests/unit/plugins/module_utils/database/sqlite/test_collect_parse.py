# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers and mount tables: recorded ones become records, others are named errors."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.collect import parse_header
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.linux import parse_mountinfo
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.macos import parse_mount
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import (
    Mount,
    filesystem_of,
    is_network,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures"

# page size, journal mode, auto_vacuum
HEADERS = [(512, "delete", 0), (4096, "wal", 0), (65536, "delete", 1), (8192, "wal", 2)]


@pytest.mark.parametrize(("page_size", "mode", "auto_vacuum"), HEADERS)
def test_the_header_of_a_real_file_says_what_sqlite_says(
    page_size: int, mode: str, auto_vacuum: int, tmp_path: Path
) -> None:
    path = tmp_path / "demo.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(f"PRAGMA auto_vacuum = {auto_vacuum}")
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE t (a BLOB)")
        connection.execute("INSERT INTO t VALUES (zeroblob(300000))")
        connection.commit()
        connection.execute("DROP TABLE t" if auto_vacuum != 1 else "SELECT 1")
        connection.commit()
        pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    header = parse_header(str(path), path.read_bytes()[:100])
    assert header == (page_size, mode == "wal", pages, free, auto_vacuum)
    assert free > 0 or auto_vacuum == 1


GOOD = b"SQLite format 3\x00" + struct.pack(">H", 4096) + b"\x01\x01" + b"\x00" * 80
BAD: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (GOOD[:99], "no SQLite header"),
    (b"SQLite format 4\x00" + GOOD[16:], "no SQLite header"),
    (b"\x8f" * 100, "no SQLite header"),
    (GOOD[:16] + struct.pack(">H", 0) + GOOD[18:], "the page size"),
    (GOOD[:16] + struct.pack(">H", 256) + GOOD[18:], "the page size"),
    (GOOD[:16] + struct.pack(">H", 5000) + GOOD[18:], "the page size"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD)
def test_what_is_no_header_is_an_error_that_names_the_file(raw: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason) as caught:
        parse_header("/data/demo.db", raw)
    assert caught.value.source == "/data/demo.db"


@given(st.binary(max_size=120))
def test_any_bytes_are_a_header_or_a_named_error(tail: bytes) -> None:
    for raw in (tail, GOOD[:16] + tail):
        with suppress(ParseError):
            assert parse_header("/data/demo.db", raw).page_size in {1 << power for power in range(9, 17)}


@pytest.mark.parametrize("host", ["debian-11-nspawn", "debian-12-nspawn", "debian-13-nspawn"])
def test_recorded_mounts_are_read(host: str) -> None:
    mounts = parse_mountinfo((FIXTURES / "proc" / host / "mountinfo").read_text("utf-8"))
    assert mounts and mounts[0].point == "/"
    assert filesystem_of("/proc/self/x", mounts) == "proc"


MOUNTINFO = r"""
36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw,errors=continue
40 36 0:45 / /mnt/with\040space rw,relatime shared:7 master:2 - nfs4 server:/export rw,vers=4.2
41 36 0:46 / /data rw - xfs /dev/sdb rw
42 41 0:47 / /data rw - cifs //server/share rw
""".strip()

PLACES = [
    ("/etc/passwd", "ext4"),
    ("/mnt/with space/demo.db", "nfs4"),
    ("/mnt/with", "ext4"),
    ("/data/demo.db", "cifs"),  # mounted over the other
    ("/data", "cifs"),
    ("/database/demo.db", "ext4"),
]


@pytest.mark.parametrize(("path", "kind"), PLACES)
def test_the_innermost_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert filesystem_of(path, parse_mountinfo(MOUNTINFO)) == kind


@pytest.mark.parametrize("line", ["", "36 35 98:0 / /", "36 35 98:0 / / rw ext4 /dev/root rw", "36 35 98:0 / / rw - "])
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_mountinfo(MOUNTINFO + "\n" + line + "\n")
    assert caught.value.line == 5


# constructed after mount(8) of macOS 14
DARWIN = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//bot@nas._smb._tcp.local/data on /Volumes/My Share (smbfs, nodev, nosuid, mounted by bot)
nas:/export on /Volumes/nfs (nfs)
"""


@pytest.mark.parametrize(
    ("path", "kind"), [("/tmp/x.db", "apfs"), ("/Volumes/My Share/x.db", "smbfs"), ("/Volumes/nfs/x", "nfs")]
)
def test_mounts_of_macos_are_read(path: str, kind: str) -> None:
    assert filesystem_of(path, parse_mount(DARWIN)) == kind


def test_without_mounts_nothing_is_claimed() -> None:
    assert filesystem_of("/data/x.db", []) == ""


KINDS: list[tuple[Any, bool]] = [
    *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "afpfs")),
    *((kind, False) for kind in ("ext4", "xfs", "btrfs", "zfs", "apfs", "tmpfs", "overlay", "")),
]


@pytest.mark.parametrize(("kind", "network"), KINDS)
def test_network_file_systems_are_known_by_their_type(kind: str, network: bool) -> None:
    assert is_network(kind) is network
    assert isinstance(Mount("/", kind).kind, str)
