# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the area ``backup`` in a process of its own, which kills itself with SIGKILL at a named point.

Usage: backup_runner.py OPTIONS [POINT [NTH]]

OPTIONS are the module's options as JSON. POINT is a function as ``module.function`` below the area, with ``+`` before
it to die right after it instead of right before; NTH is which call it is, the first unless given. Prints the result as
JSON.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
importlib.import_module("conftest")
AREA = "ansible_collections.cryptobot.maintenance.plugins.module_utils.backup"


def dying(function: Callable[..., Any], nth: int, *, after: bool) -> Callable[..., Any]:
    """Return a function that kills this process at its nth call."""
    calls = []

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = function(*arguments, **options)
        if len(calls) == nth and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return wrapped


def is_module(dotted: str) -> bool:
    try:
        importlib.import_module(dotted)
    except ModuleNotFoundError:
        return False
    return True


def plant(point: str, nth: int) -> None:
    """Make a function of the area deadly."""
    *path, name = point.lstrip("+").split(".")
    modules = [part for number, part in enumerate(path) if is_module(".".join([AREA, *path[: number + 1]]))]
    owner: Any = importlib.import_module(".".join([AREA, *modules]))
    for part in path[len(modules) :]:
        owner = getattr(owner, part)
    setattr(owner, name, dying(getattr(owner, name), nth, after=point.startswith("+")))


def main() -> None:
    run = importlib.import_module(f"{AREA}.run").run
    choose_host = importlib.import_module(AREA.rsplit(".", 1)[0] + ".host").choose_host
    if len(sys.argv) > 2:
        plant(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    result = run(json.loads(sys.argv[1]), choose_host(600.0), False)
    print(json.dumps({**result.as_dict(), "failure": result.failure}))


if __name__ == "__main__":
    main()
