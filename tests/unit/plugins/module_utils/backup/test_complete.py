# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest is complete in itself, what is not in it is named, and with a key nobody else can write one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import parse_manifest, seal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Payload
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError

from .examples import act, found, status
from .test_manifest import ID, a_document
from .test_run import At, names, sources

__all__ = ["sources"]  # a fixture


def only_set(folder: Path) -> Path:
    return next((folder / "backups").glob("*Z-*"))


def resealed(folder: Path, change: Callable[[dict], None]) -> None:
    """Change a set's manifest as one who knows how it is sealed; its evidence speaks of the new one."""
    path, evidence = only_set(folder) / "manifest.json", only_set(folder) / "verified.json"
    document = json.loads(path.read_bytes())
    before = document["sha256"]
    change(document)
    path.write_bytes(seal(document))
    evidence.write_text(evidence.read_text().replace(before, json.loads(path.read_bytes())["sha256"]))


def no_sources(document: dict) -> None:
    document["sources"] = []


def no_payloads(document: dict) -> None:
    document["sources"][1]["payloads"] = []


def no_index(document: dict) -> None:
    document["sources"][0]["payloads"] = document["sources"][0]["payloads"][:1]


def no_attributes(document: dict) -> None:
    document["sources"][0]["payloads"] = document["sources"][0]["payloads"][:2]


def twice(document: dict) -> None:
    document["sources"].append(document["sources"][0])


def another_s_payload(document: dict) -> None:
    document["sources"][1]["payloads"] = document["sources"][0]["payloads"][:1]


INCOMPLETE = [no_sources, no_payloads, no_index, no_attributes, twice, another_s_payload]


@pytest.mark.case("BK17")
@pytest.mark.parametrize("change", INCOMPLETE, ids=[one.__name__ for one in INCOMPLETE])
def test_a_resealed_manifest_that_lacks_something_is_none(tmp_path, sources, change):
    act(tmp_path, sources=sources)
    resealed(tmp_path, change)
    result = act(tmp_path, state="verified", sources=sources, set="all")
    assert status(result, "backup.manifest") == "critical"
    assert status(result, "backup.present") == "critical"


POSTGRESQL = [
    ("whole", {"databases": {"app": {"payload": "config/app.dump"}}}, ["dump", "globals"], True),
    ("without its dump", {"databases": {"app": {"payload": "config/app.dump"}}}, ["globals"], False),
    ("without databases", {"databases": {}}, ["globals"], False),
    ("without anything", {"databases": {}}, [], False),
]


@pytest.mark.case("BK17")
@pytest.mark.parametrize(("why", "facts", "roles", "holds"), POSTGRESQL, ids=[case[0] for case in POSTGRESQL])
def test_a_manifest_of_a_server_lists_a_dump_of_each_of_its_databases(why, facts, roles, holds):
    payloads = {"dump": "config/app.dump", "globals": "config/globals.sql"}
    listed = [Payload(payloads[role], role, 1, "ab" * 32)._asdict() for role in roles]
    document = a_document()
    document["sources"] = [{**document["sources"][0], "type": "postgresql", "payloads": listed, **facts}]
    if holds:
        assert parse_manifest(seal(document), "m", ID).sources[0].type == "postgresql"
    else:
        with pytest.raises(ParseError, match="complete"):
            parse_manifest(seal(document), "m", ID)


@pytest.mark.case("BK17")
@pytest.mark.parametrize("where", ["extra", "config/extra", "main/sub", "verified.json.old"])
def test_what_is_in_a_set_and_not_in_its_manifest_is_named(tmp_path, sources, where):
    act(tmp_path, sources=sources)
    (only_set(tmp_path) / where).write_text("x")
    for state in ("listed", "verified", "present"):
        result = act(tmp_path, state=state, sources=sources, fresh_for="20h")
        said = [one for one in found(result, "backup.strangers") if one.status == "warning"]
        assert [one.subject for one in said] == [only_set(tmp_path).name], state
        assert where in said[0].message
    (only_set(tmp_path) / where).unlink()
    assert status(act(tmp_path, state="listed"), "backup.strangers") == "ok"


@pytest.mark.case("BK17")
def test_a_source_s_folder_that_leads_out_of_the_set_is_refused(tmp_path, sources):
    act(tmp_path, sources=sources)
    shutil.move(only_set(tmp_path) / "config", tmp_path / "elsewhere")
    (only_set(tmp_path) / "config").symlink_to(tmp_path / "elsewhere")
    result = act(tmp_path, state="verified", sources=sources)
    assert status(result, "backup.payload") == "critical"
    assert "is no folder but a link" in found(result, "backup.payload")[0].message
    assert status(result, "backup.present") == "critical"


