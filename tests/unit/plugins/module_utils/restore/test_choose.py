# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which set is restored, and what of it; each refusal says the thing, the value and the way on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import NOW, filled

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    FORGED,
    SIGNED,
    UNSIGNED,
    BackupSet,
    Broken,
    Catalog,
    Lack,
    Manifest,
    Payload,
    SourceCopy,
    Verification,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.choose import (
    RestoreRefused,
    choose,
    is_within,
    outside,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.declared import Request, read_request
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Fault

CONFIG = {"name": "config", "type": "files", "paths": ["/opt/app/config"], "exclude": ["logs"]}
SQLITE = {"name": "database", "type": "sqlite", "path": "/opt/app/app.db"}
SERVER = {"name": "pg", "type": "postgresql", "database": "main"}


def request(**options: Any) -> Request:
    given = {"dir": "/backups", "sources": [CONFIG, SQLITE, SERVER], **options}
    return read_request(filled(SPEC, given))


def entry(name: str, kind: str, **facts: Any) -> SourceCopy:
    return SourceCopy(name, kind, "none", (Payload(f"{name}/x", "x", 1, ""),), 1, 10, 10, facts)


def entries(asked: Request) -> tuple[SourceCopy, ...]:
    return tuple(entry(one.name, one.type, declared=one.declaration) for one in asked.backup.sources)


def found(number: int, *, label: str = "daily", name: str = "", host: str = "here", **more: Any) -> BackupSet:
    day = f"2026110{number}T000000Z-abcdef"
    created = NOW - 86400.0 * (10 - number)
    own = more.pop("sources", entries(request()))
    manifest = Manifest(day, host, label, name, "", "", created, 1.0, None, own, {}, ())
    return BackupSet(manifest, Path("/backups", day), Verification(2, ok=True, at=created), **more)


def catalog(*sets: BackupSet, **more: Any) -> Catalog:
    return Catalog(Path("/backups"), exists=True, sets=sets, now=NOW, **more)


SETS = catalog(
    found(1, name="pre_change"),
    found(2, label="weekly"),
    found(3),
    found(4, label="safety"),
    found(5)._replace(verification=None),
    broken=(Broken("20261106T000000Z-abcdef", "it is no JSON"),),
)
CHOSEN = [
    ({}, "20261103"),
    ({"label": "weekly"}, "20261102"),
    ({"label": "safety"}, "20261104"),
    ({"set": "pre_change"}, "20261101"),
    ({"set": "20261105T000000Z-abcdef"}, "20261105"),
    ({"time": "2026-11-10T12:00:00Z"}, "20261102"),
]


@pytest.mark.parametrize(("options", "day"), CHOSEN)
def test_a_set_is_chosen_by_id_name_label_or_time(options: dict[str, Any], day: str) -> None:
    assert choose(request(**options), SETS, "here").id.startswith(day)


REFUSED = [
    ({"label": "monthly"}, "a good set in /backups with the label monthly; it has 20261101T000000Z-abcdef (daily)"),
    ({"time": "2020-01-01T00:00:00Z"}, "begun before 2020-01-01T00:00:00Z"),
    ({"set": "nosuch"}, "set is 'nosuch', expected the name of a set in /backups"),
    ({"set": "20261109T000000Z-abcdef"}, "expected the id of a set in /backups"),
    ({"set": "20261106T000000Z-abcdef"}, "its manifest does not hold (it is no JSON)"),
    ({"only": ["databse"]}, "sources of the set 20261103T000000Z-abcdef: config, database, pg"),
    ({"only": ["config"], "databases": ["main"]}, "nothing of set 20261103T000000Z-abcdef is restored"),
    ({"from_host": "elsewhere"}, "the host here made it and this is here; it is not elsewhere's"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_is_not_there_is_named_with_what_is(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CoreError, match=re.escape(words)):
        choose(request(**options), SETS, "here")


WRONG = [
    ({"host": "elsewhere"}, "give from_host: elsewhere where it is meant"),
    ({"signature": FORGED}, "its signature is not that of the key"),
    ({"signature": UNSIGNED}, "its signature is missing"),
    ({"others": "uid 7 owns it"}, "another account could have made or changed it: uid 7 owns it"),
    ({"lacks": (Lack("config", "config/x", "is not there"),)}, "it is not whole: config/x is not there"),
]


@pytest.mark.parametrize(("more", "words"), WRONG)
def test_a_set_that_is_not_ours_or_not_whole_is_refused(more: dict[str, Any], words: str) -> None:
    one = found(3, **more)
    with pytest.raises(RestoreRefused, match=re.escape(words)):
        choose(request(set=one.id), catalog(one), "here")


def test_a_signed_set_of_a_named_host_is_taken_and_none_of_a_folder_that_others_can_change() -> None:
    one = found(3, host="elsewhere", signature=SIGNED)
    assert choose(request(set=one.id, from_host="elsewhere"), catalog(one), "here").id == one.id
    with pytest.raises(RestoreRefused, match="others may write"):
        choose(request(set=one.id), catalog(one, faults=(Fault("/backups", "others may write to it"),)), "here")


def test_the_newest_is_that_of_the_host_that_is_meant_where_several_share_a_folder() -> None:
    shared = catalog(found(1), found(2, host="elsewhere"), found(3), found(4, host="elsewhere"))
    assert choose(request(), shared, "here").found.created == found(3).created
    assert choose(request(from_host="elsewhere"), shared, "here").found.created == found(4).created
    with pytest.raises(RestoreRefused, match="give from_host: elsewhere"):
        choose(request(), shared, "third")


def test_another_declaration_is_refused_unless_told_or_beside() -> None:
    other = {**SERVER, "database": "other"}
    asked = request(sources=[CONFIG, SQLITE, other])
    with pytest.raises(RestoreRefused, match=r"made of postgresql main .*, declared is postgresql other"):
        choose(asked, catalog(found(3)), "here")
    assert len(choose(asked._replace(accept_other=True), catalog(found(3)), "here").entries) == 3
    assert len(choose(asked._replace(into=Path("/x")), catalog(found(3)), "here").entries) == 3
    assert len(choose(asked._replace(only=("config",)), catalog(found(3)), "here").entries) == 1
    with pytest.raises(RestoreRefused, match="of the type sqlite, declared is files"):
        choose(request(sources=[{**CONFIG, "name": "database"}], only=["database"]), catalog(found(3)), "here")
    with pytest.raises(RestoreRefused, match="no source of the name database is declared now"):
        choose(request(sources=[CONFIG], only=["database"]), catalog(found(3)), "here")


def test_what_is_asked_for_in_part_leaves_the_rest_with_its_reason() -> None:
    chosen = choose(request(files=["/opt/app/config/*"]), catalog(found(3)), "here")
    assert [one.name for one in chosen.entries] == ["config"]
    assert chosen.left == {"database": "files were asked for", "pg": "files were asked for"}


WITHIN = [
    ("/opt/app", ["/opt/app"], True),
    ("/opt/app/x", ["/opt/app/"], True),
    ("/opt/apple", ["/opt/app"], False),
    ("/opt", ["/opt/app"], False),
]


@pytest.mark.parametrize(("path", "declared", "inside"), WITHIN)
def test_a_path_is_within_a_declared_one_by_whole_names(path: str, declared: list[str], inside: bool) -> None:
    assert is_within(path, declared) is inside
    assert outside([path], declared) == (None if inside else path)


def test_sources_are_needed_unless_into_is_given() -> None:
    with pytest.raises(InputError, match="at least one source"):
        request(sources=[])
    assert request(sources=[], into="/root/look").into == Path("/root/look")
