# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A "Windows" host on loopback: a folder of its own, PowerShell's real engine, and Pythons good and bad.

A command that WinRM brings runs in `pwsh` with an environment in the words of Windows. What only Windows has comes from
the module in modules/, so that the commands under test find it as they would find the real one.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..wsman.endpoint import Endpoint
from ..wsman.shells import Shells

HERE = Path(__file__).resolve().parent
USER, PASSWORD = "CRYPTOBOT\\maintenance", "correct horse"


class WindowsHost:
    """One host under ``root``, listening until ``close``. Paths have what trips scripts up: spaces, quotes, umlauts."""

    def __init__(self, root: Path, pwsh: str) -> None:
        self.root, self.pwsh = root, pwsh
        for folder in ("Temp", "Windows", "ProgramData", "bin", "recorded"):
            (root / folder).mkdir(parents=True)
        self.install_powershell()
        self.bridge_dir = root / "ProgramData" / "crypto böt's" / "bridge"
        self.python = self.install_python("Program Files/Python '39 ü")
        self.shells = Shells(self.launch)
        self.endpoint = Endpoint(self.shells, USER, PASSWORD)

    def close(self) -> None:
        """Listen no longer."""
        self.endpoint.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command."""
        return {
            "PATH": os.pathsep.join([str(self.root / "bin"), os.defpath]),
            "HOME": str(self.root.with_name("home of the engine")),  # where PowerShell keeps caches of its own
            "TEMP": str(self.root / "Temp"),
            "ProgramData": str(self.root / "ProgramData"),
            "SystemDrive": str(self.root),
            "SystemRoot": str(self.root / "Windows"),
            "PSModulePath": str(HERE / "modules"),
            "WINDOWS_RECORDED": str(self.root / "recorded"),  # what the commands of modules/Recorded answer with
        }

    def launch(self, line: str) -> subprocess.Popen[bytes]:
        """Start a command line as winrshost.exe would."""
        words = line.split()
        powershell = words[0].lower() in ("powershell", "powershell.exe")
        argv = [self.pwsh, *words[1:]] if powershell else [self.pwsh, "-NoProfile", "-Command", line]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment, cwd=self.root)

    def install_powershell(self) -> None:
        """Have the core find a powershell.exe on PATH.

        Some commands of which there is a recorded answer are in every PowerShell. A function comes before them once its
        module is imported, so that is done first.
        """
        program = self.root / "bin" / "powershell.exe"
        imported = 'set -- "${@:1:$#-1}" "Import-Module Recorded; ${!#}"'
        program.write_text(f'#!/bin/bash\n{imported}\nexec {shlex.quote(self.pwsh)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        (self.root / "bin" / "powershell").symlink_to(program)

    def record(self, answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Given objects by the name of the command that gives them (see modules/Recorded), have it give them."""
        for name, objects in answers.items():
            (self.root / "recorded" / f"{name}.json").write_text(json.dumps(list(objects)), encoding="utf-8")

    def install_python(self, folder: str, version: str = "") -> Path:
        """Install a Python that says it is on Windows, of another version where one is given; return its path."""
        words = [sys.executable, str(HERE / "as_windows.py"), version]
        return self.install_program(folder, f'exec {shlex.join(words)} "$@"')

    def install_program(self, folder: str, script: str) -> Path:
        """Install a python.exe that is a shell script; return its path."""
        program = self.root / folder / "python.exe"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    def payloads(self) -> list[Path]:
        """Return what lies in the cache folder."""
        return sorted(self.bridge_dir.iterdir()) if self.bridge_dir.is_dir() else []

    def variables(self, port: int = 0) -> dict[str, Any]:
        """Return the variables of an inventory that reach it over WinRM, through another port where one is given."""
        return {
            "ansible_connection": "winrm",
            "ansible_host": "127.0.0.1",
            "ansible_port": port or self.endpoint.port,
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_winrm_transport": "basic",
            "ansible_winrm_scheme": "http",
            "cryptobot_python": str(self.python),
            "cryptobot_bridge_dir": str(self.bridge_dir),
        }

    def inventory(self, port: int = 0, **changed: Any) -> str:
        """Write an inventory in which it is the host ``win`` and return the path."""
        hosts = {"win": {**self.variables(port), **changed}}
        path = self.root / f"inventory-{len(list(self.root.glob('inventory-*')))}.json"
        path.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        return str(path)


def find_pwsh() -> str | None:
    """Return the path of PowerShell, or nothing where this machine has none."""
    return shutil.which("pwsh")
