# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong on a Windows host: each is one clear error, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .controller import Printed, ansible
from .host.windows import WindowsHost
from .payloads import COUNT, CRASH, DEAF, ECHO, GREET, GREET_IN_LINE, HANG, SILENT, payload
from .wsman.slow_link import SlowLink

CHECK = {"services": [{"name": "auth", "port": 8000}], "retries": 0}
STORE_ALIAS = "echo 'Python was not found; run without arguments to install from the Microsoft Store.' >&2; exit 49"


def bridge(windows: WindowsHost, source: str, request: object = None, **options: object) -> dict:
    """Run a payload of the test's own and return the result."""
    plain = {"dir": str(windows.bridge_dir), "python": str(windows.python), "request": json.dumps(request)}
    printed = ansible(windows.inventory(), "bridge", {**payload(source), **plain, **options})
    assert "win" in printed.results, printed.text
    return printed.results["win"]


def check(windows: WindowsHost, port: int = 0, **variables: object) -> Printed:
    arguments = {**CHECK, "state_dir": str(windows.root / "state")}
    return ansible(windows.inventory(port, **variables), "service_check", arguments)


def partial_files(windows: WindowsHost) -> list[Path]:
    return list(windows.root.rglob("*.partial"))


def pythons(windows: WindowsHost) -> dict[str, tuple[str, str]]:
    """Each wrong Python: what cryptobot_python says, and what the error must say beside how to set it."""
    old, said = windows.install_python("Python36", "3.6.8"), "3.6.8"
    ancient = windows.install_program("Python27", "echo 'Unknown option: -I' >&2; exit 2")
    alias = windows.install_program("Users/x/AppData/Local/Microsoft/WindowsApps", STORE_ALIAS)
    text = windows.root / "python.txt"
    text.write_text("no program")
    return {
        "missing": (str(windows.root / "Python39" / "python.exe"), "was not found"),
        "not_on_path": ("python-that-is-not-there.exe", "was not found"),
        "too_old": (str(old), said),
        "ancient": (str(ancient), "older than 3.4"),
        "store_alias": (str(alias), "Microsoft Store"),
        "no_program": (str(text), "cannot be started"),
        "another_program": ("/bin/true", "no answer"),
    }


def test_each_wrong_python_is_one_error_that_names_the_variable(windows: WindowsHost) -> None:
    wrong = pythons(windows)
    hosts = {name: {**windows.variables(), "cryptobot_python": path} for name, (path, _said) in wrong.items()}
    inventory = windows.root / "inventory-wrong.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    arguments = {**CHECK, "state_dir": str(windows.root / "state")}
    printed = ansible(str(inventory), "service_check", arguments, "--forks", "2")
    for name, (path, said) in wrong.items():
        message = printed.results[name]["msg"]
        assert path in message, name
        assert said in message, name
        assert message.count("cryptobot_python") == 1, name
        assert "Traceback" not in printed.results[name].get("stderr", ""), name
    assert partial_files(windows) == []


@pytest.mark.parametrize("greeting", [GREET, GREET_IN_LINE], ids=["in a line of its own", "before the answer"])
def test_a_python_that_greets_is_not_taken_for_an_answer(windows: WindowsHost, greeting: str) -> None:
    result = bridge(windows, greeting, {})
    assert result["failed"] is True
    assert "Welcome to Anaconda" in result["msg"]
    assert "cryptobot_python" in result["msg"]


def test_a_crash_is_an_error_with_exit_code_and_traceback(windows: WindowsHost) -> None:
    result = bridge(windows, CRASH)
    assert "KeyError: 'orders'" in result["msg"]
    assert result["rc"] == 1
    assert "Traceback (most recent call last)" in result["stderr"]


def test_an_exit_without_an_answer_is_an_error_with_its_code(windows: WindowsHost) -> None:
    result = bridge(windows, SILENT)
    assert "exit code 3" in result["msg"]
    assert result["rc"] == 3


def alive(pids: list[int]) -> list[int]:
    """Return those of the processes that run; one that has ended and waits for its parent does not."""
    states = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [pid for pid, stat in states.items() if stat.exists() and stat.read_text().rsplit(") ", 1)[1][0] != "Z"]


def test_at_the_timeout_python_is_ended_with_its_children(windows: WindowsHost) -> None:
    written = windows.root / "pids"
    result = bridge(windows, HANG, str(written), timeout=3)
    pids = [int(word) for word in written.read_text().split()]
    assert len(pids) == 2
    assert "3 s that it may take" in result["msg"]
    assert alive(pids) == []


