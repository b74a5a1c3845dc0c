# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of Windows into records: values, what is left out, and one clear error for each kind of garbage."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    FOLLOWS_ITSELF,
    Absent,
    Clock,
    Counted,
    Memory,
    Queue,
    Unavailable,
    Usage,
    kill,
)

from .answers import answer

KB, MB = 1 << 10, 1 << 20
# each system with the paths of its volumes
VOLUMES = [
    ("windows-server-2019", ["C:\\"]),
    ("windows-server-2022", ["C:\\", "D:\\data", "E:\\"]),
    ("windows-11", ["C:\\", "F:\\"]),
    ("windows-server-2019-de", ["C:\\", "C:\\Daten\\Büro \u2013 Süd"]),
]


@pytest.mark.parametrize(("system", "paths"), VOLUMES)
def test_a_volume_is_known_by_its_letter_or_its_folder_and_one_without_either_is_left_out(
    system: str, paths: list[str]
) -> None:
    assert [mount.path for mount in windows.parse_volumes(answer(system, "volumes"))] == paths


def test_a_volume_has_no_fixed_number_of_inodes() -> None:
    (mount,) = windows.parse_volumes(answer("windows-server-2019", "volumes"))
    assert mount.usage == Usage(135838822400, 135838822400 - 53684989952, 53684989952, 0, 0)
    assert mount.kind == "NTFS"


def test_a_locked_volume_is_not_taken_for_a_full_or_empty_one() -> None:
    mounts = {mount.path: mount.usage for mount in windows.parse_volumes(answer("windows-11", "volumes"))}
    assert isinstance(mounts["F:\\"], Unavailable)


def test_names_and_numbers_out_of_reason_stay_harmless() -> None:
    first, second, third = answer("hostile", "volumes")
    (mount,) = windows.parse_volumes([first])
    assert mount.path == 'C:\\it\'s "quoted" $(x) \\u202e\\n'
    assert isinstance(windows.parse_volumes([second])[0].usage, Unavailable)
    assert windows.parse_volumes([third])[0].usage == Unavailable("Windows says that 2 of its 1 bytes are free")
    assert windows.parse_handles(answer("hostile", "handles")).what.startswith("handles of it's")
    events, (reason,) = windows.parse_exhaustions(answer("hostile", "exhaustions"))
    assert (len(events), "When: expected a date" in reason) == (1, True)


# the scarcer of memory and commit limit bounds what new work can get
MEMORIES = [
    ("windows-server-2019", Memory(8283676 * KB, 4720512 * KB)),
    ("windows-server-2022", Memory(8283676 * KB, 414183 * KB, "commit limit (memory and page files)")),
    ("windows-11", Memory(8252756 * KB, 258880 * KB)),
]


@pytest.mark.parametrize(("system", "expected"), MEMORIES)
def test_memory_is_the_scarcer_of_what_is_there_and_what_may_be_promised(system: str, expected: Memory) -> None:
    assert windows.parse_memory(answer(system, "system")) == expected


FILES = [
    ("windows-server-2019", Counted(150 * MB, 1920 * MB, "page files")),
    ("windows-11", Counted(16020 * MB, 28644 * MB, "page files")),
    ("windows-server-2022", Absent("this host has no page file")),
]


@pytest.mark.parametrize(("system", "expected"), FILES)
def test_page_files_are_counted_together(system: str, expected: Any) -> None:
    assert windows.parse_page_files(answer(system, "page_files")) == expected


def test_the_queue_stands_in_for_the_load() -> None:
    assert windows.parse_queue(answer("windows-server-2022", "queue")) == Queue(9, 4)


def test_handles_are_those_of_the_process_that_has_the_most() -> None:
    handles = windows.parse_handles(answer("windows-server-2022", "handles"))
    assert (handles.used, handles.limit) == (104857, 1 << 24)
    assert "store (pid 7580)" in handles.what


@pytest.mark.parametrize(("system", "busy"), [
    ("windows-server-2019", 0.125), ("windows-server-2022", 0.96), ("windows-11", 0.5),
    ("windows-server-2019-de", 0.02),
])  # fmt: skip
def test_processor_time_is_that_between_two_readings(system: str, busy: float) -> None:
    shares = windows.parse_cpu(answer(system, "cpu"))
    assert shares.busy == pytest.approx(busy, abs=1e-6)
    assert isinstance(shares.iowait, Absent) and isinstance(shares.steal, Absent)


@pytest.mark.parametrize("readings", [[], [{"Reading": 1, "Name": "0", "Idle": 1, "At": 1}], [{"Reading": 1}], ["x"]])
def test_without_two_readings_there_is_no_share(readings: list[Any]) -> None:
    with pytest.raises(ParseError):
        windows.parse_cpu(readings)


def test_exhausted_memory_names_who_held_most_of_it_oldest_first() -> None:
    kills, left_out = windows.parse_exhaustions(answer("windows-server-2022", "exhaustions"))
    assert [each.text for each in kills] == ["warp.exe (pid 41972, 28.4 GiB)", "store.exe (pid 7580, 10.5 GiB)"]
    assert (kills[0].at < kills[1].at, left_out) == (True, ())
    (unnamed,), _left_out = windows.parse_exhaustions(answer("windows-11", "exhaustions"))
    assert unnamed == kill(unnamed.at, "a process that the event does not name")


