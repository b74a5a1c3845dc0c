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
from ..model import Launch

if sys.platform != "win32":
    import pwd

_VARIABLE = re.compile(r"(?:^| )(?=[A-Za-z_][A-Za-z0-9_]*=)")


def seen_on_macos(host: Host, pid: int) -> Launch:
    """Given the pid of a running process, return how it was started, or why that is not known."""
    try:
        ids = parse_ids(host.run(["ps", "-o", "uid=,gid=", "-p", str(pid)]).stdout)
        plain = host.run(["ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        whole = host.run(["ps", "-E", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        folder = parse_folder(host.run(["lsof", "-a", "-p", str(pid), "-d", "cwd", "-F", "n"]).stdout)
    except CoreError as error:
        return Launch("/", problem=f"how it runs cannot be seen: {error}")
    environment = parse_environment(plain, whole)
    unknown = "" if environment else "its environment cannot be seen"
    return Launch(folder, (*ids, _groups(ids[0], ids[1])), environment, unknown)


def parse_ids(text: str) -> tuple[int, int]:
    """Given what ``ps -o uid=,gid=`` printed, return the numbers of account and group. Raise ParseError."""
    found = re.fullmatch(r"\s*(\d+)\s+(\d+)\s*", text)
    if found is None:
        raise ParseError("ps -o uid=,gid=", 1, text, "expected two numbers")
    return int(found.group(1)), int(found.group(2))


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
