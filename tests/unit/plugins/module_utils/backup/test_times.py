# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments as manifests and pins write them."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.times import from_iso, pin_end, to_iso
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .examples import NOW

PINS = [
    ("30d", NOW + 30 * 86400),
    ("12h", NOW + 12 * 3600),
    ("2026-12-31", 1798761599.0),
    ("2026-12-31T18:00:00Z", 1798740000.0),
]
NO_PINS = ["", "soon", "2026-13-01", "2026-12-31 18:00", "31.12.2026", "-3d"]


def test_a_moment_survives_being_written_and_read():
    assert from_iso(to_iso(NOW)) == NOW
    assert to_iso(NOW) == "2026-11-18T11:06:40Z"


@pytest.mark.parametrize(("value", "end"), PINS)
def test_a_pin_ends_at_a_moment_a_day_or_after_a_duration(value, end):
    assert pin_end(value, NOW) == end


@pytest.mark.parametrize("value", NO_PINS)
def test_another_pin_is_an_error_that_names_the_option(value):
    with pytest.raises(InputError, match="pin_until"):
        pin_end(value, NOW)
