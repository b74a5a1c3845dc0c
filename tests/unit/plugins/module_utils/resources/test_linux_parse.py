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
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux import (
    bounded_memory,
    cpu_shares,
    parse_connections,
    parse_cpu_times,
    parse_file_number,
    parse_load,
    parse_meminfo,
    parse_pressure,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux_clock import (
    STA_NANO,
    STA_PLL,
    STA_UNSYNC,
    TIME_ERROR,
    kernel_clock,
    parse_chrony,
    parse_ntpq,
    parse_timedatectl,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.linux_kills import (
    parse_counter,
    parse_kernel_log,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Clock,
    Counted,
    CpuTimes,
    Load,
    Memory,
    kill,
)

from .examples import FIXTURES, GIB, fixture

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
    (event,), left_out = parse_kernel_log(fixture(f"journalctl/{release}/killed.json"))
    assert (event.text, left_out) == ("python3.11 (pid 24550)", ())
    assert event.at == pytest.approx(1795368572, abs=60)


CASES = FIXTURES / "cases"
KERNELS = [
    "Out of memory: Killed process 24550 (python3) total-vm:221368kB, anon-rss:30208kB",
    "Out of memory: Kill process 24550 (python3) score 900 or sacrifice child\\nKilled process 24550 (python3)",
    "oom_reaper: reaped process 24550 (python3), killed process 24550 (python3)",
]


@pytest.mark.parametrize("message", KERNELS)
def test_the_words_of_older_kernels_are_understood(message: str) -> None:
    line = f'{{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":"{message}"}}'
    assert parse_kernel_log(line) == ((kill(1.0, "python3 (pid 24550)"),), ())


def test_a_message_about_something_else_is_no_kill() -> None:
    assert parse_kernel_log('{"__REALTIME_TIMESTAMP":"1","MESSAGE":"usb 1-1: new device"}\n') == ((), ())
    assert parse_kernel_log('{"__REALTIME_TIMESTAMP":"1","MESSAGE":null}\n') == ((), ())
    assert parse_kernel_log("-- No entries --\n") == parse_kernel_log("") == ((), ())


def test_a_message_that_is_not_utf8_is_read_too() -> None:
    told = list(b"Killed process 7 (caf\xe9) total-vm:1kB")
    (event,), _left_out = parse_kernel_log(f'{{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":{told}}}')
    assert event == kill(1.0, "caf\ufffd (pid 7)")


@pytest.mark.case("RS3")
@pytest.mark.parametrize("odd", ["{not json", '{"MESSAGE": "no time"}', "[]", '{"__REALTIME_TIMESTAMP": "1"}', "5"])
def test_a_line_that_is_not_understood_costs_itself_only(odd: str) -> None:
    good = '{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":"Killed process 7 (a) x"}'
    for text in (f"{odd}\n{good}", f"{good}\n{odd}", f"{good}\n{odd}\n{good}"):
        kills, (reason,) = parse_kernel_log(text)
        assert {event.text for event in kills} == {"a (pid 7)"}
        assert "expected a JSON object with a time and a message" in reason


def test_chrony_tells_the_offset_once_it_follows_a_source() -> None:
    synchronised = fixture("chronyc/debian-12/synchronised.csv")
    assert parse_chrony(synchronised, CORRECTED + 60) == Clock("chronyc", True, -0.000003)
    unsynchronised = fixture("chronyc/debian-12/unsynchronised.csv")
    assert parse_chrony(unsynchronised, CORRECTED) == Clock("chronyc", False, None, "it has no source")


CORRECTED = 1795367665.922762228
OWN = "it follows this machine's own clock, which nothing corrects"
TRACKING = "C0A80001,192.168.0.1,3,1800000000.0,0.000100000,0,0,0,0,0,0,0,1.0,{leap}"
RV = (
    'associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,\nversion="ntpd 4.2.8p15", processor="x86_64",\n'
    "leap=00, stratum=3, precision=-23, rootdelay=1.5, rootdisp=30.2, refid=192.168.0.1,\n"
    "reftime=eef45080.00000000  Thu, Jan 15 2027  8:00:00.000, clock=eed29281.0,\n"
    "peer=4242, tc=10, mintc=3, offset=+0.100000, frequency=-12.3, sys_jitter=0.1"
)
AT = 1_800_000_000.0
# what the tool says, the time, why the clock is not kept (or how far it is off)
CLOCKS: list[tuple[Callable[[str, float], Clock], str, float, Any]] = [
    (parse_chrony, TRACKING.format(leap="Normal"), AT, 0.0001),
    (parse_chrony, TRACKING.format(leap="Insert second"), AT, 0.0001),
    (parse_chrony, TRACKING.format(leap="Not synchronised"), AT, "it has no source"),
    (parse_chrony, TRACKING.format(leap="Normal"), AT + 86399, 0.0001),
    (parse_chrony, TRACKING.format(leap="Normal"), AT + 86400, 0.0001),  # exactly a day
    (parse_chrony, TRACKING.format(leap="Normal"), AT + 86401, "it was last synchronised 1.0 d ago"),
    (parse_chrony, TRACKING.format(leap="Normal"), AT + 900 * 86400, "it was last synchronised 900.0 d ago"),
    (parse_chrony, TRACKING.format(leap="Normal"), AT - 60, 0.0001),  # it was set back
    (parse_chrony, TRACKING.format(leap="Normal").replace("C0A80001", "7f7f0101"), AT, OWN),
    (parse_chrony, (CASES / "19-chrony-local-mode.csv").read_text(), 1732800000.0, OWN),
    (parse_chrony, (CASES / "19-chrony-local-mode.csv").read_text(), AT, OWN),
    (parse_ntpq, RV, AT, 0.0001),
    (parse_ntpq, RV, AT + 86401, "it was last synchronised 1.0 d ago"),
    (parse_ntpq, RV.replace("192.168.0.1", "LOCAL(0)"), AT, OWN),
    (parse_ntpq, RV.replace("192.168.0.1", "LOCL"), AT, OWN),
    (parse_ntpq, RV.replace("192.168.0.1", "127.127.1.0"), AT, OWN),
    (parse_ntpq, RV.replace("192.168.0.1", "INIT").replace("stratum=3", "stratum=16"), AT, "it has no source"),
    (parse_ntpq, RV.replace("leap=00", "leap=11"), AT, "it has no source"),
    (parse_ntpq, RV.replace("stratum=3", "stratum=15"), AT, 0.0001),
]


@pytest.mark.case("RS4")
@pytest.mark.parametrize(("parse", "text", "now", "expected"), CLOCKS)
def test_a_service_that_follows_itself_or_nobody_keeps_no_clock(
    parse: Callable[[str, float], Clock], text: str, now: float, expected: Any
) -> None:
    clock = parse(text, now)
    assert clock.synchronised == isinstance(expected, float)
    assert (clock.offset, clock.why) == ((pytest.approx(expected), "") if clock.synchronised else (None, expected))


@pytest.mark.case("RS4")
def test_a_correction_in_the_future_is_not_understood() -> None:
    with pytest.raises(ParseError, match="in the future"):
        parse_chrony(TRACKING.format(leap="Normal"), AT - 61)


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
    (lambda text: parse_chrony(text, 0), "506 Cannot talk to daemon", "expected 14 fields"),
    (lambda text: parse_chrony(text, 0), "a,b,c,d,e", "expected 14 fields, the 4th and 5th numbers"),
    (lambda text: parse_ntpq(text, 0), "ntpq: read: Connection refused", "expected leap, stratum"),
    (lambda text: parse_ntpq(text, 0), RV.replace("reftime=", "reftime=xyz"), "expected leap, stratum"),
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
    parse_kernel_log,
    lambda text: parse_chrony(text, 0),
    lambda text: parse_ntpq(text, 0),
    parse_timedatectl,
]


@given(st.sampled_from(PARSERS), st.text(max_size=300))
def test_any_text_is_understood_or_named_and_nothing_else_happens(parse: Callable[[str], Any], text: str) -> None:
    with contextlib.suppress(ParseError):
        parse(text)
