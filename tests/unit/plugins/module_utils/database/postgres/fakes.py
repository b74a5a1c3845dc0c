# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session whose answers are written down: what is asked is kept, what is not expected is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import State
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import DatabaseError, Rows

Answer = Union[Rows, list[str], Exception]


def state(**more: int) -> Rows:
    """A table's state as the state query answers it: 20,000 dead rows, never worked on."""
    before = State(vacuums=0, analyzes=0, live=100_000, dead=20_000, bytes=12_000_000, xid_age=1000)
    return Rows(State._fields, (tuple(before._replace(**more)),))


NO_STATE = Rows(State._fields, ())


def refused(code: str, text: str = "no") -> DatabaseError:
    return DatabaseError("database 'db'", code, text)


class FakeSession:
    """``answers`` maps a word of the statement to what it gives, or to a list of answers given one after the other.

    The first word that occurs in the statement decides.
    """

    def __init__(self, answers: Mapping[str, Any], pid: int = 100) -> None:
        self.answers, self.number = dict(answers), pid
        self.asked: list[str] = []
        self.closed = False

    def _answer(self, sql: str) -> Any:
        self.asked.append(" ".join(sql.split()))
        word = next((word for word in self.answers if word in sql), None)
        if word is None:
            raise KeyError(f"nobody told this session what to answer to: {sql}")
        answer = self.answers[word]
        if isinstance(answer, tuple) and not isinstance(answer, Rows):
            self.answers[word] = answer[1:] if len(answer) > 1 else answer
            answer = answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def rows(self, sql: str, values: Optional[Mapping[str, Any]] = None) -> Rows:
        answer = self._answer(sql)
        assert isinstance(answer, Rows), answer
        return answer

    def execute(self, sql: str) -> list[str]:
        answer = self._answer(sql)
        assert isinstance(answer, list), answer
        return answer

    def pid(self) -> int:
        return self.number

    def close(self) -> None:
        self.closed = True
