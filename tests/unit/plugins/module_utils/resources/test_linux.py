# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a Linux host: what is asked for, what a refusal becomes, and that nothing can hold the look."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    SourceDenied,
    SourceMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Part, Whole
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mounts import parse_mountinfo
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.linux_files import OpenFiles
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import (
    linux,
    linux_clock,
    linux_kills,
    linux_mounts,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Absent,
    Clock,
    Counted,
    CpuShares,
    HeldFiles,
    Load,
    Memory,
    OomKills,
    Snapshot,
    Unavailable,
    Usage,
)

from .examples import DAY, GIB, USAGE, fixture, the_one

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")

MACHINE = "proc/debian-12-machine"
FILES: dict[str, Any] = {
    **{f"/proc/{name}": fixture(f"{MACHINE}/{name}") for name in ("meminfo", "loadavg", "vmstat", "stat")},
    **{f"/proc/pressure/{name}": fixture(f"{MACHINE}/pressure-{name}") for name in ("cpu", "io", "memory")},
    "/proc/self/mountinfo": fixture(f"{MACHINE}/mountinfo"),
    "/proc/sys/fs/file-nr": fixture(f"{MACHINE}/file-nr"),
    "/etc/fstab": "/dev/vda / ext4 rw 0 1\n",
}
COMMANDS: dict[str, Any] = {
    "chronyc": fixture("chronyc/debian-12/synchronised.csv"),
    "journalctl": fixture("journalctl/debian-12/killed.json"),
}
CASES = Path(__file__).parents[4] / "fixtures" / "cases"
FIRST = {"/proc/self/ns/pid": linux.FIRST_NAMESPACE}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the look away from this machine's own file systems and processes."""
    monkeypatch.setattr(linux_mounts, "read_usage", lambda _path: USAGE)
    monkeypatch.setattr(linux, "_held_files", lambda _seconds: HeldFiles(()))


def observe(host: FakeHost, **options: Any) -> Snapshot:
    return linux.collect(host, **{"sample": 0.5, "scan": 5.0, "window": DAY, "skip": (), **options})


class Ticking(FakeHost):
    """A host whose processors work on between two looks: 30 of 100 ticks busy, 20 of them waiting for storage."""

    looks = 0

    def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
        if path == "/proc/stat":
            self.looks += 1
            turn = self.looks
            return b"cpu  %d 0 0 %d %d 0 0 0 0 0\ncpu0 0\n" % (1000 + 30 * turn, 5000 + 50 * turn, 100 + 20 * turn)
        return super().read_bytes(path, limit)


def test_a_whole_host_is_seen_in_one_look() -> None:
    seen = observe(Ticking(files=FILES, commands=COMMANDS, links=FIRST, now=1_795_367_700.0))
    assert isinstance(seen.mounts, tuple)
    assert [mount.path for mount in seen.mounts] == ["/", "/dev/shm"]
    assert seen.memory == Memory(24684092 * 1024, seen.memory.available)  # type: ignore[union-attr]
    assert isinstance(seen.swap, Absent)
    assert isinstance(seen.load, Load)
    assert isinstance(seen.open_files, Counted)
    assert isinstance(seen.connections, Absent)
    assert seen.clock == Clock("chronyc", True, -0.000003)
    assert seen.container == ""
    assert set(seen.pressure) == {"cpu", "io", "memory"}
    assert seen.lost_mounts == {}


def test_processor_time_is_measured_over_the_sample_and_the_rest_of_the_look_fills_it() -> None:
    host = Ticking(files=FILES, commands=COMMANDS, links=FIRST)
    cpu = observe(host, sample=2.0).cpu
    assert isinstance(cpu, CpuShares)
    assert cpu.busy == pytest.approx(0.3)
    assert cpu.iowait == pytest.approx(0.2)
    assert host.paused == [2.0]


SAMPLES = [(2.0, 0.5, 1.5), (2.0, 5.0, 0.0), (2.0, -100.0, 2.0)]  # the last one: the clock was set back meanwhile


@pytest.mark.parametrize(("sample", "spent", "paused"), SAMPLES)
def test_only_the_time_that_is_missing_is_waited_for(sample: float, spent: float, paused: float) -> None:
    host = Ticking(files=FILES)
    linux._cpu(host, linux._cpu_times(host), sample, spent)
    assert host.paused == [paused]


