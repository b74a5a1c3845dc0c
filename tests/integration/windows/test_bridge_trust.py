# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others can do to the bridge: exchange its folders, be its Python, print without end. One function at a time."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .engine import call
from .host.windows import WindowsHost
from .payloads import ECHO, payload

SOMEBODY = 1001
SECRET = "pa'ss\\wö\"rd-of-the-vault"
REQUEST = {"area": "parrot", "params": {"login": SECRET, "path": "/opt/cryptobot"}, "secrets": [SECRET]}
ANSWER = """
$result = @{}
$options = @{ dir = $given.dir; payload_sha256 = $given.sha; payload = $given.packed; python = $given.python
    request = $given.request; secrets = @($given.secrets); timeout = $given.timeout }
$message = ''
try { $payload = Get-Payload $options; $line = Get-Answer $options $payload @{} $result }
catch { $message = $_.Exception.GetBaseException().Message }
[pscustomobject]@{ msg = $message; line = "$line"; stderr = "$($result.stderr)"
    peak = [Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64 }
"""


def answer(windows: WindowsHost, python: Path, source: str = ECHO, **changed: Any) -> dict[str, Any]:
    """Have a Python run a payload, as the bridge does, and return what the module would say."""
    sent = payload(source)
    given = {"dir": str(windows.bridge_dir), "sha": sent["payload_sha256"], "packed": sent["payload"], "timeout": 20}
    given |= {"python": str(python), "request": json.dumps(REQUEST), "secrets": [SECRET], **changed}
    shown = call(windows, ANSWER, **given)
    assert "value" in shown, shown
    (result,) = shown["value"]
    return dict(result)


# --- folders ---


def another_s(folder: Path) -> None:
    os.chown(folder, SOMEBODY, SOMEBODY)


