# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Event, Evidence, Part, Whole

EARLY, LATE, OTHER = Event(100.0, "auth"), Event(200.0, "auth"), Event(150.0, "data")
ALL = (EARLY, LATE, OTHER)


@pytest.mark.parametrize(
    ("since", "left_out", "start", "answer"),
    [
        (50.0, (), 100.0, Whole(ALL)),
        (100.0, (), 100.0, Whole(ALL)),  # it begins exactly with the window
        (160.0, (), 100.0, Part(ALL, "the source begins 1 min after the window does")),
        (3_700.0, (), 100.0, Part(ALL, "the source begins 60 min after the window does")),
        (50.0, (), 100.5, Whole((LATE, OTHER))),
        (None, (), 100.0, Part(ALL, "how far back the source goes is not known")),
        (50.0, ("it was cut",), 100.0, Part(ALL, "it was cut")),
        (160.0, ("it was cut", "and refused"), 100.0, Part(ALL, "it was cut; and refused")),
    ],
)
def test_a_window_is_whole_only_where_the_source_covers_it(since, left_out, start, answer):
    assert Evidence(ALL, since, left_out).window(start) == answer


def test_one_subject_has_the_reach_of_its_source():
    assert Evidence(ALL, 50.0).of("data").window(0.0 + 50) == Whole((OTHER,))
    assert Evidence(ALL, 50.0, ["cut"]).of("none").window(60.0) == Part((), "cut")


def test_what_could_not_be_asked_is_never_whole():
    assert Evidence.unavailable("journalctl is not here").window(0.0) == Part((), "journalctl is not here")
