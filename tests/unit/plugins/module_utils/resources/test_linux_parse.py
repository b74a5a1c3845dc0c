# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of Linux into records: what real systems print, and what is not as expected is named by line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux.parse import (
    STA_NANO,
    STA_PLL,
    STA_UNSYNC,
    TIME_ERROR,
    bounded_memory,
    cpu_shares,
    kernel_clock,
    parse_chrony,
    parse_connections,
    parse_counter,
    parse_cpu_times,
    parse_file_number,
    parse_kills,
    parse_load,
    parse_meminfo,
    parse_pressure,
    parse_timedatectl,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.records import (
    Clock,
    Counted,
    CpuTimes,
    Kill,
    Load,
    Memory,
)

from .examples import GIB, fixture

MACHINE = "proc/debian-12-machine"
HOSTS = [MACHINE, "proc/debian-11-nspawn", "proc/debian-12-nspawn", "proc/debian-13-nspawn"]


@pytest.mark.parametrize("host", HOSTS)
def test_what_real_hosts_print_is_understood(host: str) -> None:
    memory = parse_meminfo(fixture(f"{host}/meminfo"))
    assert memory["MemTotal"] == 24684092 * 1024
    assert 0 < memory["MemAvailable"] <= memory["MemTotal"]
    times, processors = parse_cpu_times(fixture(f"{host}/stat"))
    assert processors == 2
    assert times.total > times.idle > 0
    assert parse_load(fixture(f"{host}/loadavg"), processors).processors == 2
    assert parse_file_number(fixture(f"{host}/file-nr")).limit == 2466177
    assert parse_counter("vmstat", fixture(f"{host}/vmstat"), "oom_kill") in (0, 1)


def test_the_load_is_read_in_order() -> None:
    assert parse_load("1.76 0.76 0.33 2/103 26672\n", 2) == Load(1.76, 0.76, 0.33, 2)


def test_open_files_are_the_allocated_ones_that_are_not_free() -> None:
    assert parse_file_number("2400\t400\t9223372036854775807\n") == Counted(2000, 9223372036854775807)


def test_tracked_connections_are_read() -> None:
    assert parse_connections("12\n", "262144\n") == Counted(12, 262144)


def test_pressure_is_a_share_of_time() -> None:
    stall = parse_pressure(
        "some avg10=17.30 avg60=11.36 avg300=3.91 total=17443588\nfull avg10=0.00 avg60=0.00 avg300=1.00 total=0\n"
    )
    assert stall["some_avg10"] == pytest.approx(0.173)
    assert stall["full_avg300"] == pytest.approx(0.01)
    assert all(parse_pressure(fixture(f"{MACHINE}/pressure-{name}")) for name in ("cpu", "io", "memory"))


SHARES = [
    (CpuTimes(1000, 500, 50, 10), CpuTimes(1200, 600, 70, 30), (0.4, 0.1, 0.1)),
    (CpuTimes(1000, 500, 50, 10), CpuTimes(1100, 600, 50, 10), (0.0, 0.0, 0.0)),
    (CpuTimes(1000, 500, 50, 10), CpuTimes(1100, 500, 40, 10), (1.0, 0.0, 0.0)),  # iowait may run backwards
]


@pytest.mark.parametrize(("before", "after", "expected"), SHARES)
def test_shares_of_processor_time_are_those_between_two_readings(
    before: CpuTimes, after: CpuTimes, expected: tuple[float, float, float]
) -> None:
    shares = cpu_shares(before, after)
    assert shares is not None
    assert (shares.busy, shares.iowait, shares.steal) == pytest.approx(expected)


def test_two_readings_in_the_same_tick_say_nothing() -> None:
    assert cpu_shares(CpuTimes(1000, 500, 50, 10), CpuTimes(1000, 500, 50, 10)) is None


