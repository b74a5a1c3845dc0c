# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that nothing that is started could trade: no exchange answers from here, or what was restored is told to use
a sandbox. It is asked before anything is started; what cannot be proved is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from ..host import Host
from .damage import files_below

SECONDS = 8.0  # for each endpoint: Linux knocks at 0, 1, 3 and 7 s, and what answers none of these is filtered
ENVIRONMENT = ".env"


def danger(root: Path, endpoints: Sequence[tuple[str, int]], sandbox: Sequence[str], host: Host) -> str:
    """Given where the sources lie, return why something that is started from there could trade; empty where not."""
    live = next((found for name, port in endpoints if (found := reached(name, port, host))), "")
    if endpoints and not live:
        return ""
    live = live or "no endpoint of an exchange is declared"
    if not sandbox:
        return f"{live}, and no sandbox is declared: the restored keys could trade"
    lacking = lacks_sandbox(root, sandbox)
    return f"{live}, and {lacking}" if lacking else ""


def reached(name: str, port: int, host: Host) -> str:
    """Return what says that a connection may be accepted, or an empty text: it is refused, filtered or without a route.

    A name that is not resolved proves nothing: the next answer of the name server may resolve it.
    """
    try:
        with socket.create_connection((name, port), timeout=min(SECONDS, host.remaining())):
            return f"{name}:{port} can be reached from here"
    except socket.gaierror:
        return (
            f"whether {name}:{port} can be reached cannot be told, its name is not resolved here: give it an address "
            f"that answers nothing, such as 127.0.0.1 in the hosts file, or declare an address instead"
        )
    except OSError:
        return ""


def lacks_sandbox(root: Path, sandbox: Sequence[str]) -> str:
    """Return what says that the restored application is not told to use a sandbox; empty where all of it is."""
    there = False
    for file in files_below(root):
        if file.name != ENVIRONMENT:
            continue
        there = True
        with file.open("rb") as stream:
            text = stream.read().decode(errors="replace")
        lines = {line.strip().removeprefix("export ") for line in text.splitlines()}
        missing = [line for line in sandbox if line not in lines]
        contrary = [line for line in lines if any(_contradicts(line, each) for each in sandbox)]
        if missing or contrary:
            return f"{root / file.path} does not say {(missing or sandbox)[0]}"
    return "" if there else f"there is no {ENVIRONMENT} among what was restored that could say that it uses a sandbox"


def _contradicts(line: str, wanted: str) -> bool:
    """Return whether a line gives the variable of a wanted one another value: the last one would count."""
    name, equals, _value = wanted.partition("=")
    return bool(equals) and line != wanted and line.partition("=")[0].strip() == name
