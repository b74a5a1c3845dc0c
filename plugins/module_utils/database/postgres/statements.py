# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of the statements that do the work. Pure."""

from __future__ import annotations

from ..settings import Settings
from .features import has
from .profiles import MEMORY_CEILING, PROFILES, Profile
from .records import Server
from .steps import TableStep

LONGEST_MS = 2**31 - 1  # statement_timeout is a 32-bit number of milliseconds


def quoted(name: str) -> str:
    """Given a name, return it as a quoted SQL identifier."""
    return '"{}"'.format(name.replace('"', '""'))


def statement(step: TableStep, server: Server, settings: Settings) -> str:
    """Given a step, return its VACUUM or ANALYZE for that server's version."""
    table = f"{quoted(step.table.schema)}.{quoted(step.table.name)}"
    if step.rewrite:
        return f"VACUUM (FULL, ANALYZE) {table}"
    verb = "VACUUM" if step.vacuum else "ANALYZE"
    options = vacuum_options(step, server, settings) if step.vacuum else analyze_options(server, settings)
    return f"{verb} ({', '.join(options)}) {table}" if options else f"{verb} {table}"


def profile_of(step: TableStep, settings: Settings) -> Profile:
    """Return the profile that a step runs with: an emergency has its own."""
    return PROFILES["emergency" if step.emergency else settings.profile]


def vacuum_options(step: TableStep, server: Server, settings: Settings) -> list[str]:
    """Return the options of a VACUUM, as far as the server's version knows them."""
    profile, version = profile_of(step, settings), server.version
    wanted = (
        ("FREEZE", step.freeze, None),
        ("ANALYZE", step.analyze, None),
        ("VERBOSE", True, "verbose_report"),
        ("SKIP_LOCKED", True, "skip_locked"),
        ("INDEX_CLEANUP off", step.emergency, "index_cleanup"),
        ("TRUNCATE off", not step.truncate, "truncate"),
        (f"PARALLEL {min(profile.workers, server.max_parallel)}", True, "parallel"),
        (f"BUFFER_USAGE_LIMIT '{profile.buffers}'", True, "buffer_usage_limit"),
        ("SKIP_DATABASE_STATS", True, "skip_database_stats"),
    )
    return [text for text, needed, feature in wanted if needed and (feature is None or has(version, feature))]


def analyze_options(server: Server, settings: Settings) -> list[str]:
    """Return the options of an ANALYZE, as far as the server's version knows them."""
    wanted = (
        ("SKIP_LOCKED", "skip_locked"),
        (f"BUFFER_USAGE_LIMIT '{PROFILES[settings.profile].buffers}'", "buffer_usage_limit"),
    )
    return [text for text, feature in wanted if has(server.version, feature)]


def session_settings(step: TableStep, server: Server, settings: Settings, timeout_s: float) -> str:
    """Return the statements that set a session up for a step, which may take ``timeout_s`` at most."""
    profile = profile_of(step, settings)
    memory = max(server.maintenance_work_mem, profile.memory)
    if not has(server.version, "memory_above_1gb"):
        memory = min(memory, MEMORY_CEILING)
    target = f"SET default_statistics_target = {step.target}" if step.target else "RESET default_statistics_target"
    return "; ".join(
        (
            f"SET vacuum_cost_delay = {profile.cost_delay_ms}",
            f"SET vacuum_cost_limit = {profile.cost_limit}",
            f"SET maintenance_work_mem = '{memory // 1024}kB'",
            f"SET statement_timeout = {min(LONGEST_MS, max(1, int(timeout_s * 1000)))}",
            target,
        )
    )