def test_guest_time_is_not_counted_twice() -> None:
    with_guests, processors = parse_cpu_times("cpu  100 0 0 100 0 0 0 0 90 5\ncpu0 100 0 0 100 0 0 0 0 90 5\n")
    assert (with_guests.total, processors) == (200, 1)


LIMITED = "inactive_file 1000\nactive_file 5\n"
# limit, usage, statistics -> total, available, bound (the machine has 16 GiB, 8 of them available)
GROUPS: list[tuple[str, str, str, tuple[int, int, str]]] = [
    ("max\n", "5\n", LIMITED, (16 * GIB, 8 * GIB, "machine")),
    ("9223372036854771712\n", "5\n", LIMITED, (16 * GIB, 8 * GIB, "machine")),  # cgroup v1 without a limit
    (f"{32 * GIB}\n", "5\n", LIMITED, (16 * GIB, 8 * GIB, "machine")),  # a limit above the machine
    (f"{2 * GIB}\n", f"{GIB}\n", LIMITED, (2 * GIB, GIB + 1000, "control group")),
    (f"{2 * GIB}\n", f"{GIB}\n", "total_inactive_file 7\ninactive_file 5\n", (2 * GIB, GIB + 7, "control group")),
    (f"{2 * GIB}\n", f"{3 * GIB}\n", LIMITED, (2 * GIB, 0, "control group")),
    (f"{12 * GIB}\n", "0\n", "", (12 * GIB, 8 * GIB, "control group")),  # the machine has less than the group may take
]


@pytest.mark.parametrize(("limit", "usage", "statistics", "expected"), GROUPS)
def test_memory_is_bounded_by_the_smaller_of_machine_and_control_group(
    limit: str, usage: str, statistics: str, expected: tuple[int, int, str]
) -> None:
    memory = bounded_memory(Memory(16 * GIB, 8 * GIB), limit, usage, statistics)
    assert (memory.total, memory.available, memory.bound) == expected


def test_a_recorded_control_group_of_256_mib_that_holds_100_mib() -> None:
    texts = [fixture(f"{MACHINE}/cgroup-v1-{name}") for name in ("limit", "usage", "statistics")]
    memory = bounded_memory(Memory(16 * GIB, 8 * GIB), *texts)
    assert memory.total == 256 << 20
    assert 140 << 20 < memory.available < 156 << 20


@pytest.mark.parametrize("release", ["debian-11", "debian-12", "debian-13"])
def test_a_kill_is_read_from_the_journal_of_each_release(release: str) -> None:
    (kill,) = parse_kills(fixture(f"journalctl/{release}/killed.json"))
    assert kill.process == "python3.11 (pid 24550)"
    assert kill.when == pytest.approx(1795368572, abs=60)


KERNELS = [
    "Out of memory: Killed process 24550 (python3) total-vm:221368kB, anon-rss:30208kB",
    "Out of memory: Kill process 24550 (python3) score 900 or sacrifice child\\nKilled process 24550 (python3)",
    "oom_reaper: reaped process 24550 (python3), killed process 24550 (python3)",
]


@pytest.mark.parametrize("message", KERNELS)
def test_the_words_of_older_kernels_are_understood(message: str) -> None:
    line = f'{{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":"{message}"}}'
    assert parse_kills(line) == (Kill(1.0, "python3 (pid 24550)"),)


def test_a_message_about_something_else_is_no_kill() -> None:
    assert parse_kills('{"__REALTIME_TIMESTAMP":"1","MESSAGE":"usb 1-1: new device"}\n') == ()
    assert parse_kills('{"__REALTIME_TIMESTAMP":"1","MESSAGE":null}\n') == ()
    assert parse_kills("") == ()


def test_chrony_tells_the_offset_once_it_follows_a_source() -> None:
    assert parse_chrony(fixture("chronyc/debian-12/synchronised.csv")) == Clock("chronyc", True, -0.000003)
    assert parse_chrony(fixture("chronyc/debian-12/unsynchronised.csv")) == Clock("chronyc", False)


