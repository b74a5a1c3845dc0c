# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thresholds that the rules judge by, read once from the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..units import parse_bytes, parse_seconds

_SUFFIX = {"linux": ".service"}  # what a name without a type stands for; labels and Windows services have no types


@dataclass(frozen=True)
class Pattern:
    """A pattern of unit names that at least ``min_match`` units must fit; ``expected`` must be among them, and no other
    than those and the declared services may be.
    """

    pattern: str
    min_match: int = 1
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """Thresholds: times in seconds, sizes in bytes, shares in percent."""

    patterns: tuple[Pattern, ...] = ()
    restarts_window: float = 3600.0
    restarts_warn: int = 1
    restarts_crit: int = 3
    open_files_warn: int = 70
    open_files_crit: int = 90
    leak_min_samples: int = 6
    leak_min_span: float = 21600.0
    leak_warn: int = 50 << 20


def read_policy(params: Mapping[str, Any], platform: str = "linux") -> Policy:
    """Given the options and the platform, return the policy. Raise InputError naming the option that is wrong."""
    warn, crit = params["restarts_warn"], params["restarts_crit"]
    if not 0 < warn <= crit:
        raise InputError("restarts_warn", warn, f"between 1 and restarts_crit ({crit})")
    return Policy(
        patterns=tuple(_pattern(raw, _SUFFIX.get(platform, "")) for raw in params["patterns"]),
        restarts_window=parse_seconds("restarts_window", params["restarts_window"]),
        restarts_warn=warn,
        restarts_crit=crit,
        open_files_warn=params["open_files_warn"],
        open_files_crit=params["open_files_crit"],
        leak_min_samples=params["leak_min_samples"],
        leak_min_span=parse_seconds("leak_min_span", params["leak_min_span"]),
        leak_warn=parse_bytes("leak_warn", params["leak_warn"]),
    )


def _pattern(raw: Mapping[str, Any], suffix: str) -> Pattern:
    expected = tuple(name if "." in name else f"{name}{suffix}" for name in raw.get("expected") or ())
    return Pattern(raw["pattern"], 1 if raw.get("min_match") is None else raw["min_match"], expected)