def test_a_sample_is_taken_for_each_check_that_wants_it() -> None:
    host = Ticking(files=FILES, commands=COMMANDS, links=FIRST)
    assert isinstance(observe(host, skip=("cpu", "steal")).cpu, CpuShares)


def test_no_sample_is_taken_where_none_is_wanted() -> None:
    host = Ticking(files=FILES, commands=COMMANDS, links=FIRST)
    assert isinstance(observe(host, sample=0.0).cpu, Absent)
    assert host.paused == []


FIELDS = {
    "/proc/meminfo": ["memory", "swap"],
    "/proc/loadavg": ["load"],
    "/proc/stat": ["load", "cpu"],
    "/proc/sys/fs/file-nr": ["open_files"],
    "/proc/vmstat": ["oom"],
    "/proc/self/mountinfo": ["mounts", "lost_mounts"],
    "/etc/fstab": ["lost_mounts"],
}


@pytest.mark.parametrize("path", FIELDS)
def test_a_file_that_cannot_be_read_blinds_what_depends_on_it_and_nothing_else(path: str) -> None:
    seen = observe(FakeHost(files={**FILES, path: denied(path)}, commands=COMMANDS, links=FIRST))
    blind = [name for name, value in seen._asdict().items() if isinstance(value, Unavailable)]
    standing = ["cpu"]  # the clock of a FakeHost stands still, and so do its ticks
    assert sorted(set(blind) - set(standing)) == sorted(set(FIELDS[path]) - set(standing))


def test_what_takes_time_is_not_looked_at_when_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "_held_files", lambda _seconds: pytest.fail("it looked"))
    host = FakeHost(files=FILES, commands=COMMANDS, links=FIRST)
    seen = observe(host, skip=("cpu", "iowait", "steal", "clock", "oom_kills", "deleted_open_files"))
    assert isinstance(seen.held, Absent)
    assert (host.ran, host.paused) == ([], [])


CONTAINERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, FIRST, ""),
    ({"/run/.containerenv": ""}, FIRST, ""),  # a machine made from a container's image
    ({"/run/systemd/container": "systemd-nspawn\n"}, {"/proc/self/ns/pid": "pid:[4026534275]"}, "systemd-nspawn"),
    ({"/run/.containerenv": ""}, {"/proc/self/ns/pid": "pid:[4026534275]"}, "podman"),
    ({"/.dockerenv": ""}, {"/proc/self/ns/pid": "pid:[4026534275]"}, "docker"),
    ({}, {"/proc/self/ns/pid": "pid:[4026534275]"}, "container"),
    ({}, {}, ""),
]


@pytest.mark.parametrize(("marks", "links", "kind"), CONTAINERS)
def test_a_container_is_told_from_a_machine(marks: dict[str, Any], links: dict[str, Any], kind: str) -> None:
    assert observe(FakeHost(files={**FILES, **marks}, commands=COMMANDS, links=links)).container == kind