@pytest.fixture
def key(tmp_path) -> str:
    path = tmp_path / "backup.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    return str(path)


@pytest.mark.case("BK17")
def test_with_a_key_only_what_was_signed_with_it_counts(tmp_path, sources, key):
    act(tmp_path, sources=sources, sign_key_file=key)
    good = act(tmp_path, state="verified", sources=sources, sign_key_file=key)
    assert (status(good, "backup.signature"), status(good, "backup.present")) == ("ok", "ok")
    assert act(tmp_path, sources=sources, sign_key_file=key, fresh_for="20h").changed is False
    assert status(act(tmp_path, state="verified", sources=sources), "backup.signature") == "skipped"
    resealed(tmp_path, lambda document: document.update(reason="another"))
    forged = act(tmp_path, state="verified", sources=sources, sign_key_file=key)
    assert (status(forged, "backup.signature"), status(forged, "backup.present")) == ("critical", "critical")
    (only_set(tmp_path) / "manifest.hmac").unlink()
    unsigned = act(tmp_path, state="verified", sources=sources, sign_key_file=key)
    assert (status(unsigned, "backup.signature"), status(unsigned, "backup.present")) == ("unknown", "critical")
    assert act(tmp_path, sources=sources, sign_key_file=key, fresh_for="20h").changed is True


@pytest.mark.case("BK17")
def test_another_key_is_no_key(tmp_path, sources, key):
    act(tmp_path, sources=sources, sign_key_file=key)
    Path(key).write_bytes(b"K" * 32)
    result = act(tmp_path, state="listed", sign_key_file=key)
    assert status(result, "backup.signature") == "critical"


BAD_KEYS = [
    ("not there", lambda path: path.unlink(), "does not exist"),
    ("open to others", lambda path: path.chmod(0o640), "0600"),
    ("another account's", lambda path: os.chown(path, 65534, 65534), "owned by"),
    ("too short", lambda path: path.write_bytes(b"k" * 31), "32 bytes"),
    ("a link", lambda path: (path.rename(f"{path}.real"), path.symlink_to(f"{path}.real")), "link"),
    ("a folder", lambda path: (path.unlink(), path.mkdir(mode=0o600)), "regular file"),
]


@pytest.mark.case("BK17")
@pytest.mark.parametrize(("why", "spoil", "reason"), BAD_KEYS, ids=[case[0] for case in BAD_KEYS])
def test_a_key_that_others_could_know_is_refused_before_anything_is_done(tmp_path, sources, key, why, spoil, reason):
    spoil(Path(key))
    with pytest.raises(CoreError, match=reason):
        act(tmp_path, sources=sources, sign_key_file=key)
    assert names(tmp_path) == set()


@pytest.mark.case("BK17")
def test_the_key_is_in_no_result_and_no_set(tmp_path, sources, key):
    secret = Path(key).read_bytes()
    result = act(tmp_path, sources=sources, sign_key_file=key, host=At(1_800_000_000.0))
    assert secret.decode() not in json.dumps(result.as_dict(), default=str)
    assert all(secret not in path.read_bytes() for path in only_set(tmp_path).rglob("*") if path.is_file())


@pytest.mark.case("BK21")
def test_archives_of_the_application_s_own_scripts_are_named_for_what_they_are(tmp_path, sources):
    (tmp_path / "backups" / "backup_20261118_110640").mkdir(parents=True)
    for name in ("cryptobot_backup_20261118.tar.gz", "before-upgrade.zip"):
        (tmp_path / "backups" / name).write_bytes(b"x" * 1000)
    (tmp_path / "backups" / "notes.txt").write_text("x")
    result = act(tmp_path, state="verified", sources=sources)
    said = found(result, "backup.foreign")[0]
    assert said.status == "warning"
    for name in ("backup_20261118_110640", "cryptobot_backup_20261118.tar.gz", "before-upgrade.zip"):
        assert name in said.message
    assert "notes.txt" not in said.message
    assert "3 archives of the application's own scripts" in found(result, "backup.present")[0].message
    assert status(act(tmp_path, sources=sources), "backup.present") == "ok"
    assert (tmp_path / "backups" / "before-upgrade.zip").exists()