def a_junction(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


SPOILT = [
    (another_s, "above it has the owner 'S-1-5-21-"),
    (a_junction, "above it is a link"),
    (open_to_all, "above it has the grant (A;OICI;FA;;;WD)"),
]


@pytest.mark.case("WN2")
@pytest.mark.parametrize("up", [0, 1])
@pytest.mark.parametrize(("spoil", "said"), SPOILT, ids=["another's", "a junction", "open to all"])
def test_a_folder_above_that_another_could_exchange_is_refused(
    windows: WindowsHost, spoil: Callable[[Path], None], said: str, up: int
) -> None:
    windows.bridge_dir.mkdir(parents=True, mode=0o700)
    spoil(windows.bridge_dir.parents[up])
    result = answer(windows, windows.python)
    assert said in result["msg"]
    assert "nothing was run" in result["msg"]
    assert result["line"] == ""
    assert windows.payloads() == []


@pytest.mark.case("WN2")
def test_folders_as_windows_makes_them_are_fine(windows: WindowsHost) -> None:
    (windows.root / "ProgramData").chmod(0o1777)  # all may make folders there, and take away none of others
    assert json.loads(answer(windows, windows.python)["line"])["asked"] == REQUEST


@pytest.mark.case("WN2")
def test_a_folder_that_is_exchanged_after_the_look_changes_nothing_of_what_is_run(windows: WindowsHost) -> None:
    """The Python of this host exchanges the folder above, and what lies in it, before it starts."""
    sent, ran = payload(ECHO), windows.root / "planted ran"
    planted = windows.root / "planted"
    (planted / "bridge").mkdir(parents=True)
    other = payload(f"open({str(ran)!r}, 'w')\nprint('{{}}')\n")["payload"]
    (planted / "bridge" / f"{sent['payload_sha256']}.zip").write_bytes(gzip.decompress(base64.b64decode(other)))
    above = shlex.quote(str(windows.bridge_dir.parent))
    swap = f"mv {above} {above}.away && mv {shlex.quote(str(planted))} {above}"
    python = windows.install_program("Racing", f'{swap}\nexec {shlex.quote(str(windows.python))} "$@"')
    result = answer(windows, python)
    assert not planted.exists()
    assert not ran.exists()
    assert json.loads(result["line"])["asked"] == REQUEST


STATES = [
    (lambda folder: None, ""),
    (another_s, "it has the owner 'S-1-5-21-"),
    (open_to_all, "it has the grant (A;OICI;FA;;;WD)"),
    (lambda folder: a_junction(folder.parent), "above it is a link"),
    (lambda folder: folder.rmdir(), ""),
]


@pytest.mark.case("WN2")
@pytest.mark.parametrize(("spoil", "said"), STATES, ids=["good", "another's", "open to all", "junction above", "none"])
def test_the_core_is_told_who_could_change_its_state(
    windows: WindowsHost, spoil: Callable[[Path], None], said: str
) -> None:
    state = windows.root / "ProgramData" / "bot" / "state"
    state.mkdir(parents=True, mode=0o700)
    spoil(state)
    (fault,) = call(windows, "Get-StateFault $given.state -Make", state=str(state))["value"]
    assert said in fault
    assert bool(said) == bool(fault)
    assert state.stat().st_mode & 0o7777 == 0o700 or said


INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
# descriptor, rights that count, whether somebody foreign has them
DESCRIPTORS = [
    # C:\ and C:\ProgramData of Windows Server 2022, as icacls and Get-Acl show them
    (f"O:{INSTALLER}G:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;CI;LC;;;BU)(A;OICIIO;GA;;;CO)", "$replacing", False),
    ("O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;DCLCRPCR;;;BU)",
     "$replacing", False),
    ("O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;CI;DCLCRPCR;;;BU)", "$putting", True),
    ("O:BAG:BAD:P(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)", "$putting", False),  # others may look
    ("O:BAG:BAD:P(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;AU)", "$replacing", True),  # modify, as a new drive D: gives
    ("O:BAG:BAD:P(A;;DT;;;BU)", "$replacing", True),
    ("O:BAG:BAD:P(A;;WDWO;;;BU)", "$replacing", True),
    ("O:BAG:BAD:P(D;;FA;;;BU)(A;;FA;;;BA)", "$putting", False),  # a denial lets nobody do anything
    ("O:BAG:BAD:P(A;;XY;;;BU)", "$replacing", True),  # a right that is not known
    ("O:BAG:BAD:P(XA;;FR;;;BU;(a == b))", "$replacing", True),  # on a condition that is not understood
    ("O:BAG:BAD:NO_ACCESS_CONTROL", "$replacing", True),
    ("O:BUG:BAD:P(A;;FA;;;BA)", "$replacing", True),
]  # fmt: skip


@pytest.mark.case("WN2")
def test_a_descriptor_says_whether_another_could_exchange_a_folder(windows: WindowsHost) -> None:
    look = "[bool]@(Get-Foreign $_.sddl -Who $system -Mask (Get-Variable $_.mask -ValueOnly)).Count"
    given = [{"sddl": sddl, "mask": mask.lstrip("$")} for sddl, mask, _foreign in DESCRIPTORS]
    found = call(windows, f"$given.rows | ForEach-Object {{ {look} }}", rows=given)["value"]
    assert found == [foreign for _sddl, _mask, foreign in DESCRIPTORS]


# --- a Python that is none ---

FORMS = {
    "raw": "exec cat",
    "raw, on stderr": "cat >&2; exit 1",
    "the request alone": "tail -n 1",
    "as JSON in JSON": 'tail -n 1 | sed \'s/["\\\\]/\\\\&/g; s/^/{"echo": "/; s/$/"}/\'',
    "a bit of it at the end of a line": "tail -n 1 | cut -c 1-90 >&2; exit 1",
    "the secret alone": "printf '%s' " + shlex.quote(SECRET),
    "its repr": "printf 'login=%s' " + shlex.quote(repr(SECRET)),
    "its JSON": "printf '{\"login\": %s}' " + shlex.quote(json.dumps(SECRET)),
    "its JSON, wide": "printf '%s' " + shlex.quote(json.dumps(SECRET, ensure_ascii=False)),
    "the secret across the bound of a message": f"printf '%s' {'x' * 190}" + shlex.quote(SECRET),
}


@pytest.mark.case("WN3")
@pytest.mark.parametrize("script", FORMS.values(), ids=FORMS)
def test_a_program_that_prints_what_it_reads_shows_no_secret(windows: WindowsHost, script: str) -> None:
    result = answer(windows, windows.install_program("Echo", script))
    assert result["line"] == ""
    assert "cryptobot_python" in result["msg"]
    shown = result["msg"] + result["stderr"]
    for part in ("pa'ss", "rd-of-the", "of-the-vault", '"params"', '"area"', "/opt/cryptobot"):
        assert part not in shown, shown
    assert len(result["msg"]) < 1000


@pytest.mark.case("WN3")
def test_other_words_are_shown_so_that_the_cause_is_seen(windows: WindowsHost) -> None:
    python = windows.install_program(
        "Greeting", "echo Welcome to Anaconda; echo 'no such environment: bot' >&2; exit 2"
    )
    result = answer(windows, python)
    assert "Welcome to Anaconda" in result["msg"]
    assert result["stderr"] == "no such environment: bot"


# --- words without end ---

ENDLESS = {
    "stderr": ("yes 'a line of errors' >&2", "printed more than"),
    "stderr in one line": ("tr '\\0' x < /dev/zero >&2", "printed more than"),
    "stdout": ("cat /dev/zero", "printed more than"),
    "3 MB on stderr in one line": ("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 3", "exit code 3"),
}


@pytest.mark.case("WN5")
@pytest.mark.parametrize(("script", "said"), ENDLESS.values(), ids=ENDLESS)
def test_endless_words_are_bounded_while_they_are_read(windows: WindowsHost, script: str, said: str) -> None:
    begun = time.monotonic()
    result = answer(windows, windows.install_program("Endless", script))
    assert said in result["msg"]
    assert len(result["msg"]) < 1000
    assert len(result["stderr"]) <= 16 << 10
    assert result["peak"] < 900 << 20  # the answer may have 128 MB, which is held a few times when it is made a text
    assert time.monotonic() - begun < 60


# --- a name, and what is held for a moment ---


@pytest.mark.case("WN6")
@pytest.mark.parametrize("name", ["py*", "python?.exe", "[p]ython.exe"])
def test_a_name_of_a_program_is_no_pattern(windows: WindowsHost, name: str) -> None:
    (windows.root / "bin" / "python1.exe").symlink_to(windows.python)
    assert "a pattern; expected a path or the name" in call(windows, "Find-Python $given.name", name=name)["error"]


HOLD = """
$script:left = $given.times
function Move-File {
    # What .NET throws where another process has the file open without sharing it: IOException with the Windows error 32
    # as its HResult ("System Error Codes" of Microsoft's documentation).
    param([string]$From, [string]$To)
    if ($script:left-- -gt 0) {
        $held = New-Object IO.IOException 'The process cannot access the file because it is being used', $given.code
        throw $held
    }
    [IO.File]::Move($From, $To)
}
$patience = 1500
Save-Payload $given.path $given.sha $given.packed
"""


@pytest.mark.case("WN7")
@pytest.mark.parametrize(
    ("times", "code", "error"),
    [(3, 0x20, None), (3, 0x21, None), (1000, 0x20, "being used"), (1, 0x70, "being used")],
    ids=["held for a moment", "locked for a moment", "held for ever", "the disk is full"],
)
def test_a_new_zip_that_a_scanner_holds_is_tried_again(
    windows: WindowsHost, times: int, code: int, error: str | None
) -> None:
    sent = payload(ECHO)
    path = windows.root / "new.zip"
    hresult = (0x80070000 | code) - (1 << 32)
    given = {"sha": sent["payload_sha256"], "packed": sent["payload"], "times": times, "code": hresult}
    shown = call(windows, HOLD, path=str(path), **given)
    assert path.exists() == (error is None)
    assert error is None or error in shown["error"]
    assert list(windows.root.glob("*.partial")) == []