def test_in_a_container_its_own_limit_and_its_own_kills_count() -> None:
    group = {
        "/sys/fs/cgroup/memory.max": f"{GIB}\n",
        "/sys/fs/cgroup/memory.current": f"{GIB // 2}\n",
        "/sys/fs/cgroup/memory.stat": "inactive_file 0\n",
        "/sys/fs/cgroup/memory.events": "low 0\noom 5\noom_kill 4\n",
    }
    group["/proc/1/stat"] = first_process(seconds=90_000)
    links = {"/proc/self/ns/pid": "pid:[4026534275]"}
    seen = observe(FakeHost(files={**FILES, **group}, commands=COMMANDS, links=links))
    assert seen.memory == Memory(GIB, GIB // 2, "control group")
    assert isinstance(seen.oom, OomKills)
    assert (seen.oom.total, seen.oom.scope) == (4, "this container")


def first_process(seconds: float) -> str:
    """Return /proc/1/stat of a container whose first process began so many seconds after the machine's boot."""
    ticks = round(seconds * os.sysconf("SC_CLK_TCK"))
    return f"1 (init) of it) S 0 1 1 0 -1 4194560 1 1 1 1 10 10 1 1 20 0 1 0 {ticks} 170000 3000 184467\n"


EVENTS = {"/sys/fs/cgroup/memory.events": "oom_kill 0\n"}
INSIDE = {"/proc/self/ns/pid": "pid:[4026534275]"}


@pytest.mark.case("L1b")
def test_what_a_container_counts_begins_with_the_container_and_not_with_its_machine() -> None:
    """The machine was booted 100,000 s ago, the container began 10,000 s ago, and was started anew 500 s ago."""
    began = []
    for seconds in (90_000, 99_500):
        files = {**FILES, **EVENTS, "/proc/1/stat": first_process(seconds)}
        oom = observe(FakeHost(files=files, commands=COMMANDS, links=INSIDE)).oom
        assert isinstance(oom, OomKills)
        began.append((round(1_800_000_000.0 - oom.booted), oom.boot_id))
    assert [age for age, _boot in began] == [10_000, 500]
    assert len({boot for _age, boot in began}) == 2
    assert all(boot.startswith("boot-1") for _age, boot in began)


@pytest.mark.parametrize("links", [FIRST, INSIDE], ids=["machine", "container without a count of its own"])
def test_what_a_machine_counts_begins_with_its_boot(links: dict[str, Any]) -> None:
    oom = observe(FakeHost(files=FILES, commands=COMMANDS, links=links)).oom
    assert isinstance(oom, OomKills)
    assert (round(1_800_000_000.0 - oom.booted), oom.boot_id) == (100_000, "boot-1")


@pytest.mark.parametrize("stat", [None, "1 (init) S", first_process(100_100)], ids=["hidden", "cut", "another clock"])
def test_where_the_begin_of_a_container_is_not_told_its_kills_are_unknown(stat: Optional[str]) -> None:
    files = {**FILES, **EVENTS, **({"/proc/1/stat": stat} if stat else {})}
    assert isinstance(observe(FakeHost(files=files, commands=COMMANDS, links=INSIDE)).oom, Unavailable)


def test_a_container_without_a_count_of_its_own_says_that_the_machine_is_counted() -> None:
    links = {"/proc/self/ns/pid": "pid:[4026534275]"}
    oom = observe(FakeHost(files=FILES, commands=COMMANDS, links=links)).oom
    assert isinstance(oom, OomKills)
    assert oom.scope == "the machine that holds this container"
    assert oom.journal.window(0.0) == Part((), linux_kills.NO_LOG)


def test_the_kernels_journal_is_asked_for_the_window_only() -> None:
    host = FakeHost(files=FILES, commands=COMMANDS, links=FIRST, now=1_800_000_000.0)
    oom = observe(host, window=3600.0).oom
    assert isinstance(oom, OomKills)
    told = oom.journal.window(0.0)
    assert isinstance(told, Part)  # what was before the window was not asked for
    assert [event.text for event in told.at_least] == ["python3.11 (pid 24550)"]
    asked, before = [line for line in host.ran if line.startswith("journalctl")]
    assert "_TRANSPORT=kernel + _TRANSPORT=driver --since=@1799996400 --grep=[Kk]illed process" in asked
    assert "_TRANSPORT=kernel --reverse --until=@1799996400 --lines=1" in before


NOW = 1_800_000_000.0
OLDER = '{"__REALTIME_TIMESTAMP": "1799000000000000", "MESSAGE": "Linux version 6.1"}\n'
KILLED = '{"__REALTIME_TIMESTAMP": "1799990000000000", "MESSAGE": "Killed process 7 (a) total-vm:1"}\n'
NO_SEARCH = (1, "", CASES.joinpath("03-journalctl-without-pcre2.txt").read_text().split("stderr: ")[1].split("\n")[0])
FILTERED, BEFORE = "journalctl _TRANSPORT=kernel +", "journalctl _TRANSPORT=kernel --reverse --until"
SEARCH = f"{FILTERED} _TRANSPORT=driver --since=@1799913600 --grep"


def journals(found: Any, before: Any = OLDER, **more: Any) -> dict[str, Any]:
    """Return what journalctl answers: to the search within the window, and to the question what was before."""
    return {"chronyc": COMMANDS["chronyc"], FILTERED: found, BEFORE: before, **more}


# what journalctl answers, the kills that are seen, a word of why there may be more
REACHES: list[tuple[dict[str, Any], list[str], str]] = [
    (journals((1, "", "")), [], ""),  # nothing was found, and an older entry is there
    (journals("-- No entries --\n"), [], ""),
    (journals(KILLED), ["a (pid 7)"], ""),
    (journals((1, "", ""), (1, "", "")), [], "nothing from before the window"),
    (journals(KILLED, "-- No entries --\n"), ["a (pid 7)"], "nothing from before the window"),
    (journals((1, "", ""), (0, "-- No entries --\n", "No journal files were found.")), [], "No journal files were"),
    (journals((0, "", "No journal files were opened due to insufficient permissions.")), [], "insufficient"),
    (journals((1, "", "Failed to add filter: Invalid argument")), [], "Failed to add filter"),
    (journals((2, "", "broken")), [], "broken"),
    (journals((1, "", ""), (1, "", "broken")), [], "broken"),
    (journals(KILLED * 200), ["a (pid 7)"] * 200, "only the newest 200 entries"),
    (journals("garbage\n" + KILLED), ["a (pid 7)"], "expected a JSON object"),  # one odd line costs one line
    (journals(KILLED.replace("Killed process 7 (a)", "Missed 20 kernel messages")), [], "ring was overwritten"),
    # without PCRE2 all is read, and searched here
    (journals(KILLED + OLDER, **{SEARCH: NO_SEARCH}), ["a (pid 7)"], ""),
    (journals(OLDER, **{SEARCH: (1, "", "journalctl: unrecognized option '--grep=x'")}), [], ""),
    (journals(OLDER * 20000, **{SEARCH: NO_SEARCH}), [], "only the newest 20000 entries"),
    (journals((1, "", "Failed to open"), **{SEARCH: NO_SEARCH}), [], "Failed to open"),
    ({"chronyc": COMMANDS["chronyc"]}, [], "not found on this host"),  # no journal on this host
]


@pytest.mark.case("RS3")
@pytest.mark.parametrize(("commands", "kills", "gap"), REACHES)
def test_a_journal_that_says_nothing_is_told_from_one_that_could_not_look(
    commands: dict[str, Any], kills: list[str], gap: str
) -> None:
    oom = observe(FakeHost(files=FILES, links=FIRST, commands=commands, now=NOW)).oom
    assert isinstance(oom, OomKills)
    told = oom.journal.window(NOW - DAY)
    if gap:
        assert isinstance(told, Part)
        assert gap in told.gap
        assert [event.text for event in told.at_least] == kills
    else:
        assert isinstance(told, Whole), told
        assert [event.text for event in told.events] == kills


def test_the_journal_of_the_kernel_is_for_root() -> None:
    oom = observe(FakeHost(files=FILES, links=FIRST, commands=COMMANDS, admin=False)).oom
    assert isinstance(oom, OomKills)
    assert oom.journal.window(0.0) == Part((), "only root may read the kernel's log")


def test_the_best_source_that_answers_tells_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_host: Any) -> Clock:
        raise SourceDenied("adjtimex", "Operation not permitted")

    deaf = FakeHost(commands={"chronyc": (1, "", "506 Cannot talk to daemon")})
    monkeypatch.setattr(linux_clock, "_ask_kernel", lambda _host: Clock("the kernel", True))
    assert linux_clock.collect_clock(deaf, "").source == "the kernel"
    monkeypatch.setattr(linux_clock, "_ask_kernel", refuse)
    systemd = FakeHost(commands={"timedatectl show": fixture("timedatectl/debian-12/unsynchronised.txt")})
    assert linux_clock.collect_clock(systemd, "") == Clock("timedatectl", False)
    with pytest.raises(SourceDenied, match=r"506 Cannot talk.*Operation not permitted.*'timedatectl' was not found"):
        linux_clock.collect_clock(deaf, "")


