# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record that has a secret in it does not say it where it is printed."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.server import (
    Command,
    Server,
)

from .examples import settings

SECRET = "c0rrect h0rse"
SERVER = Server("db", 5432, "trader", SECRET, "postgres", "/usr/lib", 60.0)
RECORDS = [
    (settings(name="mine")._replace(sign_key=SECRET.encode()), "name='mine'"),
    (Source("main", "postgresql", server={"login_password": SECRET}), "name='main'"),
    (SERVER, "user='trader'"),
    (Command("pg_dump", ("pg_dump", "-Fc"), {"PGPASSWORD": SECRET}), "argv=('pg_dump', '-Fc')"),
]


@pytest.mark.parametrize(("record", "part"), RECORDS, ids=[type(record).__name__ for record, _part in RECORDS])
def test_what_a_record_is_printed_as_has_no_secret_in_it(record, part):
    assert SECRET not in repr(record)
    assert part in repr(record)
