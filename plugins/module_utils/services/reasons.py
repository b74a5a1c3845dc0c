# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a running service waits for a restart. Pure; a file of its own, since a rule says it and a restart acts on it."""

from __future__ import annotations

from .model import Observation


def pending_reasons(observed: Observation) -> list[str]:
    """Given a service, return why it does not run what is on the disk; service_restart acts on the same reasons."""
    replaced = sorted({path for detail in observed.details.values() for path in detail.replaced})
    reasons = [f"it runs from {path}, which was replaced on the disk" for path in replaced]
    reasons += [f"{path} has changed since it was started" for path in observed.changed_files]
    if observed.unit is not None and observed.unit.need_reload and not observed.changed_files:
        reasons.append(f"the files of {observed.unit.id} have changed since systemd read them")
    return reasons
