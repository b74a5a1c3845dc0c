# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting a service of Windows; one that NSSM looks after is one as any other."""

from __future__ import annotations

from ...errors import ActionFailed
from ...host import Host
from ...powershell import Answers, ask
from .queries import start, stop

START_UP = 30.0  # seconds that powershell.exe itself may take beyond the wait


def stop_service(host: Host, name: str, timeout: float) -> None:
    """Stop a service and wait until it is stopped. Raise CoreError where it is not after ``timeout`` seconds."""
    answers = ask(host, {"stop": stop(name, timeout)}, timeout=timeout + START_UP)
    status = _status(answers, "stop", name)
    if status != "Stopped":
        raise ActionFailed(f"the service {name} is {status} {timeout:.0f} s after it was told to stop")


def start_service(host: Host, name: str, timeout: float) -> None:
    """Start a service and wait until it runs. Raise CoreError where it does not after ``timeout`` seconds."""
    answers = ask(host, {"start": start(name, timeout)}, timeout=timeout + START_UP)
    status = _status(answers, "start", name)
    if status != "Running":
        raise ActionFailed(f"the service {name} is {status} after it was told to start (at most {timeout:.0f} s)")


def _status(answers: Answers, what: str, name: str) -> str:
    """Return the status at the end. Raise ActionFailed with what Windows says against it, in its language."""
    answer = answers.raw.get(what, {})
    if "error" in answer:
        said = " ".join(str(answer["error"]).split())
        raise ActionFailed(f"the service {name} does not {what}: {said or 'no reason is given'}")
    (first, *_rest) = answers[what] or [{}]
    return str(first.get("Status") or "in an unknown state") if isinstance(first, dict) else "in an unknown state"
