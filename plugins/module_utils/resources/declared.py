# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory declares of resources, validated once. Shares are 0 to 1 here, percentages in the inventory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..finding import EMPTY
from ..thresholds import ABOVE, BELOW, Bounds
from ..units import parse_bytes, parse_seconds

Convert = Callable[[str, Any], float]
NONE = Bounds()


class MountLimits(NamedTuple):
    """The bounds of one mount by option: shares and bytes that must stay free."""

    bounds: Mapping[str, Bounds] = EMPTY
    ignore: bool = False


class Thresholds(NamedTuple):
    """All bounds by option. ``default`` holds for each mount, ``mounts`` has the overrides by path."""

    default: MountLimits
    mounts: Mapping[str, MountLimits]
    bounds: Mapping[str, Bounds]
    oom_window: float
    skip: tuple[str, ...] = ()

    def limits(self, *paths: str) -> MountLimits:
        """Return the limits that hold for a mount, given its path and the others that it is shown at."""
        return next((self.mounts[path] for path in paths if path in self.mounts), self.default)


def read_thresholds(given: Mapping[str, Any]) -> Thresholds:
    """Given the option ``thresholds``, return it validated.

    Raise InputError for a percentage outside 0 to 100, a size or duration of another form, a critical step that would
    be reached before the warning, and a mount that is named twice.
    """
    where = "thresholds"
    default = _limits(where, given, MountLimits())
    return Thresholds(
        default=default,
        mounts=_mounts(given["mounts"], default),
        bounds={name: _bounds(where, given, name, *kind) for name, kind in _OF_HOST.items()},
        oom_window=parse_seconds(f"{where}.oom_window", given["oom_window"]),
        skip=tuple(given.get("skip") or ()),
    )


def mount_path(path: str) -> str:
    r"""Given a path of Windows as an operator writes it (``d:``, ``D:\data\``), return it as its volume is named.

    Of every other path doubled slashes and one at its end are taken away.
    """
    match = re.fullmatch(r"([A-Za-z]):(\\.*)?", path, re.DOTALL)
    if match is None:
        return "/" + posixpath.normpath(path).strip("/") if path.startswith("/") else path
    below = (match.group(2) or "").rstrip("\\")
    return f"{match.group(1).upper()}:{below or chr(92)}"


def _mounts(given: Sequence[Mapping[str, Any]], default: MountLimits) -> dict[str, MountLimits]:
    limits: dict[str, MountLimits] = {}
    for item in given:
        path = mount_path(str(item["mount"]))
        if path in limits:
            raise InputError(f"thresholds.mounts[{path}].mount", path, "each mount once")
        limits[path] = _limits(f"thresholds.mounts[{path}]", item, default)
    return limits


def _limits(where: str, given: Mapping[str, Any], base: MountLimits) -> MountLimits:
    """Return the limits that ``given`` states; a step that it leaves out is that of ``base``."""
    bounds = {name: _bounds(where, given, name, *kind, base.bounds.get(name, NONE)) for name, kind in _OF_MOUNT.items()}
    return MountLimits(bounds, bool(given.get("ignore", base.ignore)))


def _bounds(where: str, given: Mapping[str, Any], name: str, convert: Convert, bad: str, base: Bounds = NONE) -> Bounds:
    warning = _step(where, given, f"{name}_warning", convert, base.warning)
    critical = _step(where, given, f"{name}_critical", convert, base.critical)
    low_is_bad = bad == BELOW
    if warning is not None and critical is not None and (critical > warning if low_is_bad else critical < warning):
        expected = f"{'at most' if low_is_bad else 'at least'} that of {name}_warning, which is reached first"
        raise InputError(f"{where}.{name}_critical", given.get(f"{name}_critical", critical), expected)
    return Bounds(warning, critical)


def _step(where: str, given: Mapping[str, Any], name: str, convert: Convert, base: Optional[float]) -> Optional[float]:
    value = given.get(name)
    return base if value is None else float(convert(f"{where}.{name}", value))


def _share(name: str, value: Any) -> float:
    if not 0 <= value <= 100:
        raise InputError(name, value, "a percentage, 0 to 100")
    return float(value) / 100


def _positive(name: str, value: Any) -> float:
    if not value > 0:
        raise InputError(name, value, "a number above 0")
    return float(value)


# What the bounds of an option are written as, and on which side of them a number is bad.
_OF_MOUNT: Mapping[str, tuple[Convert, str]] = {
    "disk_free": (_share, BELOW),
    "disk_free_bytes": (parse_bytes, BELOW),
    "inodes_free": (_share, BELOW),
}
_OF_HOST: Mapping[str, tuple[Convert, str]] = {
    "forecast": (parse_seconds, BELOW),
    "forecast_free": (_share, BELOW),
    "memory_available": (_share, BELOW),
    "swap_used": (_share, ABOVE),
    "load": (_positive, ABOVE),
    "cpu_busy": (_share, ABOVE),
    "iowait": (_share, ABOVE),
    "steal": (_share, ABOVE),
    "open_files": (_share, ABOVE),
    "connections": (_share, ABOVE),
    "clock_offset": (_positive, ABOVE),
    "deleted_open": (parse_bytes, ABOVE),
}


def check_seconds(params: Mapping[str, Any]) -> None:
    """Raise InputError where a time that a look may take is out of its range."""
    for name in ("sample_seconds", "scan_seconds"):
        if not 0 <= params[name] <= 60:
            raise InputError(name, params[name], "seconds, 0 to 60")
