# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thresholds of an inventory: validated once, each mistake named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.declared import (
    check_seconds,
    mount_path,
    read_thresholds,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.thresholds import Bounds

from .examples import GIB, mount_options, options, thresholds

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"disk_free_warning": 101.0}, r"thresholds\.disk_free_warning is 101\.0, expected a percentage"),
    ({"memory_available_critical": -1.0}, r"thresholds\.memory_available_critical is -1\.0"),
    (
        {"disk_free_critical": 30.0},
        r"thresholds\.disk_free_critical is 30\.0, expected at most that of disk_free_warning",
    ),
    ({"open_files_critical": 50.0}, r"thresholds\.open_files_critical is 50\.0, expected at least that of"),
    ({"disk_free_bytes_warning": "much"}, r"thresholds\.disk_free_bytes_warning is 'much', expected a size"),
    ({"disk_free_bytes_warning": "1G", "disk_free_bytes_critical": "2G"}, "disk_free_bytes_critical is '2G'"),
    ({"forecast_warning": "soon"}, r"thresholds\.forecast_warning is 'soon', expected a duration"),
    ({"forecast_critical": "2d"}, r"thresholds\.forecast_critical is '2d', expected at most"),
    ({"oom_window": "-1h"}, r"thresholds\.oom_window is '-1h'"),
    ({"load_warning": 0.0}, r"thresholds\.load_warning is 0\.0, expected a number above 0"),
    ({"load_critical": 1.0}, r"thresholds\.load_critical is 1\.0, expected at least"),
    ({"clock_offset_warning": 2.0}, r"thresholds\.clock_offset_critical is 1\.0, expected at least"),
    ({"deleted_open_warning": "1X"}, r"thresholds\.deleted_open_warning is '1X'"),
    (
        {"mounts": [mount_options("/data", disk_free_warning=-1.0)]},
        r"thresholds\.mounts\[/data\]\.disk_free_warning is -1",
    ),
    (
        {"mounts": [mount_options("/data", disk_free_warning=2.0)]},
        r"thresholds\.mounts\[/data\]\.disk_free_critical is",
    ),
    ({"mounts": [mount_options("/data"), mount_options("/data")]}, "'/data', expected each mount once"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_a_mistake_in_the_thresholds_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_thresholds(options(**changes))


@pytest.mark.parametrize(("given", "share"), [(0.0, 0.0), (0.5, 0.005), (100.0, 1.0)])
def test_a_percentage_is_0_to_100(given: float, share: float) -> None:
    assert thresholds(swap_used_warning=given).bounds["swap_used"] == Bounds(share, None)
    for wrong in (-0.5, 100.5):
        with pytest.raises(InputError, match="expected a percentage, 0 to 100"):
            read_thresholds(options(swap_used_warning=wrong))


def test_both_steps_may_be_the_same_whether_low_or_high_is_bad() -> None:
    limits = thresholds(disk_free_warning=5.0, open_files_warning=90.0)
    assert (limits.default.bounds["disk_free"], limits.bounds["open_files"]) == (Bounds(0.05, 0.05), Bounds(0.9, 0.9))


def test_percentages_become_shares_sizes_bytes_and_durations_seconds() -> None:
    limits = thresholds(disk_free_bytes_warning="2G")
    assert limits.default.bounds["disk_free"] == Bounds(0.2, 0.05)
    assert limits.default.bounds["disk_free_bytes"] == Bounds(2.0 * GIB, None)
    assert limits.bounds["forecast"] == Bounds(86400.0, 14400.0)
    assert limits.bounds["swap_used"] == Bounds(0.8, None)


def test_a_mount_takes_what_it_does_not_state_from_the_whole() -> None:
    limits = thresholds(mounts=[mount_options("/data", disk_free_warning=10.0, inodes_free_critical=1.0)])
    assert limits.limits("/data").bounds["disk_free"] == Bounds(0.1, 0.05)
    assert limits.limits("/data").bounds["inodes_free"] == Bounds(0.1, 0.01)
    assert limits.limits("/elsewhere") == limits.default


def test_only_a_mount_that_says_so_is_ignored() -> None:
    limits = thresholds(mounts=[mount_options("/data"), mount_options("/tmp", ignore=True)])
    ignored = [path for path in ("/", "/data", "/tmp") if limits.limits(path).ignore]
    assert ignored == ["/tmp"]


# a path as an operator writes it, and as the volume is named
PATHS = [
    ("c:", "C:\\"),
    ("C:\\", "C:\\"),
    ("d:\\data\\", "D:\\data"),
    ("D:\\Büro x", "D:\\Büro x"),
    ("/srv/data", "/srv/data"),
    ("/", "/"),
    ("c:/data", "c:/data"),
    ("server:/export", "server:/export"),
]


@pytest.mark.parametrize(("written", "named"), PATHS)
def test_a_volume_of_windows_is_known_however_its_path_is_written(written: str, named: str) -> None:
    assert mount_path(written) == named


def test_a_volume_that_is_named_twice_in_two_ways_is_refused() -> None:
    with pytest.raises(InputError, match="each mount once"):
        read_thresholds(options(mounts=[mount_options("c:"), mount_options("C:\\")]))


@pytest.mark.parametrize("name", ["sample_seconds", "scan_seconds"])
def test_a_look_takes_a_minute_at_most(name: str) -> None:
    known = {"sample_seconds": 1.0, "scan_seconds": 1.0}
    for allowed in (0.0, 60.0):
        check_seconds({**known, name: allowed})
    for wrong in (-0.1, 60.1):
        with pytest.raises(InputError, match=f"{name} is {wrong}, expected seconds, 0 to 60"):
            check_seconds({**known, name: wrong})
