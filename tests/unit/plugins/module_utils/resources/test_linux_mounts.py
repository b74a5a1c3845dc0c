# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the many mounts of a Linux host hold data."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mounts import MountPoint, Mounts, parse_mountinfo
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux_mounts import (
    HIDDEN,
    by_file_system,
    lost_mounts,
    parse_fstab,
)

from .examples import fixture

CASES = Path(__file__).parents[4] / "fixtures" / "cases"


def looked_at(points: Sequence[MountPoint]) -> list[str]:
    """Return the path that stands for each file system, where no mount is a single file."""
    return [group[0].path for group in by_file_system(points)[0]]


# host, the mounts that hold data
HOSTS = [
    ("proc/debian-12-machine", ["/", "/dev/shm"]),
    ("proc/debian-11-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
    ("proc/debian-12-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
    ("proc/debian-13-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
]


@pytest.mark.parametrize(("host", "expected"), HOSTS)
def test_the_mounts_of_a_real_host_are_told_from_its_machinery(host: str, expected: list[str]) -> None:
    assert looked_at(parse_mountinfo(fixture(f"{host}/mountinfo"))) == expected


@pytest.mark.case("RS1")
@pytest.mark.parametrize("host", [host for host, _expected in HOSTS])
def test_every_mount_of_a_real_host_is_looked_at_or_named(host: str) -> None:
    points = parse_mountinfo(fixture(f"{host}/mountinfo"))
    groups, left_out = by_file_system(points)
    seen = [point.path for group in groups for point in group] + [each.path for each in left_out]
    assert sorted(seen) == sorted(point.path for point in points)
    assert all(each.reason for each in left_out)


def mount(path: str, kind: str = "ext4", device: str = "8:1", writable: bool = True, root: str = "/") -> MountPoint:
    return MountPoint(0, 0, device, root, path, kind, "/dev/sda1", writable)


def table(*points: MountPoint) -> tuple[MountPoint, ...]:
    """Return mounts in the order that they were made, each with the number of the one that it stands on."""
    made: list[MountPoint] = []
    for number, point in enumerate(points, 1):
        below = Mounts(made).at(point.path)
        made.append(point._replace(number=number, parent=below.number if below else 0))
    return tuple(made)


ROOT = mount("/")
# what it is, the mounts, the paths that are looked at
TABLES: list[tuple[str, tuple[MountPoint, ...], list[str]]] = [
    ("a bind mount shows the same file system again", (ROOT, mount("/srv/www", root="/www")), ["/"]),
    ("the shortest path stands for it", (mount("/a"), mount("/a/b")), ["/a"]),
    ("but that of its root comes first", (mount("/b", root="/x"), mount("/long/path")), ["/long/path"]),
    ("another device is another file system", (ROOT, mount("/data", device="8:2")), ["/", "/data"]),
    ("what can only be read cannot fill up", (ROOT, mount("/cdrom", device="11:0", writable=False)), ["/"]),
    ("a second mount of it that can be written", (ROOT, mount("/r", device="8:2", writable=False),
                                                  mount("/w", device="8:2")), ["/", "/w"]),
    ("squashfs is full by nature", (ROOT, mount("/snap/x/1", "squashfs", "7:1")), ["/"]),
    ("an overlay is a view", (ROOT, mount("/var/lib/docker/overlay2/x/merged", "overlay", "0:50")), ["/"]),
    ("an overlay elsewhere is a view too", (ROOT, mount("/mnt/view", "overlay", "0:50")), ["/"]),
    ("but a container's root is one", (mount("/", "overlay", "0:50"),), ["/"]),
    ("a folder of a container engine", (ROOT, mount("/var/lib/kubelet/pods/x", "tmpfs", "0:51")), ["/"]),
    ("a disk directly in that of an engine", (ROOT, mount("/var/lib/docker/volumes", device="8:9")),
     ["/", "/var/lib/docker/volumes"]),
    ("a folder whose name begins like an engine's", (ROOT, mount("/var/lib/dockers/a/b", device="8:9")),
     ["/", "/var/lib/dockers/a/b"]),
    ("a user's runtime folder", (ROOT, mount("/run/user/1000", "tmpfs", "0:52")), ["/"]),
    ("shared memory counts", (ROOT, mount("/dev/shm", "tmpfs", "0:53")), ["/", "/dev/shm"]),
    ("but nothing below it", (ROOT, mount("/dev/shm/x", "tmpfs", "0:53")), ["/"]),
    ("devices do not", (ROOT, mount("/dev", "devtmpfs", "0:6"), mount("/dev/x", "tmpfs", "0:60")), ["/"]),
    ("a folder whose name begins like /dev", (ROOT, mount("/developers", device="8:3")), ["/", "/developers"]),
    ("a later mount hides the earlier one", (ROOT, mount("/data", device="8:2"), mount("/data", device="8:3")),
     ["/", "/data"]),
    ("and one below it", (ROOT, mount("/srv/a", device="8:2"), mount("/srv", device="8:3")), ["/", "/srv"]),
    ("hidden by one that can only be read", (ROOT, mount("/d", device="8:2"), mount("/d", "iso9660", "11:0", False)),
     ["/"]),
    ("network file systems count", (ROOT, mount("/nfs", "nfs4", "0:70")), ["/", "/nfs"]),
    ("a table without a root", (mount("/data", device="8:2"), mount("/data", device="8:3")), ["/data"]),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "points", "paths"), TABLES, ids=[row[0] for row in TABLES])
def test_each_file_system_that_holds_data_is_looked_at_once(
    _what: str, points: tuple[MountPoint, ...], paths: list[str]
) -> None:
    assert looked_at(table(*points)) == paths


def test_the_visible_one_of_two_mounts_at_a_path_is_taken() -> None:
    groups, left_out = by_file_system(table(mount("/data", device="8:2"), mount("/data", device="8:3")))
    assert [point.device for (point,) in groups] == ["8:3"]
    assert left_out == (("/data", HIDDEN),)


@pytest.mark.case("RS1")
def test_the_disk_of_an_engine_is_looked_at() -> None:
    points = parse_mountinfo((CASES / "01-disk-of-docker.mountinfo").read_text())
    assert looked_at(points) == ["/", "/var/lib/docker", "/var/lib/kubelet", "/var/lib/containers"]


@pytest.mark.case("RS2")
def test_the_mount_of_its_root_stands_for_a_disk_and_not_a_shorter_path() -> None:
    points = parse_mountinfo((CASES / "02-file-bind-hides-disk.mountinfo").read_text())
    groups, _left_out = by_file_system(points)
    assert [[point.path for point in group] for group in groups] == [["/"], ["/opt/cryptobot/data", "/etc/hosts"]]


FSTAB = r"""
# a comment
/dev/sda1 /        ext4  errors=remount-ro 0 1
UUID=1    /data    xfs   defaults          0 2
UUID=2    /photos/ iso9660 ro              0 0
/dev/sdb1 none     swap  sw                0 0
UUID=3    /lazy    nfs4  x-systemd.automount 0 0
UUID=4    /usb     vfat  noauto,user       0 0
tmpfs     /a\040b  tmpfs
"""


def test_fstab_says_what_a_boot_mounts() -> None:
    assert parse_fstab(FSTAB) == (("/", True), ("/data", True), ("/photos/", False), ("/a b", True))


def test_a_line_of_fstab_without_a_path_is_named() -> None:
    with pytest.raises(ParseError, match=r"/etc/fstab, line 1"):
        parse_fstab("/dev/sda1\n")


MOUNTED = {"/": True, "/data": True, "/photos": False, "/a b": True}
LOST: list[tuple[dict[str, bool], dict[str, str]]] = [
    (MOUNTED, {}),
    ({path: True for path in MOUNTED if path != "/"}, {"/": "is not mounted"}),
    ({**MOUNTED, "/": False}, {"/": "can only be read now"}),  # after an error of the disk
    ({**MOUNTED, "/data": False}, {"/data": "can only be read now"}),
]


@pytest.mark.parametrize(("writable", "lost"), LOST)
def test_a_declared_mount_that_is_missing_or_read_only_is_found(
    writable: dict[str, bool], lost: dict[str, str]
) -> None:
    assert lost_mounts(parse_fstab(FSTAB), writable, posixpath.normpath) == lost


@given(st.text(max_size=300))
def test_any_table_is_understood_or_named(text: str) -> None:
    with contextlib.suppress(ParseError):
        parse_fstab(text)
