# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a running process was started on macOS: its account and environment by ps(1), its folder by lsof(8).

ps prints the environment behind the command line, words parted by spaces: a value may hold spaces, so a new variable
begins only where a name and an equals sign follow one.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Optional

from ...errors import CoreError, ParseError
from ...host import Host
from ...processes.model import Accounts, Process
from ..model import Launch
from ..proof import Sight

if sys.platform != "win32":
    import pwd

_VARIABLE = re.compile(r"(?:^| )(?=[A-Za-z_][A-Za-z0-9_]*=)")


_IDS = "uid=,gid=,ruid=,rgid=,svuid=,svgid="


def seen_on_macos(host: Host, process: Process) -> Sight:
    """Given a running process, return how it runs, or why that is not known."""
    pid = process.pid
    try:
        ids = parse_ids(host.run(["ps", "-o", _IDS, "-p", str(pid)]).stdout)
        plain = host.run(["ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        whole = host.run(["ps", "-E", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        folder = parse_folder(host.run(["lsof", "-a", "-p", str(pid), "-d", "cwd", "-F", "n"]).stdout)
    except CoreError as error:
        text = f"how it runs cannot be seen: {error}"
        return Sight(Launch("/", problem=text), problem=text)
    environment = parse_environment(plain, whole)
    unknown = "" if environment else "its environment cannot be seen"
    groups = _groups(ids[0], ids[1])
    launch = Launch(folder, (ids[0], ids[1], groups), environment, unknown)
    return Sight(launch, Accounts(ids[::2], ids[1::2], groups), process.exe)


def parse_ids(text: str) -> tuple[int, ...]:
    """Given what ps printed, return account and group by turns: effective, real, saved. Raise ParseError."""
    numbers = text.split()
    if len(numbers) != _IDS.count("=") or not all(re.fullmatch("[0-9]+", number) for number in numbers):
        raise ParseError(f"ps -o {_IDS}", 1, text, f"expected {_IDS.count('=')} numbers")
    return tuple(int(number) for number in numbers)


def parse_folder(text: str) -> str:
    """Given what ``lsof -d cwd -F n`` printed, return the folder. Raise ParseError."""
    folder: Optional[str] = next((line[1:] for line in text.splitlines() if line.startswith("n/")), None)
    if folder is None:
        raise ParseError("lsof -d cwd", 1, text, "expected the folder of the process")
    return folder


def parse_environment(plain: str, whole: str) -> dict[str, str]:
    """Given a command line as ps prints it, and the same with the environment behind it, return the environment."""
    command, both = plain.rstrip("\n"), whole.rstrip("\n")
    if not both.startswith(command):
        return {}
    pairs = [pair for pair in _VARIABLE.split(both[len(command) :].lstrip(" ")) if "=" in pair]
    return dict(pair.split("=", 1) for pair in pairs)


def _groups(uid: int, gid: int) -> tuple[int, ...]:
    try:
        return tuple(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except KeyError:
        return (gid,)
