# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running something in a process of its own, which kills itself with SIGKILL at a point of its way."""

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

CRASHED = 66


def died_at(owner: Any, name: str, nth: int, act: Callable[[], object], *, after: bool) -> bool:
    """Run ``act`` in a fork that kills itself right before, or right after, the nth call of a function; return whether
    it came so far. A fork that ends otherwise than well fails the test.
    """
    child = os.fork()
    if child == 0:
        _run(owner, name, nth, act, after)
    code = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(code):
        assert os.WTERMSIG(code) == signal.SIGKILL
        return True
    if os.WEXITSTATUS(code):
        pytest.fail(f"the run at {name} {nth} ended with {os.WEXITSTATUS(code)}")
    return False


def _run(owner: Any, name: str, nth: int, act: Callable[[], object], after: bool) -> None:
    function, calls = getattr(owner, name), []

    @functools.wraps(function)
    def deadly(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = function(*arguments, **options)
        if len(calls) == nth and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, deadly)
    try:
        act()
        sys.stdout.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a second pytest
        traceback.print_exc()
        os._exit(CRASHED)
