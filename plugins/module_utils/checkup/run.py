# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run several areas in one trip to the host: a trip costs more than all they do. Each only looks."""

from __future__ import annotations

from typing import Any

from ..errors import CoreError
from ..finding import OK, UNKNOWN, Finding, Result
from ..host import Host
from ..registry import area
from .rules import RAN, RULES

__all__ = ["RULES", "run"]


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given ``checks``, a dict of area to its validated options, return each area's result under ``areas``.

    An area that raises is one ``unknown`` finding; the others still run. A checkup never changes anything.
    """
    results = {name: _ask(name, options, host, check_mode) for name, options in params["checks"].items()}
    findings = [_ran(name, answer) for name, answer in results.items()]
    observed = {name: answer for name, answer in results.items() if "msg" not in answer}
    return Result(findings=findings, data={"areas": observed})


def _ran(name: str, answer: dict[str, Any]) -> Finding:
    if "msg" in answer:
        return RAN.finding(UNKNOWN, name, answer["msg"], expected="a look at it")
    return RAN.finding(OK, name, f"{name} was looked at in {answer['seconds']:.2f} s")


def _ask(name: str, options: dict[str, Any], host: Host, check_mode: bool) -> dict[str, Any]:
    begun = host.now()
    try:
        asked = area(name)
        result = asked.run(options, host, check_mode or asked.plan_only)
    except CoreError as error:
        return {"msg": str(error)}
    except Exception as error:  # noqa: BLE001 - a defect of one area must not blind the others
        return {"msg": f"{type(error).__name__}: {error} (a defect of the area {name}, please report it)"}
    # What a plan would change is no change: the acting module says so when it runs.
    return {**result.as_dict(), "changed": False, "seconds": round(host.now() - begun, 3)}
