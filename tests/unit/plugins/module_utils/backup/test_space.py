# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much room the next set needs."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Measured
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.space import predict_space, space_message

from .examples import DAY, a_catalog, a_set, settings

CASES = [
    ("no set yet: all that the sources hold", [], Measured({"config": 500}, {}, 0), 500, 1000),
    ("the last set is larger than the rest", [100, 100, 900], Measured({"config": 900}, {}, 0), 900, 1800),
    ("the last set is small: 1.2 times the median", [1000, 1000, 10], Measured({"config": 10}, {}, 0), 1200, 2400),
    ("the sources have grown threefold since", [100], Measured({"config": 300}, {}, 0), 360, 720),
    ("the sources have shrunk since", [100], Measured({"config": 1}, {}, 0), 120, 240),
    ("an unpacked copy comes on top", [100], Measured({"config": 100}, {}, 5000), 120, 5240),
]


@pytest.mark.parametrize(("why", "sizes", "measured", "predicted", "required"), CASES, ids=[case[0] for case in CASES])
def test_prediction(why, sizes, measured, predicted, required):
    sets = [a_set((len(sizes) - number) * DAY, size=size, suffix=number) for number, size in enumerate(sizes)]
    space = predict_space(settings(), a_catalog(*sets), measured)
    assert (space.predicted, space.required) == (predicted, required)


def test_sets_that_do_not_count_or_have_another_label_predict_nothing():
    sets = [a_set(1, size=9000, verified=None), a_set(2, size=9000, label="weekly")]
    assert predict_space(settings(), a_catalog(*sets), Measured({"config": 7}, {}, 0)).predicted == 7


def test_a_server_measures_otherwise_than_its_dump_and_does_not_tell_of_growth():
    before = a_set(DAY, size=100)
    dumped = before.manifest.sources[0]._replace(type="postgresql")
    before = before._replace(manifest=before.manifest._replace(sources=(dumped,)))
    assert predict_space(settings(), a_catalog(before), Measured({"config": 9000}, {}, 0)).predicted == 120


def test_the_factor_is_an_option():
    space = predict_space(settings(space_factor=0.0), a_catalog(free=0), Measured({"config": 7}, {}, 0))
    assert space.enough


def test_the_message_names_the_numbers():
    space = predict_space(settings(), a_catalog(free=1024), Measured({"config": 2048}, {}, 0))
    assert not space.enough
    assert space_message(space).startswith("1.0 KiB free, 4.0 KiB required for a set of about 2.0 KiB")