@pytest.mark.case("RS4")
@pytest.mark.parametrize(("age", "kept"), [("86399.0", True), ("86400.0", True), ("86401.0", False)])
def test_a_clock_that_was_not_synchronised_for_a_day_is_not_kept(age: str, kept: bool) -> None:
    lines = [line.replace("3600.0000000s", f"{age}s") for line in answer("windows-server-2019", "time_status")]
    found = windows.parse_status(lines)
    assert (found.synchronised, found.why) == (kept, "" if kept else "it was last synchronised 1.0 d ago")


@pytest.mark.case("RS1")
def test_every_volume_is_looked_at_or_named_with_the_reason() -> None:
    letter = {"Name": "C:\\", "DeviceID": "c", "DriveType": 3, "Capacity": 5, "FreeSpace": 1}
    found = windows.sorted_out([
        letter, {**letter, "Name": "\\\\?\\Volume{1}\\"}, {**letter, "Name": "D:\\", "DriveType": 5},
        {**letter, "Name": "E:\\", "DriveType": 2}, {**letter, "Name": "F:\\", "DriveType": 9},
    ])  # fmt: skip
    assert [mount.path for mount in found.mounts] == ["C:\\"]
    assert dict(found.left_out) == {
        "\\\\?\\Volume{1}\\": "it is mounted nowhere (EFI, recovery)",
        "D:\\": "it is a disc", "E:\\": "it is a removable disk", "F:\\": "it is of drive type 9",
    }  # fmt: skip


CLOCKS = [
    ("windows-server-2019", Clock("W32Time", True, -0.0123456)),
    ("windows-server-2022", Clock("W32Time", True, -0.0000013)),  # the hypervisor gives the time: no reference id
    ("windows-server-2022-unsynchronised", Clock("W32Time", False, None, "it has no source")),
    ("windows-server-2022-local-clock", Clock("W32Time", False, None, FOLLOWS_ITSELF)),
    ("windows-server-2022-fr", Clock("W32Time", True, 0.000012)),
    ("windows-server-2019-de", Clock("W32Time", True, -0.0003717)),
    ("windows-11-home", Clock("W32Time", True, 0.0013088)),
]


@pytest.mark.parametrize(("system", "expected"), CLOCKS)
def test_the_time_status_is_read_by_place_and_form_in_every_language(system: str, expected: Clock) -> None:
    assert windows.parse_status(answer(system, "time_status")) == expected


def test_a_decimal_comma_and_a_full_width_colon_are_read_too() -> None:
    lines = [line.replace(": ", "\uff1a").replace("0.0003717", "0,0003717") for line in
             answer("windows-server-2019-de", "time_status")]  # fmt: skip
    assert windows.parse_status(lines) == Clock("W32Time", True, -0.0003717)


@pytest.mark.parametrize("lost", range(17))
def test_a_status_that_lacks_any_line_is_not_guessed_at(lost: int) -> None:
    lines = answer("windows-server-2019", "time_status")
    if lines[lost]:
        with pytest.raises(ParseError):
            windows.parse_status(lines[:lost] + lines[lost + 1 :])


@pytest.mark.parametrize(("events", "expected"), [
    ([], None), ([{"Id": 35}], True), ([{"Id": 37}], True), ([{"Id": 36}], False), ([{"Id": 134}], False),
])  # fmt: skip
def test_the_last_event_of_the_time_service_says_whether_it_has_a_source(events: list[Any], expected: Any) -> None:
    assert windows.parse_last_word(events) is expected


PARSERS: list[Callable[[Any], Any]] = [
    windows.parse_volumes, windows.parse_disks, windows.parse_memory, windows.parse_page_files,
    windows.parse_queue, windows.parse_handles, windows.parse_cpu, windows.parse_exhaustions, windows.parse_service,
    windows.parse_status, windows.parse_last_word,
]  # fmt: skip
NAMES = [
    "Name",
    "DeviceID",
    "Capacity",
    "FreeSpace",
    "Size",
    "FileSystem",
    "TotalVisibleMemorySize",
    "Booted",
    "Id",
    "FreePhysicalMemory",
    "TotalVirtualMemorySize",
    "FreeVirtualMemory",
    "AllocatedBaseSize",
    "CurrentUsage",
    "ProcessorQueueLength",
    "Processors",
    "Handles",
    "Reading",
    "Idle",
    "At",
    "When",
    "CommitCharge",
    "State",
]
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.floats(), st.just([]), st.just({}))


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@given(objects=st.lists(st.one_of(st.dictionaries(st.sampled_from(NAMES), VALUES), VALUES), max_size=3))
def test_no_answer_however_strange_raises_anything_but_a_named_error(
    parser: Callable[[Any], Any], objects: list[Any]
) -> None:
    with suppress(CoreError):
        parser(objects)