def test_this_machines_kernel_answers_for_its_clock() -> None:
    answer = linux_clock._ask_kernel(FakeHost())
    assert answer.source == "the kernel"
    assert answer.offset is None or abs(answer.offset) < 10


def test_this_machines_root_is_measured_as_df_measures_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    usage = linux_mounts.read_usage("/")
    assert usage is not None
    told = subprocess.run(["df", "-P", "-B1", "/"], capture_output=True, text=True, check=True).stdout.split()
    size, used, available, capacity = told[-5:-1]
    assert usage.size == int(size)
    assert usage.used == pytest.approx(int(used), rel=0.01)
    assert usage.available == pytest.approx(int(available), rel=0.01)
    assert abs((1 - usage.free_share) * 100 - int(capacity.rstrip("%"))) <= 1.5  # df rounds up


def test_a_single_file_that_is_mounted_is_no_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    assert linux_mounts.read_usage(str(tmp_path / "file")) is None
    assert isinstance(linux_mounts.read_usage(str(tmp_path)), Usage)
    with pytest.raises(SourceDenied, match="nowhere"):
        linux_mounts.read_usage(str(tmp_path / "nowhere"))


def test_a_mount_that_does_not_answer_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(linux_mounts, "MOUNT_SECONDS", 0.2)
    monkeypatch.setattr(linux_mounts, "read_usage", lambda path: over.wait(30) and USAGE if path == "/" else USAGE)
    begun = time.monotonic()
    seen = linux_mounts.collect_mounts(FakeHost(files=FILES)).mounts
    over.set()
    assert time.monotonic() - begun < 5
    assert [type(mount.usage) for mount in seen] == [Unavailable, Usage]


