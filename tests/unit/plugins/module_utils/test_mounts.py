# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where data really is, by tables of mounts: of hosts that the tests cannot make for themselves."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mounts import MountPoint, Mounts, parse_mountinfo

ROOT = "22 1 8:1 / / rw - ext4 /dev/sda1 rw"
BTRFS = """22 1 0:30 /@ / rw - btrfs /dev/sda1 rw,subvol=/@
23 22 0:30 /@home /home rw - btrfs /dev/sda1 rw,subvol=/@home
24 22 0:30 / /mnt/top rw - btrfs /dev/sda1 rw,subvolid=5,subvol=/"""
NFS = f"""{ROOT}
30 22 0:50 / /data rw - nfs4 nas:/export/bot rw
31 22 0:51 / /mnt/nas rw - nfs4 nas:/export rw"""
CIFS = f"""{ROOT}
30 22 0:50 / /data rw - cifs //nas/bot rw
31 22 0:51 /sub /mnt/sub rw - cifs //nas/bot rw"""
FUSE = f"""{ROOT}
30 22 0:50 / /view rw - fuse.bindfs /srv rw
31 22 8:2 / /usb rw - fuseblk /dev/sdb1 rw"""
OVERLAY = f"""{ROOT}
30 22 0:50 / /merged rw - overlay overlay rw,lowerdir=/low\\134:1:/low2,upperdir=/up\\134,x,workdir=/scratch
31 22 0:51 / /new rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b,datadir+=/c"""
SAME = [
    ("a subvolume and the whole of its file system", BTRFS, "/home/bot", "/mnt/top/@home/bot"),
    ("the root subvolume", BTRFS, "/etc", "/mnt/top/@/etc"),
    ("a share mounted twice as two devices", NFS, "/data/logs", "/mnt/nas/bot/logs"),
    ("a share of Windows", CIFS, "/data/sub/x", "/mnt/sub/x"),
    ("a view by FUSE", FUSE, "/view/bot", "/srv/bot"),
    ("the upper layer, whose name has a comma", OVERLAY, "/merged/x", "/up,x/x"),
    ("a lower layer, whose name has a colon", OVERLAY, "/merged/x", "/low:1/x"),
    ("another lower layer", OVERLAY, "/merged/x", "/low2/x"),
    ("the layers as a newer kernel lists them", OVERLAY, "/new/x", "/b/x"),
    ("a layer of data only", OVERLAY, "/new/x", "/c/x"),
]
OTHER = [
    ("two subvolumes", BTRFS, "/home/etc", "/etc"),
    ("a name that begins like another", FUSE, "/view/bot", "/srv/bot2"),
    ("a disk that FUSE mounts", FUSE, "/usb/x", "/dev/sdb1/x"),
    ("the work of an overlay", OVERLAY, "/merged/x", "/scratch/x"),
]


def mounts(table: str) -> Mounts:
    return Mounts(parse_mountinfo(table), real=str)


@pytest.mark.case("CL1")
@pytest.mark.parametrize(("_what", "table", "one", "other"), SAME, ids=[row[0] for row in SAME])
def test_one_folder_at_two_paths_has_a_place_in_common(_what: str, table: str, one: str, other: str) -> None:
    assert mounts(table).places(one) & mounts(table).places(other)


@pytest.mark.case("CL1")
@pytest.mark.parametrize(("_what", "table", "one", "other"), OTHER, ids=[row[0] for row in OTHER])
def test_two_folders_have_none(_what: str, table: str, one: str, other: str) -> None:
    assert not mounts(table).places(one) & mounts(table).places(other)


HIDDEN = f"""{ROOT}
30 22 8:2 / /srv/a rw - ext4 /dev/sdb1 rw
31 22 8:3 / /srv rw - ext4 /dev/sdc1 rw
32 31 8:4 / /srv/b rw - ext4 /dev/sdd1 rw
33 32 8:5 / /srv/b rw - ext4 /dev/sde1 rw"""
REACHED = [("/", "8:1"), ("/srv", "8:3"), ("/srv/a", "8:3"), ("/srv/a/x", "8:3"), ("/srv/b/x", "8:5"), ("/srvx", "8:1")]


@pytest.mark.parametrize(("path", "device"), REACHED)
def test_a_path_is_reached_by_the_mount_that_is_not_hidden(path: str, device: str) -> None:
    found = mounts(HIDDEN).at(path)
    assert found is not None
    assert found.device == device


def test_what_is_hidden_is_not_visible() -> None:
    assert [point.device for point in mounts(HIDDEN).visible_below("/srv")] == ["8:3", "8:5"]


def test_an_overlay_of_itself_comes_to_an_end() -> None:  # a container's root: its layers are paths of the host
    table = "22 1 0:50 / / rw - overlay overlay rw,lowerdir=/var/lib/x,upperdir=/var/lib/y,workdir=/w"
    assert ("0:50", "/etc") in mounts(table).places("/etc")


@pytest.mark.parametrize("table", ["", "30 22 8:2 / /srv rw - ext4 /dev/sdb1 rw"])
def test_a_path_that_the_table_does_not_tell_of_is_no_guess(table: str) -> None:
    with pytest.raises(SourceMissing, match="the mount of /etc"):
        mounts(table).places("/etc")


LINE = r"36 35 98:0 /mnt1 /a\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue"


READ = MountPoint(36, 35, "98:0", "/mnt1", "/a b", "ext3", "/dev/root", True, "rw,errors=continue")
# a change of the line, what differs then
LINES: list[tuple[str, str, MountPoint]] = [
    ("", "", READ),
    (" rw,noatime", " ro,noatime", READ._replace(writable=False)),
    ("rw,errors", "ro,errors", READ._replace(writable=False, settings="ro,errors=continue")),
    ("master:1 ", "", READ),
    (r"/a\040b", r"/a\040b\011c\012d\134e", READ._replace(path="/a b\tc\nd\\e")),
    (r"/a\040b", "/a-b", READ._replace(path="/a-b")),
]


@pytest.mark.parametrize(("old", "new", "expected"), LINES)
def test_a_line_of_mountinfo_is_read(old: str, new: str, expected: MountPoint) -> None:
    assert parse_mountinfo(LINE.replace(old, new, 1)) == (expected,)


@pytest.mark.parametrize("line", ["nonsense", "1 2 3:4 / /mnt rw", "1 2 3:4 / /mnt rw - ext4"])
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ParseError, match=r"/proc/self/mountinfo, line 2"):
        parse_mountinfo(f"{LINE}\n{line}")


@given(st.text(max_size=300))
def test_any_table_is_understood_or_named(text: str) -> None:
    with contextlib.suppress(ParseError):
        parse_mountinfo(text)
