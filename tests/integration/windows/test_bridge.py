# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridge, end to end: `ansible` over WinRM, Ansible's own wrappers, PowerShell's engine, a Python, the core."""

from __future__ import annotations

import json
import os
import shlex
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .controller import ansible
from .host.windows import PASSWORD, WindowsHost
from .payloads import COUNT, ECHO, payload

# A host of which nothing is recorded: what counts here is that the answer comes from there.
CHECK = {"services": [{"name": "auth", "port": 8000}], "retries": 0}
DAY = 86_400
CORE = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"


def check(windows: WindowsHost, *options: str, **variables: object) -> dict:
    arguments = {**CHECK, "state_dir": str(windows.root / "state")}
    printed = ansible(windows.inventory(**variables), "service_check", arguments, *options)
    assert "win" in printed.results, printed.text
    return printed.results["win"]


@dataclass(frozen=True)
class Visit:
    """A first and a second run on a fresh host: both results, how many commands each took, what was written."""

    windows: WindowsHost
    results: tuple[dict, dict]
    commands: tuple[int, int]
    written: set[Path]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory, pwsh: str) -> Iterator[Visit]:
    windows = WindowsHost(tmp_path_factory.mktemp("visit") / "drive c", pwsh)
    before = set(windows.root.rglob("*"))
    first, trips = check(windows, "--check"), len(windows.shells.lines)  # in check mode nothing is remembered there
    second = check(windows, "--check")
    written = set(windows.root.rglob("*")) - before - set(windows.root.glob("inventory*"))
    yield Visit(windows, (first, second), (trips, len(windows.shells.lines) - trips), written)
    windows.close()


def test_a_module_runs_on_a_windows_host_by_the_core(visit: Visit) -> None:
    first, second = visit.results
    assert (first["status"], first["changed"], first["failed"]) == ("unknown", False, False)
    assert {finding["check"].partition(".")[0] for finding in first["findings"]} == {"services"}
    assert second["findings"] == first["findings"]


def test_the_core_travels_once(visit: Visit) -> None:
    assert visit.commands == (2, 1)


def test_nothing_is_written_but_one_payload_in_a_protected_folder(visit: Visit) -> None:
    (zipped,) = visit.windows.payloads()
    folders = list(zipped.parents)[:2]
    assert visit.written == {zipped, *folders}
    assert [oct(folder.stat().st_mode & 0o777) for folder in folders] == ["0o700", "0o700"]


def test_the_checkout_is_what_travels(visit: Visit) -> None:
    with zipfile.ZipFile(visit.windows.payloads()[0]) as archive:
        assert archive.read("cryptobot_maintenance/finding.py") == (CORE / "finding.py").read_bytes()


def test_every_shell_is_closed_when_the_controller_is_done(visit: Visit) -> None:
    assert len(visit.windows.shells) == 0


def test_old_payloads_are_swept_when_a_new_one_comes(windows: WindowsHost) -> None:
    windows.bridge_dir.mkdir(parents=True, mode=0o700)
    ancient, recent = windows.bridge_dir / f"{'0' * 64}.zip", windows.bridge_dir / f"{'1' * 64}.zip"
    broken_off = windows.bridge_dir / f"{'1' * 64}.zip.0123.partial"
    for path, age in ((ancient, 8 * DAY), (recent, 6 * DAY), (broken_off, 2 * DAY)):
        path.write_bytes(b"")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    fresh = payload(ECHO)
    ansible(windows.inventory(), "bridge", {**fresh, "dir": str(windows.bridge_dir)})
    assert windows.payloads() == sorted([recent, windows.bridge_dir / f"{fresh['payload_sha256']}.zip"])


def test_a_payload_that_is_used_is_not_old(windows: WindowsHost) -> None:
    fresh = {**payload(ECHO), "dir": str(windows.bridge_dir)}
    ansible(windows.inventory(), "bridge", fresh)
    (used,) = windows.payloads()
    os.utime(used, (used.stat().st_mtime - 8 * DAY,) * 2)
    ansible(windows.inventory(), "bridge", fresh)
    ansible(windows.inventory(), "bridge", {**payload(COUNT), "dir": str(windows.bridge_dir)})
    assert used in windows.payloads()