@pytest.mark.case("RS2")
@pytest.mark.case("RS1")
def test_a_file_that_is_mounted_never_stands_for_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    table = CASES.joinpath("02-file-bind-hides-disk.mountinfo").read_text()
    monkeypatch.setattr(linux_mounts, "read_usage", lambda path: None if path.startswith("/etc/") else USAGE)
    seen = linux_mounts.collect_mounts(FakeHost(files={"/proc/self/mountinfo": table}))
    assert [(mount.path, mount.also) for mount in seen.mounts] == [("/", ()), ("/opt/cryptobot/data", ("/etc/hosts",))]
    assert seen.left_out == (("/etc/hosts", "its file system is looked at at /opt/cryptobot/data"),)
    files = table.replace(" / /opt/cryptobot/data", " /x /etc/passwd")  # nothing but files of that disk is mounted
    seen = linux_mounts.collect_mounts(FakeHost(files={"/proc/self/mountinfo": files}))
    assert [mount.path for mount in seen.mounts] == ["/"]
    alone = "it is a single file, or has no size"
    assert seen.left_out == (("/etc/hosts", alone), ("/etc/passwd", alone))


@pytest.mark.case("RS1")
def test_every_mount_of_this_machine_is_looked_at_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    seen = linux_mounts.collect_mounts(choose_host(60))
    told = [*(mount.path for mount in seen.mounts), *(each.path for each in seen.left_out)]
    assert sorted(told) == sorted(point.path for point in parse_mountinfo(Path("/proc/self/mountinfo").read_text()))


@pytest.mark.case("RS5")
def test_a_path_of_fstab_is_compared_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "run" / "bot").mkdir(parents=True)
    (tmp_path / "var").symlink_to(tmp_path)
    fstab = CASES.joinpath("18-fstab-path-by-symlink.fstab").read_text()
    assert "/var/run/bot" in fstab and "/mnt//data" in fstab
    fstab = fstab.replace("/var/run", f"{tmp_path}/var/run") + f"UUID=3 {tmp_path}/gone/ ext4 defaults 0 2\n"
    table = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / {tmp_path}/run/bot rw - tmpfs tmpfs rw\n"
    files = {"/etc/fstab": fstab, "/proc/self/mountinfo": f"{table}24 22 8:3 / /mnt/data rw - ext4 /dev/sdb1 rw\n"}
    assert linux_mounts.collect_lost_mounts(FakeHost(files=files)) == {f"{tmp_path}/gone": "is not mounted"}