def test_taskkill_ends_the_tree_where_windows_has_it(windows: WindowsHost) -> None:
    written, words = windows.root / "pids", windows.root / "taskkill.words"
    taskkill = windows.root / "bin" / "taskkill.exe"
    # As the real one with /T: the children of the process, then the process itself. It also says something on stderr.
    taskkill.write_text(f'#!/bin/sh\necho "$@" > "{words}"\necho SUCCESS >&2\npkill -9 -P "$4"; kill -9 "$4"\n')
    taskkill.chmod(0o755)
    result = bridge(windows, HANG, str(written), timeout=3)
    assert result["failed"], result
    python, child = (int(word) for word in written.read_text().split())
    assert words.read_text().split() == ["/T", "/F", "/PID", str(python)]
    assert alive([python, child]) == []


def test_a_python_that_does_not_read_is_ended_too(windows: WindowsHost) -> None:
    result = bridge(windows, DEAF, "x" * 1_000_000, timeout=3)
    assert "did not read its request within 3 s" in result["msg"]


def test_a_payload_that_was_changed_on_the_host_is_not_run_but_removed(windows: WindowsHost) -> None:
    assert bridge(windows, COUNT)["characters"] == 4
    (zipped,) = windows.payloads()
    planted = windows.root / "planted"
    zipped.write_bytes(b"import pathlib; pathlib.Path(%r).touch()" % str(planted))
    result = bridge(windows, COUNT)
    assert "it was changed on this host" in result["msg"]
    assert windows.payloads() == []
    assert not planted.exists()
    assert bridge(windows, COUNT)["characters"] == 4


def test_a_payload_that_arrives_damaged_is_not_kept(windows: WindowsHost) -> None:
    other = payload(ECHO)["payload"]
    result = bridge(windows, COUNT, payload=other)
    assert "arrived with the SHA-256" in result["msg"]
    assert windows.payloads() == []


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)


def owned_by_another(folder: Path) -> None:
    os.chown(folder, 1001, 1001)


def a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [(open_to_all, "the grant (A;"), (owned_by_another, "the owner 'S-1-5-21-"), (a_link, "is a link")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_cache_folder_that_is_not_the_administrators_alone_is_not_used(windows: WindowsHost, spoil, named) -> None:
    windows.bridge_dir.mkdir(parents=True, mode=0o700)
    spoil(windows.bridge_dir)
    result = bridge(windows, COUNT)
    assert named in result["msg"]
    assert "characters" not in result
    assert windows.payloads() == []


@pytest.fixture
def full_disk(windows: WindowsHost) -> Iterator[Path]:
    """The cache folder on a disk of its own with room for a quarter of the core."""
    windows.bridge_dir.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", str(windows.bridge_dir)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        reason = f"a small disk cannot be mounted: {mounted.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    yield windows.bridge_dir
    subprocess.run(["umount", str(windows.bridge_dir)], check=True)


def test_a_full_disk_is_one_error_and_leaves_no_half_payload(windows: WindowsHost, full_disk: Path) -> None:
    result = check(windows).results["win"]
    assert "the payload cannot be written to" in result["msg"]
    assert "space" in result["msg"].lower()
    assert list(full_disk.iterdir()) == []


def test_two_runs_at_once_both_succeed_and_leave_one_payload(windows: WindowsHost) -> None:
    hosts = {name: windows.variables() for name in ("one", "two", "three")}
    inventory = windows.root / "inventory-two.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    arguments = {**CHECK, "state_dir": str(windows.root / "state")}
    printed = ansible(str(inventory), "service_check", arguments, "--forks", "3")
    assert [result.get("msg") for result in printed.results.values()] == [None] * 3, printed.text
    assert len(windows.payloads()) == 1
    assert partial_files(windows) == []


def test_a_network_that_is_200_ms_late_each_way_only_takes_longer(windows: WindowsHost) -> None:
    link = SlowLink(windows.endpoint.port, 0.2)
    try:
        begun = time.monotonic()
        assert check(windows, link.port).results["win"]["findings"]
        assert time.monotonic() - begun > 8 * 0.4, "the link was not slow"
    finally:
        link.close()


def test_a_wrong_password_is_an_unreachable_host_and_no_command(windows: WindowsHost) -> None:
    result = check(windows, ansible_password="wrong").results["win"]
    assert result["unreachable"] is True
    assert windows.shells.lines == []
