# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an option means on the host where that is not what it means on the controller that validates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Defaults on Windows of options that are a path on POSIX. The core resolves variables on the host.
DEFAULTS = {"state_dir": r"%ProgramData%\cryptobot-maintenance\state"}


def spec_of_host(spec: Mapping[str, Any], *, windows: bool = False) -> dict[str, Any]:
    """Given an argument_spec, return it for the validation of what a host is to get.

    A path stays as it is written: the controller must not resolve ``~`` and variables by its own home and environment.
    """
    return {name: _option(name, option, windows) for name, option in spec.items()}


def _option(name: str, option: Mapping[str, Any], windows: bool) -> dict[str, Any]:
    changed = {key: "str" for key in ("type", "elements") if option.get(key) == "path"}
    if "options" in option:
        changed["options"] = spec_of_host(option["options"], windows=windows)
    if windows and name in DEFAULTS and "default" in option:
        changed["default"] = DEFAULTS[name]
    return {**option, **changed}
