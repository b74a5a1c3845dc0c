# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kept ruleset: the kernel still answers as it did, and the product says the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .case import FOLDER, names, read, run
from .lab import Lab

CASES = [read(FOLDER / f"{name}.json") for name in names()]
ROWS = [pytest.param(case, id=case.name, marks=[pytest.mark.case(each) for each in case.ids]) for case in CASES]


@pytest.fixture(scope="module")
def labs() -> Iterator[dict[tuple[object, ...], Lab]]:
    """Labs by what they consist of: cases share one."""
    with ExitStack() as stack:
        made: dict[tuple[object, ...], Lab] = {}
        for case in CASES:
            key = (case.lab, case.sockets)
            if key not in made:
                made[key] = stack.enter_context(case.make_lab())
        yield made


@pytest.mark.parametrize("case", ROWS)
def test_the_kernel_answers_as_it_did_and_the_product_says_the_same(labs, case) -> None:
    _outcome, found = run(case, labs[case.lab, case.sockets])
    assert not found, "\n".join([case.about, *(line for load in case.load for line in load), *found])
