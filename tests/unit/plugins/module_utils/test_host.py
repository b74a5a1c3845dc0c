# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host: chosen once, bounded as a whole, and whatever the system refuses is an error of the core."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import host as host_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    CoreError,
    SourceDenied,
    SourceMissing,
    ToolFailed,
    ToolMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import (
    HOSTS,
    Host,
    LinuxHost,
    MacHost,
    WindowsHost,
    choose_host,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import expand
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="it asks the kernel of Linux")


def test_each_platform_has_one_host_that_bears_its_name() -> None:
    assert {name: kind.platform for name, kind in HOSTS.items()} == {
        "linux": "linux",
        "darwin": "darwin",
        "win32": "windows",
    }


def test_a_platform_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module.sys, "platform", "plan9")
    with pytest.raises(CoreError, match="'plan9', expected one of"):
        choose_host()


@linux_only
def test_the_host_of_this_system_is_chosen() -> None:
    assert isinstance(choose_host(5.0), LinuxHost)


def test_a_command_that_fails_is_an_error_that_quotes_its_last_words() -> None:
    with pytest.raises(ToolFailed, match="exit code 4: last"):
        Host().run(["sh", "-c", "echo first >&2; echo last >&2; exit 4"])


@pytest.mark.parametrize(("expect", "rc"), [((0, 4), 4), (None, 7)])
def test_an_exit_code_that_is_expected_is_no_error(expect: tuple[int, ...] | None, rc: int) -> None:
    assert Host().run(["sh", "-c", f"exit {rc}"], expect=expect).rc == rc


def test_a_command_gets_no_more_time_than_the_run_has_left() -> None:
    begun = time.monotonic()
    with pytest.raises(ToolTimeout):
        Host(budget=1.0).run(["sleep", "30"], timeout=25)
    assert time.monotonic() - begun < 10


def test_nothing_is_started_once_the_time_of_the_run_is_used_up(tmp_path: Path) -> None:
    spent = Host(budget=0.0)
    with pytest.raises(ToolTimeout, match="the run"):
        spent.run(["touch", str(tmp_path / "started")])
    with pytest.raises(ToolTimeout, match="the run"):
        spent.http("http://127.0.0.1:9/")
    assert not (tmp_path / "started").exists()


def test_a_pause_that_the_run_cannot_afford_is_refused_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(ToolTimeout):
        Host(budget=5.0).pause(60)
    assert time.monotonic() - begun < 1


def test_a_run_that_must_put_things_back_gets_the_time_for_it() -> None:
    spent = Host(budget=0.0)
    spent.extend(30)
    assert 20 < spent.remaining() <= 30
    spent.extend(1)
    assert spent.remaining() > 20


def test_a_file_is_read_up_to_its_bound_and_never_fails_to_decode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\xffb" + b"x" * 100)
    assert Host().read(str(path), limit=3) == "a\ufffdb"
    assert len(Host().read_bytes(str(path))) == 103


MISSING = ["nowhere", "file/below", "dangling"]


@pytest.mark.parametrize("name", MISSING)
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    with pytest.raises(SourceMissing, match=name):
        Host().read(str(tmp_path / name))


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(SourceDenied, match="it is a folder, expected a file"):
        Host().read(str(tmp_path))


def test_a_path_that_no_system_accepts_is_an_error_of_the_core() -> None:
    with pytest.raises(CoreError):
        Host().read("/tmp/a\x00b")


def test_a_file_that_the_system_refuses_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceDenied, match="/etc/shadow cannot be read: Permission denied"):
        Host().read("/etc/shadow")


