# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pgBackRest is told to restore, and what a copy is told on its command line, which outranks all that it brings.

It listens to no network, has a socket that only its account reaches, archives nothing, preloads nothing (no scheduled
jobs run in it), streams from nobody and runs no script of the live cluster.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Optional

from ..pitr.declared import PGBACKREST
from .declared import Wanted
from .plan import Choice

CONFIG, HBA, FETCH = "postgresql.conf", "pg_hba.conf", "get"  # files beside the socket


def restore_words(request: Wanted, choice: Choice, tablespaces: str) -> Iterator[str]:
    """Yield the options of ``pgbackrest restore`` for a request."""
    yield from (f"--repo={choice.repository}", f"--pg1-path={request.data}", f"--set={choice.backup.label}")
    yield from ("--archive-mode=off", f"--tablespace-map-all={tablespaces}")
    if request.target == "latest":
        yield from ("--type=default", f"--target-timeline={choice.window.timeline}")
        return
    yield from (f"--type={request.target}", "--target-action=pause")
    if request.target != "immediate":
        yield from (f"--target={request.value}", f"--target-timeline={choice.window.timeline}")
    if request.exclusive and request.target in ("time", "xid"):
        yield "--target-exclusive"


def settings(
    request: Wanted, choice: Optional[Choice], port: int, major: int, control: Mapping[str, str]
) -> dict[str, str]:
    """Return what a copy is told, given what its control file says it must have; with a choice it is to recover."""
    fixed = {
        "config_file": f"{request.run}/{CONFIG}",
        "hba_file": f"{request.run}/{HBA}",
        "data_directory": request.data,
        "external_pid_file": "",
        "port": str(port),
        "listen_addresses": "",
        "unix_socket_directories": request.run,
        "ssl": "off",
        "archive_mode": "off",
        "archive_command": "",
        "shared_preload_libraries": "",
        "session_preload_libraries": "",
        "local_preload_libraries": "",
        "primary_conninfo": "",
        "primary_slot_name": "",
        "recovery_min_apply_delay": "0",
        "archive_cleanup_command": "",
        "recovery_end_command": "",
        "promote_trigger_file": "",
        "hot_standby": "on",
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "shared_buffers": "128MB",
        "max_logical_replication_workers": "0",
        "cluster_name": "pitr",
    }
    if major >= 16:
        del fixed["promote_trigger_file"]
    if major >= 15:
        fixed["archive_library"] = ""
    plain = choice is not None and request.cluster.engine != PGBACKREST
    return {**fixed, **control, **(recovery(request, choice) if plain and choice else {})}


def recovery(request: Wanted, choice: Choice) -> dict[str, str]:
    """Return what tells a copy without pgBackRest to recover, and where to stop."""
    found = {"restore_command": f'{shlex.quote(f"{request.run}/{FETCH}")} %f "%p"', "recovery_target_action": "pause"}
    found["recovery_target_timeline"] = str(choice.window.timeline)
    if request.target == "immediate":
        found["recovery_target"] = "immediate"
    elif request.target != "latest":
        found[f"recovery_target_{request.target}"] = request.value
        found["recovery_target_inclusive"] = "off" if request.exclusive else "on"
    return found
