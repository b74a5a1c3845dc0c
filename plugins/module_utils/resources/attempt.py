# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every gatherer does with a look that may fail: a measurement, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, Union

from ..errors import CoreError
from .records import Absent, Blind

T = TypeVar("T")
LEFT_OUT = Absent("left out by the option skip")
OF_CPU = frozenset({"cpu", "iowait", "steal"})  # the checks that share one sample of processor time


def attempt(look: Callable[[], Union[T, Blind, Absent]]) -> Union[T, Blind, Absent]:
    """Return what ``look`` returns; an error of the core is a measurement that could not be taken."""
    try:
        return look()
    except CoreError as error:
        return Blind(str(error))
