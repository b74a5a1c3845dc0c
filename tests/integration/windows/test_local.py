# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridge without WinRM: ansible-core 2.21 runs PowerShell modules with `pwsh` over any connection."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .controller import CORE, ansible
from .host.windows import HERE, WindowsHost
from .payloads import ECHO, payload

pytestmark = pytest.mark.skipif(CORE < (2, 21), reason="ansible-core 2.21 is the first that can: make test CORE=2.21")


@pytest.fixture
def inventory(windows: WindowsHost, monkeypatch: pytest.MonkeyPatch) -> str:
    """This machine itself as the host, with the commands that only Windows has."""
    home = subprocess.run(
        [windows.pwsh, "-NoProfile", "-Command", "$PSHome"], capture_output=True, text=True, check=True
    )
    if Path(home.stdout.strip()) != Path(windows.pwsh).resolve().parent:
        pytest.skip("this `pwsh` does not lie in its $PSHome: ansible-core would look for another and start that")
    monkeypatch.setenv("PSModulePath", str(HERE / "modules"))
    path = windows.root / "inventory-local.json"
    variables = {"ansible_connection": "local", "ansible_pwsh_interpreter": windows.pwsh}
    path.write_text(json.dumps({"all": {"hosts": {"here": variables}}}), encoding="utf-8")
    return str(path)


def test_the_bridge_runs_over_a_local_connection(windows: WindowsHost, inventory: str) -> None:
    request = json.dumps({"text": "ü"})
    options = {**payload(ECHO), "request": request, "dir": str(windows.bridge_dir), "python": str(windows.python)}
    printed = ansible(inventory, "bridge", options)
    assert "here" in printed.results, printed.text
    assert printed.results["here"]["asked"] == {"text": "ü"}


def test_a_folder_that_is_not_protected_is_refused_there_too(windows: WindowsHost, inventory: str) -> None:
    windows.bridge_dir.mkdir(parents=True, mode=0o755)
    printed = ansible(inventory, "bridge", {**payload(ECHO), "dir": str(windows.bridge_dir)})
    assert "the grant (A;" in printed.results["here"]["msg"]
