# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do, and why not."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    DEAD,
    GROWING,
    UNCLEAR,
    WAITING,
    Leftover,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.plan import (
    SetPlan,
    plan_present,
    plan_pruned,
    refusal,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Measured
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .examples import DAY, NOW, a_catalog, a_set, files, settings

HOURS = 3600.0
SOUND = Measured({"config": 1000}, {}, 0)
FRESH = {"fresh_for": "20h"}


def plan(catalog, measured=SOUND, **given):
    return plan_present(settings(**given), catalog, measured, NOW, "fake")


def steps(made) -> list[tuple[str, str]]:
    return [(step.action, step.subject) for step in made.steps]


TAKES = [("back up", "config"), ("verify", "regular"), ("publish", "regular")]
NEEDED = [
    ("no set is there", [], FRESH, True),
    ("a fresh one is", [a_set(3 * HOURS)], FRESH, False),
    ("it is a second younger than the limit", [a_set(20 * HOURS - 1)], FRESH, False),
    ("it is as old as the limit", [a_set(20 * HOURS)], FRESH, True),
    ("it is too old", [a_set(21 * HOURS)], FRESH, True),
    ("it was begun now", [a_set(0)], FRESH, False),
    ("freshness was not asked for", [a_set(1)], {}, True),
    ("it has another label", [a_set(1, label="weekly")], FRESH, True),
    ("it was never verified", [a_set(1, verified=None)], FRESH, True),
    ("it was not verified as deep", [a_set(1, verified=1)], FRESH, True),
    ("less depth will do", [a_set(1, verified=1)], {**FRESH, "verify_level": "L1"}, False),
    ("it looks emptied", [a_set(1, anomalies=("config has no files at all",))], FRESH, True),
    ("it lacks a source", [a_set(1, sources=("other",))], FRESH, True),
    ("it is dated a second ahead", [a_set(-1)], FRESH, True),
    ("it is dated in the future", [a_set(-HOURS)], FRESH, True),
    ("a set of that name is there", [a_set(1, name="pre")], {"name": "pre"}, True),
    ("a fresh set of that name is there", [a_set(1, name="pre")], {**FRESH, "name": "pre"}, False),
    ("a set of that name is too old", [a_set(21 * HOURS, name="pre")], {**FRESH, "name": "pre"}, True),
    ("a set of another name is there", [a_set(1, name="pre")], {**FRESH, "name": "post"}, True),
    ("a fresh one does not stand for a named one", [a_set(1)], {**FRESH, "name": "pre"}, True),
]


@pytest.mark.parametrize(("why", "sets", "given", "takes"), NEEDED, ids=[case[0] for case in NEEDED])
def test_whether_a_set_is_taken(why, sets, given, takes):
    made = plan(a_catalog(*sets), **given)
    assert bool(made.sources) is takes
    assert bool(made.not_needed) is not takes
    assert (made.there is None) is takes


def test_a_fresh_set_is_told_with_its_age_and_the_limit():
    young = a_set(3 * HOURS)
    assert plan(a_catalog(a_set(9 * HOURS), young), **FRESH).not_needed == (
        f"set {young.id} (regular) is 3.0 h old, verified, and younger than 20.0 h (fresh_for), so it stands for a new "
        "one"
    )


SKIPPING = a_set(1)._replace(manifest=a_set(1).manifest._replace(skipped={"logs": "/b does not exist"}))
LOGS = files("logs", "/b", optional=True)
STANDS = [
    ("it left an optional source out, as it may", SKIPPING, LOGS, True),
    ("it left out what is no longer optional", SKIPPING, {**LOGS, "optional": False}, False),
    ("it is of before the optional source was declared", a_set(1), LOGS, False),
]


@pytest.mark.parametrize(("why", "found", "logs", "stands"), STANDS, ids=[case[0] for case in STANDS])
def test_a_set_stands_for_a_new_one_where_it_holds_all_or_left_out_what_it_may(why, found, logs, stands):
    made = plan(a_catalog(found), sources=[files("config", "/etc/cryptobot"), logs], **FRESH)
    assert (made.there is not None) is stands


def test_the_steps_of_a_first_run():
    assert steps(plan(a_catalog())) == TAKES


def test_what_was_left_is_swept_first_where_its_owner_is_dead_for_sure():
    leftovers = tuple(Leftover(f"{state}.partial", "partial", state) for state in (DEAD, GROWING, WAITING, UNCLEAR))
    assert steps(plan(a_catalog(leftovers=leftovers))) == [("sweep", "dead.partial"), *TAKES]


def test_the_set_of_this_run_counts_when_it_is_decided_what_goes():
    sets = [a_set(age * DAY, suffix=age) for age in (1, 2)]
    retention = {"daily": 1, "min_keep": 2}
    assert steps(plan(a_catalog(*sets), retention=retention)) == [*TAKES, ("prune", sets[1].id)]
    assert plan_pruned(settings(retention=retention), a_catalog(*sets), NOW, "fake").steps == ()


def test_sets_of_another_host_are_not_pruned():
    sets = [a_set(age * DAY, host="other", suffix=age) for age in range(1, 9)]
    assert steps(plan(a_catalog(*sets), retention={"daily": 1, "min_keep": 1})) == TAKES


def test_an_optional_source_that_is_not_there_is_left_out():
    measured = Measured({"config": 1}, {"logs": "gone"}, 0)
    sources = [files("config", "/a"), files("logs", "/b", optional=True)]
    made = plan(a_catalog(), measured, sources=sources)
    assert steps(made) == TAKES
    assert made.left_out == {"logs": "gone"}
    assert refusal(made) == ""


def test_a_source_that_is_not_there_ends_the_run():
    made = plan(a_catalog(), Measured({}, {"config": "/etc/cryptobot does not exist"}, 0))
    assert "config cannot be taken: /etc/cryptobot does not exist" in refusal(made)


def test_too_little_room_ends_the_run():
    assert "not enough room" in refusal(plan(a_catalog(free=1999)))
    assert refusal(plan(a_catalog(free=2000))) == ""


def test_no_room_is_needed_where_no_set_is():
    assert refusal(plan(a_catalog(a_set(1), free=0), **FRESH)) == ""


@pytest.mark.parametrize("pin", ["2020-01-01", "2026-11-18T11:06:40Z", "0d"])
def test_a_pin_that_is_over_is_an_error_before_anything_is_done(pin):
    with pytest.raises(InputError, match="still to come"):
        plan(a_catalog(), pin_until=pin)


def test_a_pin_that_is_over_does_not_trouble_a_set_that_is_there():
    assert plan(a_catalog(a_set(1, name="pre")), name="pre", pin_until="2020-01-01", fresh_for="1h").steps == ()


def test_what_is_decided_against_from_the_start_says_why():
    given = settings(sources=[files("config", "/a"), files("logs", "/b", optional=True)])
    unneeded, without = SetPlan(a_catalog(), not_needed="one is fresh"), SetPlan(a_catalog(), left_out={"logs": "gone"})
    names = [source.name for source in given.sources]
    said = [(one.action, one.subject, one.state, one.reason) for one in unneeded.decided_against(given)]
    assert said == [("back up", name, "skipped", "one is fresh") for name in names]
    [one] = without.decided_against(given)
    assert (one.subject, one.state, one.reason) == ("logs", "skipped", "gone")