@pytest.mark.parametrize("release", ["debian-11", "debian-12", "debian-13"])
def test_systemd_tells_whether_the_clock_is_kept(release: str) -> None:
    assert parse_timedatectl(fixture(f"timedatectl/{release}/unsynchronised.txt")) == Clock("timedatectl", False)
    assert parse_timedatectl(fixture("timedatectl/constructed/synchronised.txt")) == Clock("timedatectl", True)


# state, status, offset -> synchronised, offset in seconds
KERNEL_CLOCKS = [
    (TIME_ERROR, STA_UNSYNC, 0, (False, None)),
    (0, STA_UNSYNC | STA_PLL, 500, (False, None)),
    (TIME_ERROR, STA_PLL, 500, (False, None)),
    (0, STA_PLL, 500, (True, 0.0005)),
    (0, STA_PLL | STA_NANO, -500, (True, -5e-7)),
    (0, 0, 0, (True, None)),  # chrony steers by itself and leaves the kernel's loop alone
]


@pytest.mark.parametrize(("state", "status", "offset", "expected"), KERNEL_CLOCKS)
def test_the_kernels_clock_is_read_with_its_unit(
    state: int, status: int, offset: int, expected: tuple[bool, float | None]
) -> None:
    clock = kernel_clock(state, status, offset)
    assert (clock.synchronised, clock.offset) == pytest.approx(expected)


DAMAGED: list[tuple[Callable[[str], Any], str, str]] = [
    (parse_meminfo, "MemTotal: 5 kB\nnonsense\n", "line 2: expected 'Name: number kB'"),
    (parse_meminfo, "MemTotal: 5 kB\n", "no MemAvailable, SwapFree, SwapTotal"),
    (lambda text: parse_load(text, 1), "one two three", "expected three averages"),
    (lambda text: parse_load(text, 1), "1.0 2.0", "expected three averages"),
    (parse_cpu_times, "", "expected 'cpu' and eight numbers"),
    (parse_cpu_times, "cpu 1 2 3", "expected 'cpu' and eight numbers"),
    (parse_cpu_times, "cpu a b c d e f g h", "expected 'cpu' and eight numbers"),
    (parse_file_number, "1 2", "expected three numbers"),
    (lambda text: parse_connections(text, "5"), "many", "nf_conntrack_count, line 1: expected one number"),
    (lambda text: parse_counter("/proc/vmstat", text, "oom_kill"), "pgfault 5\n", "no oom_kill"),
    (parse_pressure, "some avg10=x\n", "expected 'some' or 'full'"),
    (parse_kills, "{not json\n", "the journal, line 1: expected a JSON object"),
    (parse_kills, '{"MESSAGE": "no time"}\n', "expected a JSON object with a time"),
    (parse_chrony, "506 Cannot talk to daemon", "expected 14 fields"),
    (parse_chrony, "a,b,c,d,e", "expected 14 fields, the fifth a number"),
    (parse_timedatectl, "NTP=yes\n", "no NTPSynchronized"),
    (lambda text: bounded_memory(Memory(5, 5), text, "1", ""), "lots", "memory limit, line 1: expected one number"),
]


@pytest.mark.parametrize(("parse", "text", "message"), DAMAGED)
def test_text_that_is_not_as_expected_is_named(parse: Callable[[str], Any], text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(text)


PARSERS = [
    parse_meminfo,
    lambda text: parse_load(text, 1),
    parse_cpu_times,
    parse_file_number,
    parse_pressure,
    parse_kills,
    parse_chrony,
    parse_timedatectl,
]


@given(st.sampled_from(PARSERS), st.text(max_size=300))
def test_any_text_is_understood_or_named_and_nothing_else_happens(parse: Callable[[str], Any], text: str) -> None:
    with contextlib.suppress(ParseError):
        parse(text)
