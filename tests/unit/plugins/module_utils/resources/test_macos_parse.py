# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of macOS into records, over several releases and on Intel and Apple silicon."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, WARNING
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.macos_files import parse_held
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import HeldFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import macos, macos_clock, macos_mounts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import Absent, Counted, Load, Usage

from .examples import fixture

MIB, KB = 1 << 20, 1024
SYSCTL = {name: macos.parse_sysctl(fixture(f"sysctl/{name}.txt")) for name in (
    "macos-12/old-kernel", "macos-13/resources", "macos-14/resources", "macos-15/resources")}  # fmt: skip
# vm_stat, sysctl, and the pages that are available, of how many bytes, and what the kernel calls the pressure
MEMORIES = [
    ("macos-13/intel", "macos-13/resources", (6127229 + 1080348 + 11820) * 4096, OK),
    ("macos-14/swapping", "macos-14/resources", (10069 + 398262 + 11278) * 16384, WARNING),
    ("macos-15/pressed", "macos-15/resources", (3857 + 294894 + 17340) * 16384, CRITICAL),
    ("macos-12/cached", "macos-12/old-kernel", 8589934592, OK),  # more than there is: of another machine
]


@pytest.mark.parametrize(("pages", "values", "available", "alarm"), MEMORIES)
def test_memory_is_what_is_free_cached_or_given_up_in_the_pages_of_this_machine(
    pages: str, values: str, available: int, alarm: str
) -> None:
    memory = macos.parse_memory(SYSCTL[values], fixture(f"vm_stat/{pages}.txt"))
    assert (memory.available, memory.alarm) == (available, alarm)


def test_file_backed_pages_include_the_speculative_ones() -> None:
    _size, pages = macos.parse_vm_stat(fixture("vm_stat/macos-13/intel.txt"))
    listed = pages["Pages active"] + pages["Pages inactive"] + pages["Pages speculative"]
    assert listed == pages["File-backed pages"] + pages["Anonymous pages"]


@pytest.mark.parametrize("lost", ["Pages free", "File-backed pages", "Pages purgeable", "page size of"])
def test_memory_without_one_of_its_parts_is_not_guessed_at(lost: str) -> None:
    text = fixture("vm_stat/macos-14/swapping.txt").replace(lost, "Pages elsewhere")
    with pytest.raises(ParseError, match=lost.split(maxsplit=1)[0]):
        macos.parse_vm_stat(text)


SWAPS: list[tuple[str, int, Any]] = [
    ("total = 10240.00M  used = 9689.94M  free = 550.06M  (encrypted)", 0, (0.946, "swap files")),
    ("total = 10240.00M  used = 9689.94M  free = 550.06M  (encrypted)", 100 << 30, (0.086, "swap files")),
    ("total = 1.50G  used = 512.00M  free = 1.00G", 0, (0.333, "swap files")),
    ("total = 0.00M  used = 0.00M  free = 0.00M  (encrypted)", 1 << 30, (0.0, "swap files")),
]


@pytest.mark.parametrize(("text", "room", "expected"), SWAPS)
def test_swap_files_may_grow_into_the_room_of_the_disk(text: str, room: int, expected: Any) -> None:
    swap = macos.parse_swap({"vm.swapusage": text}, room)
    assert isinstance(swap, Counted)
    assert (round(swap.share, 3), swap.what[:10]) == expected


def test_no_swap_file_and_an_unknown_disk_is_no_swap() -> None:
    assert isinstance(macos.parse_swap({"vm.swapusage": "total = 0.00M  used = 0.00M  free = 0.00M"}, 0), Absent)


def test_sysctl_gives_load_and_open_files() -> None:
    values = SYSCTL["macos-14/resources"]
    assert macos.parse_load(values) == Load(25.16, 31.02, 24.5, 10)
    assert macos.parse_open_files(values) == Counted(275146, 276480)


@pytest.mark.parametrize("ask", [macos.parse_load, macos.parse_open_files,
                                 lambda values: macos.parse_swap(values, 0)])  # fmt: skip
