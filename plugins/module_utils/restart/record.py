# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a restart that is under way: written before the first service is stopped, removed when all run again.

A run that finds one knows that an earlier run was ended half way (kill -9, power), and starts what that had stopped, if
nobody else has started, stopped or disabled it since (see claim.py). It holds no command line, and of an
environment no value that looks like a secret; it is readable for the account of the run alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from .. import trusted
from ..errors import CoreError
from ..publish import publish_file

NAME = "restart-under-way.json"
STOPPING, STARTING, STARTED = "stopping", "starting", "started"


@dataclass(frozen=True)
class Record:
    """What will have to run again.

    ``running`` are the services that ran before, in start order; ``units`` their units; ``launches`` where and as whom
    script-started ones ran; ``since`` when the restart began (epoch), in the boot ``boot_id``. ``marks`` tell by name
    which run of the service it was: ``invocation`` and ``file_state`` of its unit, or ``pid``. ``phases`` tell what was
    done to it last, and until when (epoch) that may have gone on.
    """

    running: tuple[str, ...]
    since: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)
    launches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    boot_id: str = ""
    marks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    phases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def phase(self, name: str) -> str:
        """Return what was done last to a service; empty: nothing."""
        return str((self.phases.get(name) or {}).get("phase", ""))

    def until(self, name: str) -> float:
        """Return until when (epoch) that may have gone on."""
        return float((self.phases.get(name) or {}).get("until", 0.0))

    def at(self, name: str, phase: str, until: float) -> Record:
        """Return the record with what is done to a service now."""
        return replace(self, phases={**self.phases, name: {"phase": phase, "until": until}})


def read_record(state_dir: str) -> Optional[Record]:
    """Return the record of an interrupted restart, or None where there is none.

    Raise CoreError where there is one that cannot be read or believed: then nobody knows what should run.
    """
    path = Path(state_dir, NAME)
    try:
        raw = json.loads(trusted.read(path))
        known = {name: dict(raw.get(name) or {}) for name in ("units", "launches", "marks", "phases")}
        record = Record(tuple(raw["running"]), float(raw["since"]), boot_id=str(raw.get("boot_id") or ""), **known)
        for name in record.running:
            record.until(name)  # each must have one
        return record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"{path}, the record of an interrupted restart, cannot be read ({error!r}); remove it when all runs"
        raise CoreError(text) from error


def write_record(state_dir: str, record: Record) -> None:
    """Publish the record. Raise CoreError where it cannot be written: without it nothing is stopped."""
    path = Path(state_dir, NAME)
    try:
        trusted.make(state_dir)
        publish_file(path, json.dumps(vars(record), sort_keys=True).encode())
    except OSError as error:
        raise CoreError(f"{path} cannot be written ({error}); without it nothing is stopped") from error


def remove_record(state_dir: str) -> None:
    """Remove the record: all that ran before runs again."""
    Path(state_dir, NAME).unlink(missing_ok=True)