def test_check_mode_reaches_the_core_and_so_do_the_arguments_with_their_defaults(windows: WindowsHost) -> None:
    record = windows.root / "request.json"
    script = f'tee {shlex.quote(str(record))} | {shlex.quote(str(windows.python))} "$@"'
    check(windows, "--check", cryptobot_python=str(windows.install_program("Recording", script)))
    header, _newline, rest = record.read_bytes().partition(b"\n")
    asked = json.loads(rest[json.loads(header.decode("utf-8-sig"))["payload"] :])  # so many bytes of payload before it
    assert (asked["area"], asked["check_mode"]) == ("services", True)
    assert asked["params"]["services"][0]["name"] == "auth"
    assert {"timeout", "retries"} <= set(asked["params"])


def echo(windows: WindowsHost, request: dict, *options: str) -> dict:
    arguments = {
        **payload(ECHO),
        "request": json.dumps(request),
        "dir": str(windows.bridge_dir),
        "python": str(windows.python),
    }
    printed = ansible(windows.inventory(), "bridge", arguments, *options)
    assert "win" in printed.results, printed.text[-3000:]
    return printed.results["win"]


def test_arguments_of_1_mb_go_there_and_results_of_10_mb_come_back(windows: WindowsHost) -> None:
    answer = echo(windows, {"filler": "y" * 1_000_000, "more": 10_000_000})
    assert answer["asked"]["filler"] == "y" * 1_000_000
    assert answer["more"] == "x" * 10_000_000


def test_any_character_survives_the_way_there_and_back(windows: WindowsHost) -> None:
    text = "ÄÖÜ ß € 漢字 🙂 \u2028 \x00\x1f \\ \" ' % $env:PATH `n"
    assert echo(windows, {"text": text})["asked"]["text"] == text


def test_dates_and_numbers_are_not_touched_on_the_way(windows: WindowsHost) -> None:
    values = {"date": "2026-11-22T10:00:00Z", "empty": [], "one": [1], "big": 2**63 + 1, "float": 0.1, "none": None}
    values |= {"A": 1, "a": 2}
    assert echo(windows, values)["asked"] == values


def test_a_secret_is_in_no_command_line_no_environment_and_no_output(windows: WindowsHost) -> None:
    seen, secret = windows.root / "seen", "correct-battery-staple"
    spying = windows.install_program("Spying", f'{{ echo "$@"; env; }} > \'{seen}\'; exec "{windows.python}" "$@"')
    options = {**payload(COUNT), "request": secret, "dir": str(windows.bridge_dir), "python": str(spying)}
    printed = ansible(windows.inventory(), "bridge", options, "-vvvv")
    assert printed.results["win"]["characters"] == len(secret)
    assert "-I -B" in seen.read_text("utf-8")
    assert secret not in seen.read_text("utf-8")
    assert secret not in printed.text
    assert not [line for line in windows.shells.lines if secret in line or PASSWORD in line]


def test_a_python_on_the_path_is_used_where_the_inventory_names_none(windows: WindowsHost) -> None:
    (windows.root / "bin" / "python.exe").symlink_to(windows.python)
    inventory = windows.inventory(cryptobot_python="")
    arguments = {**CHECK, "state_dir": str(windows.root / "state")}
    assert ansible(inventory, "service_check", arguments).results["win"]["findings"]


def test_a_job_that_nobody_would_bring_the_core_to_fails_where_it_is_gone(windows: WindowsHost) -> None:
    options = {"payload_sha256": "0" * 64, "request": "{}", "detached": True, "dir": str(windows.bridge_dir)}
    result = ansible(windows.inventory(), "bridge", options).results["win"]
    assert result["failed"] is True
    assert result["msg"].startswith("nothing was run: the core was removed from this host since")


def test_a_module_without_a_request_only_looks(windows: WindowsHost) -> None:
    printed = ansible(windows.inventory(), "bridge", {"payload_sha256": "0" * 64, "dir": str(windows.bridge_dir)})
    assert printed.results["win"]["payload_present"] is False
    assert windows.payloads() == []


def test_a_wrong_argument_is_named_without_a_trip(windows: WindowsHost) -> None:
    printed = ansible(windows.inventory(), "service_check", {"services": [{"name": "auth", "port": "eighty"}]})
    assert "eighty" in printed.results["win"]["msg"]
    assert windows.shells.lines == []