@pytest.mark.parametrize("values", [{}, {"vm.loadavg": "garbage", "kern.boottime": "", "vm.swapusage": "none"}])
def test_a_name_that_this_release_lacks_is_a_named_error(ask: Callable[[Any], Any], values: dict[str, str]) -> None:
    with pytest.raises(ParseError, match="sysctl"):
        ask(values)


MOUNTS = [
    ("macos-10.13/high-sierra", ["/"]),
    ("macos-10.15/catalina", ["/System/Volumes/Data"]),
    ("macos-14/apple-silicon", ["/System/Volumes/Data"]),
    ("macos-15/simulators-and-shares", ["/System/Volumes/Data", "/Volumes/Storage", "/Volumes/share"]),
]


@pytest.mark.parametrize(("name", "paths"), MOUNTS)
def test_each_container_is_looked_at_once_and_the_systems_own_volumes_not(name: str, paths: list[str]) -> None:
    lines = macos_mounts.parse_mount(fixture(f"mount/{name}.txt"))
    assert [line.path for line in macos_mounts.data_mounts(lines)] == paths


LEFT_OUT = [
    "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)",
    "com.apple.TimeMachine.2026-11-20-031500.local@/dev/disk3s5 on /Volumes/.timemachine/x/2026 (apfs, local)",
    "/dev/disk5 on /Volumes/Installer (hfs, local, read-only)",
    "map -hosts on /net (autofs, nosuid)",
    "devfs on /dev (devfs, local, nobrowse)",
    "/dev/disk3s6 on /System/Volumes/VM (apfs, local)",
]


@pytest.mark.parametrize("line", LEFT_OUT)
def test_what_holds_no_data_of_its_own_is_left_out(line: str) -> None:
    looked_at, ((path, reason),) = macos_mounts.sorted_out(macos_mounts.parse_mount(line))
    assert (looked_at, f" on {path} (" in line, bool(reason)) == ((), True, True)


@pytest.mark.case("RS1")
@pytest.mark.parametrize(("name", "_paths"), MOUNTS)
def test_every_mount_is_looked_at_or_named(name: str, _paths: list[str]) -> None:
    lines = macos_mounts.parse_mount(fixture(f"mount/{name}.txt"))
    looked_at, left_out = macos_mounts.sorted_out(lines)
    assert sorted([line.path for line in looked_at] + [each.path for each in left_out]) == sorted(
        line.path for line in lines
    )


def test_a_line_of_another_form_is_named() -> None:
    with pytest.raises(ParseError, match="mount, line 2"):
        macos_mounts.parse_mount("devfs on /dev (devfs, local)\nwhat is this")


def usage(df: str, path: str, source: str, kind: str = "apfs") -> Usage:
    line = macos_mounts.MountLine(source, path, kind, frozenset())
    return macos_mounts.parse_usage(fixture(f"df/{df}.txt"), line)


def test_a_volume_that_shares_its_container_counts_what_all_volumes_of_it_use() -> None:
    found = usage("macos-15/all", "/System/Volumes/Data", "/dev/disk3s5")
    assert (found.size, found.available) == (482797652 * KB, 38615968 * KB)
    assert found.used == found.size - found.available
    assert round(found.free_share, 3) == 0.08


def test_a_disk_of_its_own_counts_as_df_does_and_spaces_in_names_do_not_matter() -> None:
    found = usage("macos-10.12/hfs", "/Volumes/Server HD", "/dev/disk1s2", "hfs")
    assert found == Usage(487546976 * KB, 172275116 * KB, 315271860 * KB, 43068777 + 78817965, 78817965)


@pytest.mark.parametrize("path", ["/Volumes/gone", "/Volumes/Server"])
def test_a_mount_that_df_does_not_list_is_a_named_error(path: str) -> None:
    with pytest.raises(ParseError, match=path):
        usage("macos-10.12/hfs", path, "/dev/disk9s9")


