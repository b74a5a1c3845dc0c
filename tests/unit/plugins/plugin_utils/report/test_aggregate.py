# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What findings amount to: their counts, whether they fail a host, and the one line that says why."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.aggregate import fails, tally, verdict

from .samples import finding

WELL, ILL = finding("a.b", "ok", "x", "is well"), finding("a.b", "critical", "x", "is down")
ASIDE = finding("a.b", "skipped", "y", "does not apply")
# The 9 characters "a.b [x]: " and these make 159; a verdict shows 160.
WORDS = "word " * 30
CUT = "critical: a.b [x]: " + "word " * 30 + "..."


def test_each_status_is_counted_also_one_that_nothing_has() -> None:
    counts = {"critical": 1, "unknown": 0, "warning": 0, "ok": 2, "skipped": 0}
    assert tally([WELL, ILL, WELL]) == {"status": "critical", "counts": counts}
    assert list(tally([])["counts"].items()) == [(status, 0) for status in counts]  # the worst first


NOTHING = "nothing was found that is not ok"
# (findings, the verdict)
VERDICTS = [
    ([], NOTHING),
    ([WELL, ASIDE], NOTHING),
    ([ILL, WELL, ASIDE], "critical: a.b [x]: is down"),
    ([ILL, finding("c.d", "warning"), WELL], "critical: a.b [x]: is down (and 1 more, see the report)"),
    ([finding("c.d", "unknown"), ILL, ILL], "unknown: c.d [thing]: said (and 2 more, see the report)"),
    ([{**ILL, "message": "is\n  down"}], "critical: a.b [x]: is down"),
    ([{**ILL, "message": f"{WORDS}e"}], f"critical: a.b [x]: {WORDS}e"),
    ([{**ILL, "message": f"{WORDS}ee"}], CUT),
    ([{**ILL, "message": f"{WORDS}longer than that"}], CUT),
]


@pytest.mark.parametrize(("findings", "told"), VERDICTS)
def test_a_verdict_tells_the_first_bad_finding_up_to_a_word_and_counts_the_others(findings: list, told: str) -> None:
    assert verdict(findings, "never") == {"failed": False, "verdict": told}


NO_LOOK = finding("run.reached", "unknown")
# (findings, fail_on, whether they fail the host)
ENDS = [
    ([WELL, ILL], "critical", True),
    ([WELL, ILL], "never", False),
    ([WELL, NO_LOOK], "critical", True),
    ([WELL, NO_LOOK], "never", False),
    ([WELL, finding("a.b", "unknown")], "critical", False),
    ([WELL, finding("run.reached", "ok"), finding("checkup.ran", "skipped")], "warning", False),
    ([], "warning", False),
]


@pytest.mark.parametrize(("findings", "fail_on", "failed"), ENDS)
def test_one_finding_fails_a_host_by_its_status_or_because_nobody_looked(
    findings: list, fail_on: str, failed: bool
) -> None:
    assert fails(findings, fail_on) is failed
    assert verdict(findings, fail_on)["failed"] is failed
