# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a restart that is under way: written before the first service is stopped, removed when all run again.

A run that finds one knows that an earlier run was ended half way (kill -9, power), and starts what should run. It holds
no environment and no command line, because those may hold secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from ..errors import CoreError
from ..host import Host
from ..publish import publish_file

NAME = "restart-under-way.json"


@dataclass(frozen=True)
class Record:
    """What will have to run again.

    ``running`` are the services that ran before, in start order; ``units`` their units; ``launches`` where and as whom
    script-started ones ran; ``since`` when the restart began (epoch).
    """

    running: tuple[str, ...]
    since: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)
    launches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_record(state_dir: str) -> Optional[Record]:
    """Return the record of an interrupted restart, or None where there is none.

    Raise CoreError where there is one that cannot be read: then nobody knows what should run.
    """
    path = Path(state_dir, NAME)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Record(tuple(raw["running"]), float(raw["since"]), dict(raw["units"]), dict(raw["launches"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{path}, the record of an interrupted restart, cannot be read ({error!r}); remove it when all runs"
        raise CoreError(text) from error


def write_record(state_dir: str, record: Record, host: Host) -> None:
    """Publish the record. Raise CoreError where it cannot be written: without it nothing is stopped."""
    path = Path(state_dir, NAME)
    content = {**vars(record), "boot_id": host.boot_id()}
    try:
        publish_file(path, json.dumps(content, sort_keys=True).encode())
    except OSError as error:
        raise CoreError(f"{path} cannot be written ({error}); without it nothing is stopped") from error


def remove_record(state_dir: str) -> None:
    """Remove the record: all that ran before runs again."""
    Path(state_dir, NAME).unlink(missing_ok=True)
