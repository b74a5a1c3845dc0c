# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where the core meets Ansible: a module object goes in, an exit with plain JSON comes out.

This file is the shell, not the core. It still imports nothing of Ansible: it only calls the module object it is given.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from .errors import CoreError, ToolTimeout
from .finding import UNKNOWN, Result
from .host import Host, choose_host
from .redact import redact
from .seam import seal
from .trusted import STATE, distrust

GRACE = 15.0  # seconds that a look has beyond its bound, in which it ends by itself unless it hangs

Run = Callable[[dict[str, Any], Host, bool], Result]


class Module(Protocol):
    """What this shell needs of an AnsibleModule."""

    params: dict[str, Any]
    check_mode: bool

    @property
    def no_log_values(self) -> Collection[str]:
        """The values that must not be shown."""

    def exit_json(self, **kwargs: Any) -> None:
        """End the process, successful."""

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """End the process, failed."""


def exit_with(module: Module, run: Run, *, low_priority: bool = True, acts: bool = True) -> None:
    """Run an area on this host and end the module with its result, sealed.

    ``params["timeout"]`` seconds bound the whole run. An error of the core, or an action that did not succeed, fails
    the task; whatever had been found by then is still returned. So does a defect, which names its place. ``acts`` is
    whether the area may change something: one that only looks is also ended where it hangs in a call of the system.
    """
    try:
        host = choose_host(module.params["timeout"])
        if low_priority:
            host.lower_priority()
        with nullcontext() if acts else ending(module.params["timeout"] + GRACE):
            result = run(module.params, host, module.check_mode)
        note_state(result, module.params.get("state_dir") or "")
        answer = result.as_dict()
    except CoreError as error:
        return _fail(module, {"msg": str(error)})
    except Exception as error:  # noqa: BLE001 - what Python would print of it knows no secrets and no bounds
        return _fail(module, {"msg": defect(error), "exception": traceback.format_exc()})
    if result.failure:
        return _fail(module, {**answer, "msg": result.failure})
    return module.exit_json(**_sealed(module, answer))


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """Have ToolTimeout raised in a block after so many seconds, and every GRACE from then on, whatever it hangs in.

    A file that somebody swapped for a pipe, a server that hangs: one host's must not cost all others their turn.
    """

    def end(_number: int, _frame: object) -> None:
        raise ToolTimeout("a call of the system", seconds)

    if not hasattr(signal, "setitimer"):  # Windows, where the bridge ends what takes too long
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _fail(module: Module, answer: dict[str, Any]) -> None:
    safe = {name: redact(answer[name]) for name in ("msg", "exception") if name in answer}
    return module.fail_json(**_sealed(module, {**answer, **safe}))


def _sealed(module: Module, answer: dict[str, Any]) -> dict[str, Any]:
    """Given an answer, return it sealed, together with the parameters, which Ansible would add as they are."""
    return seal({**answer, "invocation": {"module_args": module.params}}, module.no_log_values)


def defect(error: Exception) -> str:
    """Given an error that nobody meant to raise, return a sentence with the place where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = "/".join(Path(place.filename).parts[-2:])
    return f"{type(error).__name__}: {error} at {where}:{place.lineno} (a defect of the collection, please report it)"


def note_state(result: Result, state_dir: str) -> None:
    """Add to a result that nothing in the state folder was believed, where that is so."""
    fault = distrust(state_dir) if state_dir else ""
    if fault:
        text = f"nothing that earlier runs left in {state_dir} was believed: {fault}"
        result.findings.append(STATE.finding(UNKNOWN, state_dir, text, expected="root's own"))