def test_an_error_within_the_time_is_passed_on() -> None:
    def fail() -> None:
        raise SourceMissing("/x")

    with pytest.raises(SourceMissing):
        linux_mounts.within(5, "x", fail)
    with pytest.raises(ToolTimeout, match=r"looking at x was ended after 0\.1 s"):
        linux_mounts.within(0.1, "looking at x", lambda: time.sleep(1))


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a deleted file of 3 MiB, by two descriptors, and a file that still exists."""
    code = (
        "import os, sys\nfolder = sys.argv[1]\n"
        "a = open(folder + '/gone\\n(really)', 'wb'); a.write(b'x' * (3 << 20)); a.flush(); os.fsync(a.fileno())\n"
        "b = os.dup(a.fileno()); c = open(folder + '/stays (deleted)', 'w')\n"
        "os.unlink(a.name); print('ready', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process, tmp_path
    process.communicate("")


def test_a_deleted_file_that_a_process_holds_is_found_with_its_size_and_owner(
    holder: tuple[subprocess.Popen[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    process, folder = holder
    held = linux._held_files(20.0)
    (mine,) = [file for file in held.files if file.path.startswith(str(folder))]  # not the one that is called so
    assert mine.path == str(folder / "gone\\n(really)")
    assert 3 << 20 <= mine.size <= 4 << 20
    assert [f"(pid {process.pid})" in owner for owner in mine.owners] == [True]


def test_processes_that_may_not_be_looked_at_are_counted(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path[:0] = [sys.argv[1]]; import conftest\n"
        "from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes import linux_files\n"
        "os.getuid() or (os.setgid(65534), os.setuid(65534))\n"
        "walk = linux_files.OpenFiles(20.0); list(walk); print(walk.unseen)"
    )
    tests = str(Path(__file__).parents[4])
    done = subprocess.run([sys.executable, "-c", code, tests], capture_output=True, text=True, check=False)
    assert "processes of other accounts could not be looked at" in done.stdout, done.stderr


def test_a_walk_that_has_no_time_says_so() -> None:
    walk = OpenFiles(-1.0)
    assert list(walk) == []
    assert walk.unseen == "the time for looking at open files was used up"


def test_a_whole_real_machine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    seen = linux.collect(choose_host(60), sample=0.1, scan=10.0, window=DAY, skip=())
    assert isinstance(seen.mounts, tuple)
    assert "/" in {mount.path for mount in seen.mounts}
    blind = [name for name, value in seen._asdict().items() if isinstance(value, Unavailable)]
    assert set(blind) <= {"clock", "cpu"}  # a container may not ask for the clock; a short sample may see no tick


BOUND = "Name:\tsystemd\nCapBnd:\t000001ffffffffff\n"
NO_SYS_TIME = "Name:\tsystemd\nCapBnd:\t000001fdfdffffff\n"
UNKEPT, KEPT = Clock("the kernel", False), Clock("the kernel", True, 0.5)
# what the kernel says, what shows that it is a container or not, and what is to be said of the clock
CONTAINERS: list[tuple[Clock, str, dict[str, Any], Any]] = [
    (UNKEPT, "", {"/proc/1/status": BOUND}, UNKEPT),
    (UNKEPT, "", {}, UNKEPT),
    (UNKEPT, "", {"/proc/1/status": "no such line"}, UNKEPT),
    (UNKEPT, "", {"/proc/1/status": NO_SYS_TIME}, linux_clock.NOT_OURS),
    (UNKEPT, "", {"/proc/1/status": BOUND, "/.dockerenv": ""}, linux_clock.NOT_OURS),
    (UNKEPT, "", {"/proc/1/status": BOUND, "/run/systemd/container": "lxc"}, linux_clock.NOT_OURS),
    (UNKEPT, "", {"/run/.containerenv": denied("/run/.containerenv")}, linux_clock.NOT_OURS),
    (UNKEPT, "systemd-nspawn", {"/proc/1/status": BOUND}, linux_clock.NOT_OURS),
    (KEPT, "systemd-nspawn", {"/proc/1/status": NO_SYS_TIME}, KEPT),  # that it is off is worth telling
]


@pytest.mark.parametrize(("kernel", "container", "files", "expected"), CONTAINERS)
def test_a_clock_that_nothing_keeps_is_a_finding_only_where_it_is_this_hosts_own(
    kernel: Clock, container: str, files: dict[str, Any], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux_clock, "_ask_kernel", lambda _host: kernel)
    assert linux_clock.collect_clock(FakeHost(files=files), container) == expected


def test_a_time_service_that_runs_in_a_container_is_judged_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_clock, "_ask_kernel", lambda _host: UNKEPT)
    chrony = FakeHost(commands={"chronyc": fixture("chronyc/debian-12/unsynchronised.csv")})
    assert linux_clock.collect_clock(chrony, "docker") == Clock("chronyc", False, None, "it has no source")


def test_in_a_container_where_nothing_says_anything_of_the_clock_it_is_the_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_host: Any) -> Clock:
        raise SourceDenied("adjtimex", "Operation not permitted")

    monkeypatch.setattr(linux_clock, "_ask_kernel", refuse)
    assert linux_clock.collect_clock(FakeHost(), "docker") == linux_clock.NOT_OURS


def test_the_reason_of_a_clock_that_is_not_ours_reaches_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_clock, "_ask_kernel", lambda _host: UNKEPT)
    host = FakeHost(files={**FILES, "/.dockerenv": ""}, commands={}, links=FIRST)
    found = the_one("clock", observe(host))
    assert (found.status, found.message) == (
        "skipped",
        "the clock is the one of the host this container runs on",
    )
