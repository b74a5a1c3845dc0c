# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables, and what was done about them -> findings. One function per rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...finding import CRITICAL, FAILED, OK, UNKNOWN, WARNING, Finding
from ...units import human_bytes
from ..checks import CHECKS
from ..steps import done
from .bloat import Bloat
from .look import Look
from .reasons import is_bloated
from .records import Cluster
from .verdicts import NAMED, named, verdict

_PASSES = ("index_passes", "index_scans")  # as the progress view showed them, as the server's report says


def dead_rows(look: Look, cluster: Cluster) -> list[Finding]:
    """No table is left with more dead rows than it may have."""
    found = []
    for view in (view for view in cluster.views if not view.error):
        left = {f.subject: f.case.table.dead for f in look.open_tables(view.database, ["dead_rows"])}
        stuck = look.not_removable(view.database)
        message = f"{sum(left.values()):,} dead rows in {named(left)}" if left else "no table needs a vacuum for it"
        message += f"; {sum(stuck.values()):,} cannot be removed yet in {named(stuck)}" if stuck else ""
        count = len(left) + len(stuck)
        found.append(verdict("database.dead_rows", look.subject(view.database), count > 0, message, count))
    return found


def statistics(look: Look, cluster: Cluster) -> list[Finding]:
    """No table is left with stale statistics, or with none."""
    found = []
    for view in (view for view in cluster.views if not view.error):
        left = look.open_tables(view.database, ["statistics", "never_analyzed"])
        message = f"the planner's statistics of {named(f.subject for f in left)} are stale or missing"
        subject = look.subject(view.database)
        fresh = "the planner's statistics are fresh"
        found.append(verdict("database.statistics", subject, bool(left), message if left else fresh, len(left)))
    return found


def bloat(look: Look, cluster: Cluster) -> list[Finding]:
    """No large table is mostly empty; where that cannot be told honestly, it is not told."""
    found, settled = [], look.settled()
    for view in (view for view in cluster.views if not view.error):
        cases = look.cases(view.database)
        names = {
            case.table.oid: f"{look.subject(view.database)}.{case.table.schema}.{case.table.name}" for case in cases
        }
        rewritten = {o.step.subject for o in look.outcomes if o.step.action == "rewrite" and o.step.subject in settled}
        bloated = [c for c in cases if is_bloated(c.bloat, c.limits) and names[c.table.oid] not in rewritten]
        withheld = [(names[c.table.oid], c.bloat) for c in cases if c.bloat.withheld]
        found += [_bloated(look, names[c.table.oid], c.bloat) for c in bloated]
        found += _withheld(look.subject(view.database), withheld)
        if not bloated and not withheld:
            ok = f"no table of {human_bytes(look.entry.thresholds.bloat_bytes)} or more is bloated"
            found.append(CHECKS["database.bloat"].finding(OK, look.subject(view.database), ok))
    return found


def _bloated(look: Look, subject: str, found: Bloat) -> Finding:
    advice = [r.reason for r in look.plan.refusals if r.action == "rewrite" and r.subject == subject]
    message = f"{found.ratio:.0%} of it is empty ({human_bytes(found.bytes)})" + "".join(f"; {text}" for text in advice)
    limits = look.entry.thresholds
    expected = f"at most {limits.bloat_ratio:.0%} or {human_bytes(limits.bloat_bytes)}"
    return CHECKS["database.bloat"].finding(WARNING, subject, message, expected=expected, actual=found.ratio)


def _withheld(subject: str, tables: Sequence[tuple[str, Bloat]]) -> list[Finding]:
    if not tables:
        return []
    reasons = "; ".join(f"{name.split('.', 1)[-1]}: {found.withheld}" for name, found in tables[:NAMED])
    message = f"estimate withheld for {named(name for name, _found in tables)} ({reasons})"
    remedy = "ANALYZE the tables that are named and let the login read them, or set exact with pgstattuple installed."
    return [CHECKS["database.bloat"].finding(UNKNOWN, subject, message, remedy=remedy)]


def locked(look: Look, cluster: Cluster) -> list[Finding]:
    """Nothing that needs work was locked by somebody else."""
    held = look.not_done("database.locked")
    if not held:
        return [CHECKS["database.locked"].finding(OK, look.entry.name, "no table that needs work is locked")]
    return [CHECKS["database.locked"].finding(WARNING, subject, reason) for subject, reason in held]


def window(look: Look, cluster: Cluster) -> list[Finding]:
    """All that needs work fits into the window."""
    late = look.not_done("database.window")
    minutes = f"{look.settings.window_s / 60:.0f} min"
    reasons = "; ".join(f"{name.split('.', 1)[-1]}: {why}" for name, why in late[:NAMED])
    message = f"left for the next run: {named(name for name, _why in late)} ({reasons})"
    fine = f"all that needs work fits into {minutes}"
    return [verdict("database.window", look.entry.name, bool(late), message if late else fine, len(late))]


def index_passes(look: Look, cluster: Cluster) -> list[Finding]:
    """No vacuum of this run had to go over the indexes more than once for want of memory."""
    found = []
    for outcome in look.outcomes:
        counted = [int(outcome.details[name]) for name in _PASSES if name in outcome.details]
        repeated = [passes for passes in counted if passes > 1]
        if repeated:
            passes = max(repeated)
            message = f"the vacuum went over its indexes {passes} times: maintenance_work_mem was too small"
            check = CHECKS["database.index_passes"]
            found.append(check.finding(WARNING, outcome.step.subject, message, expected=1, actual=passes))
    return found


def maintenance(look: Look, cluster: Cluster) -> list[Finding]:
    """Every step that was taken came out; where none was to be taken there is nothing to say."""
    check = CHECKS["database.maintenance"]
    failed = [o for o in look.outcomes if o.state == FAILED and o.rule == check.id]
    if look.outcomes and not failed:
        return [check.finding(OK, look.entry.name, f"{len(done(look.outcomes))} of {len(look.outcomes)} steps done")]
    return [check.finding(CRITICAL, o.step.subject, o.reason) for o in failed]
