# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to say of a module that gave no result at all: a host's Python that does not start prints no JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.printable import printable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import redact

_WIDTH = 300  # characters of the line that is quoted


def explained(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Given what came back of a module, return it; where it is no result its message says how the module ended."""
    if not answer.get("failed") or "module_stdout" not in answer or "findings" in answer:
        return dict(answer)
    code = answer.get("rc")
    ended = "ended" if code is None else f"ended with exit code {code}"
    kept = {name: value for name, value in answer.items() if name != "exception"}
    return {**kept, "msg": f"the host's Python gave no result, it {ended}: {last_line(answer)}"}


def last_line(answer: Mapping[str, Any]) -> str:
    """Return the last line that a module printed, on stderr before stdout."""
    for name in ("module_stderr", "module_stdout"):
        lines = [line.strip() for line in str(answer.get(name) or "").splitlines() if line.strip()]
        if lines:
            return redact(printable(lines[-1]))[:_WIDTH]
    return "it printed nothing"
