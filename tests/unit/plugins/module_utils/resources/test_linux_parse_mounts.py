# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the many mounts of a Linux host hold data."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux.parse_mounts import (
    MountEntry,
    data_mounts,
    lost_mounts,
    parse_fstab,
    parse_mountinfo,
)

from .examples import fixture

# host, the mounts that hold data
HOSTS = [
    ("proc/debian-12-machine", ["/", "/dev/shm"]),
    ("proc/debian-11-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
    ("proc/debian-12-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
    ("proc/debian-13-nspawn", ["/", "/run", "/tmp", "/dev/shm", "/run/lock"]),
]


@pytest.mark.parametrize(("host", "expected"), HOSTS)
def test_the_mounts_of_a_real_host_are_told_from_its_machinery(host: str, expected: list[str]) -> None:
    assert [entry.path for entry in data_mounts(parse_mountinfo(fixture(f"{host}/mountinfo")))] == expected


def entry(path: str, kind: str = "ext4", device: str = "8:1", writable: bool = True) -> MountEntry:
    return MountEntry(device, path, kind, "/dev/sda1", writable)


ROOT = entry("/")
# what it is, the mounts, the paths that are looked at
CASES: list[tuple[str, tuple[MountEntry, ...], list[str]]] = [
    ("a bind mount shows the same file system again", (ROOT, entry("/srv/www")), ["/"]),
    ("the shortest path stands for it", (entry("/a/b"), entry("/a")), ["/a"]),
    ("another device is another file system", (ROOT, entry("/data", device="8:2")), ["/", "/data"]),
    ("what can only be read cannot fill up", (ROOT, entry("/cdrom", device="11:0", writable=False)), ["/"]),
    ("squashfs is full by nature", (ROOT, entry("/snap/x/1", "squashfs", "7:1")), ["/"]),
    ("an overlay is a view", (ROOT, entry("/var/lib/docker/overlay2/x/merged", "overlay", "0:50")), ["/"]),
    ("an overlay elsewhere is a view too", (ROOT, entry("/mnt/view", "overlay", "0:50")), ["/"]),
    ("but a container's root is one", (entry("/", "overlay", "0:50"),), ["/"]),
    ("a folder of a container engine", (ROOT, entry("/var/lib/kubelet/pods/x", "tmpfs", "0:51")), ["/"]),
    ("a user's runtime folder", (ROOT, entry("/run/user/1000", "tmpfs", "0:52")), ["/"]),
    ("shared memory counts", (ROOT, entry("/dev/shm", "tmpfs", "0:53")), ["/", "/dev/shm"]),
    ("but nothing below it", (ROOT, entry("/dev/shm/x", "tmpfs", "0:53")), ["/"]),
    ("devices do not", (ROOT, entry("/dev", "devtmpfs", "0:6"), entry("/dev/x", "tmpfs", "0:60")), ["/"]),
    ("a folder whose name begins like /dev", (ROOT, entry("/developers", device="8:3")), ["/", "/developers"]),
    (
        "a later mount hides the earlier one",
        (ROOT, entry("/data", device="8:2"), entry("/data", device="8:3")),
        ["/", "/data"],
    ),
    (
        "hidden by one that can only be read",
        (ROOT, entry("/d", device="8:2"), entry("/d", "iso9660", "11:0", False)),
        ["/"],
    ),
    ("network file systems count", (ROOT, entry("/nfs", "nfs4", "0:70")), ["/", "/nfs"]),
]


@pytest.mark.parametrize(("_what", "entries", "paths"), CASES, ids=[what for what, _entries, _paths in CASES])
def test_each_file_system_that_holds_data_is_looked_at_once(
    _what: str, entries: tuple[MountEntry, ...], paths: list[str]
) -> None:
    assert [found.path for found in data_mounts(entries)] == paths


def test_the_visible_one_of_two_mounts_at_a_path_is_taken() -> None:
    (found,) = data_mounts((entry("/data", device="8:2"), entry("/data", device="8:3")))
    assert found.device == "8:3"


LINE = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
# a line of mountinfo, what it says
LINES = [
    (LINE, MountEntry("98:0", "/mnt2", "ext3", "/dev/root", True)),
    (LINE.replace(" rw,", " ro,", 1), MountEntry("98:0", "/mnt2", "ext3", "/dev/root", False)),
    (LINE.replace("rw,errors", "ro,errors"), MountEntry("98:0", "/mnt2", "ext3", "/dev/root", False)),
    (LINE.replace("master:1 ", ""), MountEntry("98:0", "/mnt2", "ext3", "/dev/root", True)),
    (LINE.replace("/mnt2", r"/a\040b\011c\012d\134e"), MountEntry("98:0", "/a b\tc\nd\\e", "ext3", "/dev/root", True)),
    (LINE.replace("/mnt2", "/a-b"), MountEntry("98:0", "/a-b", "ext3", "/dev/root", True)),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_a_line_of_mountinfo_is_read(line: str, expected: MountEntry) -> None:
    assert parse_mountinfo(line) == (expected,)


@pytest.mark.parametrize("line", ["nonsense", "1 2 3:4 / /mnt rw", "1 2 3:4 / /mnt rw - ext4"])
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ParseError, match=r"/proc/self/mountinfo, line 2"):
        parse_mountinfo(f"{LINE}\n{line}")


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


MOUNTED = (ROOT, entry("/data", device="8:2"), entry("/photos", device="8:3", writable=False), entry("/a b"))
LOST = [
    (MOUNTED, {}),
    (MOUNTED[1:], {"/": "is not mounted"}),
    ((entry("/", writable=False), *MOUNTED[1:]), {"/": "can only be read now"}),  # after an error of the disk
    ((*MOUNTED, entry("/data", device="8:2", writable=False)), {"/data": "can only be read now"}),
]


@pytest.mark.parametrize(("entries", "lost"), LOST)
def test_a_declared_mount_that_is_missing_or_read_only_is_found(
    entries: tuple[MountEntry, ...], lost: dict[str, str]
) -> None:
    assert lost_mounts(parse_fstab(FSTAB), entries) == lost


@given(st.text(max_size=300))
def test_any_table_is_understood_or_named(text: str) -> None:
    for parse in (parse_mountinfo, parse_fstab):
        with contextlib.suppress(ParseError):
            parse(text)