@linux_only
def test_without_privileges_a_file_of_another_account_is_denied() -> None:
    code = (
        "import os; os.setgid(65534); os.setuid(65534); open('/etc/shadow')"
        if os.geteuid() == 0
        else "open('/etc/shadow')"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PermissionError" in failed.stderr  # the premise of SourceDenied, on this machine


def test_a_tool_is_found_where_roots_tools_live_even_if_path_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    places = {path for path in ("/usr/sbin", "/sbin", "/usr/local/sbin") if Path(path, "ldconfig").exists()}
    assert str(Path(Host().which("ldconfig") or "").parent) in places
    assert Host().which("no-such-command-here") is None


@linux_only
def test_a_boot_has_an_id_that_stays_the_same() -> None:
    assert len(LinuxHost().boot_id()) == 36
    assert LinuxHost().boot_id() == LinuxHost().boot_id()


@linux_only
def test_a_process_is_told_from_another_by_when_it_began() -> None:
    mine = LinuxHost().process_began(os.getpid())
    assert mine
    assert mine == LinuxHost().process_began(os.getpid())
    assert LinuxHost().process_began(1) != mine


@linux_only
def test_a_process_that_has_ended_never_began_even_while_its_parent_has_not_noticed() -> None:
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 5
    while LinuxHost().process_began(child.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert LinuxHost().process_began(child.pid) == ""  # a zombie
    child.wait()
    assert LinuxHost().process_began(child.pid) == ""  # gone


def test_a_process_name_with_brackets_does_not_shift_the_fields() -> None:
    fields = ["S"] + [str(number) for number in range(4, 53)]
    files = {"/proc/7/stat": "7 (a) b) (c) " + " ".join(fields)}

    class Recorded(LinuxHost):
        def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
            return files[path].encode()

    assert Recorded().process_began(7) == "22"  # proc(5): starttime is field 22


@linux_only
def test_lower_priority_gives_way_and_never_takes_priority_back() -> None:
    code = (
        f"import os, sys; sys.path[:0] = {[str(Path(__file__).parents[3])]!r}\n"
        "import conftest\n"
        "from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost\n"
        "LinuxHost().lower_priority(); first = os.getpriority(os.PRIO_PROCESS, 0)\n"
        "os.setpriority(os.PRIO_PROCESS, 0, 15); LinuxHost().lower_priority()\n"
        "print(first >= 10, os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True 15\n", done.stderr


PATHS = [("/a/../b", "/b"), ("~", str(Path.home())), ("~/x", str(Path.home() / "x")), ("/a//b/", "/a/b")]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_a_path_of_an_operator_becomes_absolute(path: str, expected: str) -> None:
    assert expand(path) == expected


def test_a_home_that_nobody_has_is_an_error_of_the_core() -> None:
    with pytest.raises(CoreError, match="no-such-account-here"):
        expand("~no-such-account-here/x")


def test_the_fake_host_behaves_as_one_that_lacks_what_is_not_written_down() -> None:
    fake = FakeHost(commands={"systemctl show": (1, "", "no bus")}, files={"/etc/x": "text"})
    assert fake.read("/etc/x") == "text"
    for ask, error in (
        (lambda: fake.run(["systemctl", "show", "a"]), ToolFailed),
        (lambda: fake.run(["launchctl"]), ToolMissing),
        (lambda: fake.read("/etc/y"), SourceMissing),
        (lambda: fake.http("http://127.0.0.1/"), SourceMissing),
    ):
        with pytest.raises(error):
            ask()
    assert fake.ran == ["systemctl show a", "launchctl"]


class Answering(Host):
    """A host of which each command is answered so: exit code, stdout, stderr."""

    def __init__(self, rc: int, out: str, err: str = "") -> None:
        super().__init__(60.0)
        self.answer, self.asked = (rc, out, err), ""

    def run(self, argv: Any, *, expect: Any = (0,), **_options: Any) -> Completed:
        self.asked = argv[-1]
        rc, out, err = self.answer
        if expect is not None and rc not in expect:
            raise ToolFailed(argv, rc, err)
        return Completed(tuple(argv), rc, out, err)


class Asked(Answering, WindowsHost):
    """Windows with one PowerShell answer."""


class AskedMac(Answering, MacHost):
    """A macOS host with one answer of ps."""


BEGINS = [((0, "133456789012345678\r\n"), "133456789012345678"), ((0, ""), "")]


@pytest.mark.parametrize(("answer", "began"), BEGINS)
def test_windows_tells_when_a_process_began_or_that_there_is_none(answer: tuple[int, str], began: str) -> None:
    host = Asked(*answer)
    assert host.process_began(4242) == began
    assert "'ProcessId=4242'" in host.asked


def test_a_windows_that_does_not_tell_is_not_taken_for_one_without_the_process() -> None:
    with pytest.raises(ToolFailed, match="Access denied"):
        Asked(1, "", "Access denied").process_began(4242)


@pytest.mark.case("WN1")
def test_a_ps_that_may_not_look_is_not_taken_for_one_without_the_process() -> None:
    assert AskedMac(1, "").process_began(4242) == ""
    assert AskedMac(0, "Sun Nov 22 02:00:00 2026\n").process_began(4242) == "Sun Nov 22 02:00:00 2026"
    with pytest.raises(ToolFailed, match="not permitted"):
        AskedMac(1, "", "ps: Operation not permitted").process_began(4242)
