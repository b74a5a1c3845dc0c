# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from /proc/self/mountinfo: where cgroups are, and which mounts a folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet import cgroup, overlay, paths
from fleet.errors import FleetError

# recorded on Debian 12 with cgroup v1 and v2 beside each other
HYBRID = """\
33 27 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
34 33 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 33 0:36 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
42 33 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
# constructed after proc(5) and cgroups(7): optional fields before the dash, as systemd mounts it
UNIFIED = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"

HIERARCHIES = {
    "v1 and v2": (HYBRID, ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
    "v2 alone": (UNIFIED, ["/sys/fs/cgroup"]),
    "none": ("22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", []),
}


@pytest.mark.parametrize(("mountinfo", "expected"), HIERARCHIES.values(), ids=HIERARCHIES)
def test_hosts_go_where_systemd_keeps_its_cgroups(mountinfo, expected):
    assert [str(path) for path in cgroup.hierarchies(mountinfo)] == expected


def test_a_process_outside_of_any_cgroup_of_ours_is_never_listed():
    assert cgroup.pids("no-such-fleet") == set()


def test_overlayfs_gets_the_topmost_layer_first():
    text = overlay.options([Path("/base"), Path("/admin"), Path("/pg")], Path("/u"), Path("/w"))
    assert text == "lowerdir=/pg:/admin:/base,upperdir=/u,workdir=/w"


def test_blanks_in_mount_points_are_read_as_the_kernel_writes_them():
    assert overlay.mount_points("1 2 0:1 / /mnt/my\\040disk rw - ext4 x rw\n") == [Path("/mnt/my disk")]


def test_mounts_are_taken_off_innermost_first_and_neighbours_are_left_alone():
    points = [Path(text) for text in ("/", "/c/lab", "/c/lab2", "/c/lab/root", "/c/lab/root/proc", "/c")]
    assert overlay.mounts_below(Path("/c/lab"), points) == [
        Path("/c/lab/root/proc"),
        Path("/c/lab/root"),
        Path("/c/lab"),
    ]


@pytest.mark.parametrize("folder", ["/tmp/a b", "/tmp/a:b", "/tmp/a,b", "/tmp/100%"])
def test_a_cache_that_cannot_be_mounted_is_refused(monkeypatch, folder):
    monkeypatch.setenv(paths.CACHE_VARIABLE, folder)
    with pytest.raises(FleetError, match=f"CRYPTOBOT_TEST_CACHE={folder}: the path must not contain"):
        paths.cache()