def test_inodes_beyond_any_disk_are_read() -> None:
    found = usage("macos-10.14/apfs-shared", "/Volumes/MARKO", "/dev/disk1s5")
    assert found.inodes_free_share > 0.99


def test_processor_time_is_that_of_the_second_sample() -> None:
    shares = macos.parse_cpu(fixture("top/macos-14/two-samples.txt"))
    assert shares.busy == pytest.approx(0.1579)
    with pytest.raises(ParseError):
        macos.parse_cpu(fixture("top/macos-14/two-samples.txt").split("\n\n")[0])


@pytest.mark.parametrize(("name", "offset"), [("macos-10.14", 1087.742403), ("macos-12", 0.033413)])
def test_sntp_tells_the_offset(name: str, offset: float) -> None:
    assert macos_clock.parse_sntp(fixture(f"sntp/{name}/offset.txt")) == offset


def test_systemsetup_tells_whether_the_clock_is_kept_and_by_whom() -> None:
    assert macos_clock.parse_network_time(fixture("systemsetup/macos-14/on.txt")) is True
    assert macos_clock.parse_network_time(fixture("systemsetup/macos-14/off.txt")) is False
    assert macos_clock.parse_time_server(fixture("systemsetup/macos-14/server.txt")) == "time.apple.com"
    with pytest.raises(ParseError, match="administrator access"):
        macos_clock.parse_network_time(fixture("systemsetup/macos-14/not-root.txt"))
    with pytest.raises(ParseError):
        macos_clock.parse_time_server("Network Time Server: -sS evil")


def test_states_of_pf_are_counted_against_their_limit_and_a_filter_that_is_off_has_none() -> None:
    limits = fixture("pfctl-state/macos-14/memory.txt")
    assert macos.parse_states(fixture("pfctl-state/macos-14/info.txt"), limits) == Counted(12, 100000, "states of pf")
    assert isinstance(macos.parse_states(fixture("pfctl-state/macos-14/info-off.txt"), limits), Absent)


def test_a_report_of_exhausted_memory_names_its_time_and_the_largest_process() -> None:
    name = "JetsamEvent-2026-11-21-201500.ips"
    event = macos.parse_jetsam(name, fixture(f"jetsam/macos-15/{name}"))
    assert (event.at, event.text) == (1795272300.0, "sd-server")
    with pytest.raises(ParseError, match="expected a JSON object with a timestamp"):
        macos.parse_jetsam(name, '{"timestamp": 7}\n{}')


def test_a_deleted_file_counts_once_whoever_has_it_open() -> None:
    owners = ("uvicorn (pid 812)", "strategy worker (pid 913)")
    assert parse_held(fixture("lsof-deleted/macos-14/held.txt")) == (
        HeldFile("/opt/cryptobot/logs/app.log", 3221225472, owners),
        HeldFile("/usr/local/lib/old.dylib", 1048576, owners[:1]),
    )


PARSERS: list[Callable[[str], Any]] = [
    macos.parse_sysctl, macos.parse_vm_stat, macos.parse_cpu, macos_clock.parse_network_time,
    macos_clock.parse_automatic_time,
    macos_clock.parse_time_server, macos_clock.parse_sntp, macos_mounts.parse_mount, parse_held,
    lambda text: macos.parse_states(text, text), lambda text: macos.parse_jetsam("x", text),
    lambda text: macos.parse_memory({"hw.memsize": "1"}, text),
]  # fmt: skip
PIECES = st.sampled_from(["page size of 0 bytes\n", "Pages free: 1.\n", "p1\n", "pX\n", "f3\n", "sx\n", "tREG\n",
                          "{}\n",
                          '{"timestamp": "x"}\n', "a on /b (c, d)\n", "CPU usage: x% user\n", "\0", "é"])  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=6).map("".join)))
def test_no_text_however_strange_raises_anything_but_a_named_error(parser: Callable[[str], Any], text: str) -> None:
    with suppress(CoreError):
        parser(text)
