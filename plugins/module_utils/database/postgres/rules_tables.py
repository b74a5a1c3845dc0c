# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for the tables of a server, and for what was done about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...finding import CRITICAL, FAILED, OK, UNKNOWN, WARNING
from ...registry import Outcome, Rules
from ...units import human_bytes
from ..rules_common import LOCKED, MAINTENANCE, STATISTICS, WINDOW, judges
from ..steps import done
from .context import ServerContext
from .reasons import Bloat, is_bloated

_VACUUM = "https://www.postgresql.org/docs/current/routine-vacuuming.html"
_PASSES = ("index_passes", "index_scans")  # as the progress view showed them, as the server's report says
NAMED = 5  # so many examples stand in a message; the data hold all

RULES = Rules()


def counted(number: int, message: str, subject: str = "") -> Outcome:
    """Given how many there are of what should not be, return a warning, or ok where there is none."""
    return Outcome(WARNING if number > 0 else OK, message, expected=0, actual=number, subject=subject)


def named(subjects: Iterable[str]) -> str:
    """Given subjects, return their number and the first few names."""
    names = sorted(subject.split(".", 1)[-1] for subject in subjects)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} table{'s' if len(names) != 1 else ''}: {', '.join(names[:NAMED])}{more}"


@RULES.rule(
    "database.dead_rows",
    procedure="W1.3",
    remedy="Run db_vacuum; if the table is back within days, lower its autovacuum_vacuum_scale_factor.",
    source="the rule that awesome-prometheus-alerts uses; " + _VACUUM,
)
def judge_dead_rows(context: ServerContext) -> Iterator[Outcome]:
    """No table holds more dead rows than the larger of 10,000 and 10 % of its live rows."""
    for database in context.snapshot.answered:
        left = {f.subject: f.context.table.dead for f in context.open_tables(database.name, ["dead_rows"])}
        stuck = context.not_removable(database.name)
        message = f"{sum(left.values()):,} dead rows in {named(left)}" if left else "no table needs a vacuum for it"
        message += f"; {sum(stuck.values()):,} cannot be removed yet in {named(stuck)}" if stuck else ""
        yield counted(len(left) + len(stuck), message, context.subject(database.name))


@judges(RULES, STATISTICS)
def judge_statistics(context: ServerContext) -> Iterator[Outcome]:
    """No table is left with stale statistics, or with none."""
    for database in context.snapshot.answered:
        left = context.open_tables(database.name, ["statistics", "never_analyzed"])
        message = f"the planner's statistics of {named(f.subject for f in left)} are stale or missing"
        fresh = "the planner's statistics are fresh"
        yield counted(len(left), message if left else fresh, context.subject(database.name))


@RULES.rule(
    "database.bloat",
    procedure="W1.3",
    remedy="Rewrite it in a maintenance window: pg_repack or pg_squeeze where installed, else rewrite: allow.",
    source="pgstattuple; estimation from pg_stats as github.com/ioguix/pgsql-bloat-estimation describes it",
    title="No table of 100 MB or more is estimated to be over 20 % empty. Withheld where statistics cannot be trusted.",
)
def judge_bloat(context: ServerContext) -> Iterator[Outcome]:
    """No large table is mostly empty; where that cannot be told honestly, it is not told."""
    settled = context.settled()
    rewritten = {o.step.subject for o in context.ended if o.step.action == "rewrite" and o.step.subject in settled}
    for database in context.snapshot.answered:
        subject = context.subject(database.name)
        tables = [(f"{subject}.{one.table.schema}.{one.table.name}", one) for one in context.contexts(database.name)]
        bloated = [(name, one) for name, one in tables if is_bloated(one.bloat, one.limits) and name not in rewritten]
        withheld = [(name, one.bloat) for name, one in tables if one.bloat.withheld]
        for name, one in bloated:
            yield _bloated(context, name, one.bloat)
        if withheld:
            yield _withheld(subject, withheld)
        if not bloated and not withheld:
            fine = f"no table of {human_bytes(context.entry.thresholds.bloat_bytes)} or more is bloated"
            yield Outcome(OK, fine, subject=subject)


def _bloated(context: ServerContext, subject: str, found: Bloat) -> Outcome:
    advice = [r.reason for r in context.plan.refusals if r.action == "rewrite" and r.subject == subject]
    message = f"{found.ratio:.0%} of it is empty ({human_bytes(found.bytes)})" + "".join(f"; {text}" for text in advice)
    limits = context.entry.thresholds
    expected = f"at most {limits.bloat_ratio:.0%} or {human_bytes(limits.bloat_bytes)}"
    return Outcome(WARNING, message, expected=expected, actual=found.ratio, subject=subject)


def _withheld(subject: str, tables: Sequence[tuple[str, Bloat]]) -> Outcome:
    reasons = "; ".join(f"{name.split('.', 1)[-1]}: {found.withheld}" for name, found in tables[:NAMED])
    message = f"estimate withheld for {named(name for name, _found in tables)} ({reasons})"
    remedy = "ANALYZE the tables that are named and let the login read them, or set exact with pgstattuple installed."
    return Outcome(UNKNOWN, message, remedy=remedy, subject=subject)


@judges(RULES, LOCKED)
def judge_locked(context: ServerContext) -> Iterator[Outcome]:
    """Nothing that needs work was locked by somebody else."""
    held = context.not_done("database.locked")
    if not held:
        yield Outcome(OK, "no table that needs work is locked")
    for subject, reason in held:
        yield Outcome(WARNING, reason, subject=subject)


@judges(RULES, WINDOW)
def judge_window(context: ServerContext) -> Iterator[Outcome]:
    """All that needs work fits into the window."""
    late = context.not_done("database.window")
    reasons = "; ".join(f"{name.split('.', 1)[-1]}: {why}" for name, why in late[:NAMED])
    message = f"left for the next run: {named(name for name, _why in late)} ({reasons})"
    fine = f"all that needs work fits into {context.settings.window_s / 60:.0f} min"
    yield counted(len(late), message if late else fine)


@RULES.rule(
    "database.index_passes",
    procedure="W1.3",
    remedy="Raise maintenance_work_mem (more than 1 GB helps from PostgreSQL 17 on) or choose profile fast.",
    source="https://www.postgresql.org/docs/current/progress-reporting.html#VACUUM-PROGRESS-REPORTING",
)
def judge_index_passes(context: ServerContext) -> Iterator[Outcome]:
    """Each vacuum needed at most one pass over the indexes."""
    for end in context.ended:
        passed = [int(end.details[name]) for name in _PASSES if name in end.details]
        repeated = [passes for passes in passed if passes > 1]
        if repeated:
            passes = max(repeated)
            message = f"the vacuum went over its indexes {passes} times: maintenance_work_mem was too small"
            yield Outcome(WARNING, message, expected=1, actual=passes, subject=end.step.subject)


@judges(RULES, MAINTENANCE)
def judge_maintenance(context: ServerContext) -> Iterator[Outcome]:
    """Every step that was taken came out; where none was to be taken there is nothing to say."""
    failed = [o for o in context.ended if o.state == FAILED and o.rule == MAINTENANCE.id]
    if context.ended and not failed:
        yield Outcome(OK, f"{len(done(context.ended))} of {len(context.ended)} steps done")
    for end in failed:
        yield Outcome(CRITICAL, end.reason, subject=end.step.subject)
