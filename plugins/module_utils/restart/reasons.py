# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a service should be restarted: pure rules over what is seen and remembered of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..services.history import measure_growth
from ..services.model import Observation, Snapshot
from ..services.reasons import pending_reasons
from ..units import human_bytes, human_seconds
from .declared import Options


def reasons_of(
    observed: Observation, snapshot: Snapshot, memory: Mapping[str, Any], options: Options
) -> tuple[str, ...]:
    """Given a running service, what service_check remembers of it and the options, return the reasons, if any."""
    if options.when == "always":
        return ("a restart was asked for whatever the reason",)
    found = pending_reasons(observed)
    age = snapshot.age(observed)
    if options.max_uptime and age is not None and age > options.max_uptime:
        found.append(f"it runs for {human_seconds(age)}, longer than {human_seconds(options.max_uptime)}")
    found += _memory_reasons(observed, snapshot, memory, options)
    return tuple(found)


def _memory_reasons(
    observed: Observation, snapshot: Snapshot, memory: Mapping[str, Any], options: Options
) -> list[str]:
    most, growth = observed.service.memory_max, measure_growth(memory, observed, snapshot)
    if most and observed.rss > most:
        return [f"it uses {human_bytes(observed.rss)} of memory, more than its maximum of {human_bytes(most)}"]
    if options.memory_growth and growth is not None and growth.total > options.memory_growth:
        return [f"its memory has grown by {human_bytes(growth.total)} in {human_seconds(growth.span)}"]
    return []
