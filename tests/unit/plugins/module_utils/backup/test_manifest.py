# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest is exactly what was written, or it is none."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import (
    manifest_document,
    parse_manifest,
    parse_verification,
    seal,
    verification_document,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    Manifest,
    Payload,
    SourceCopy,
    Verification,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

from .examples import NOW

ID = "20261118T110640Z-00c0de"
SOURCE = Source("config", "files", paths=("/etc/cryptobot",))
PAYLOADS = tuple(Payload(f"config/{role}", role, 10, "ab" * 32) for role in ("archive", "index"))
TAKEN = SourceCopy(
    "config", "files", "none", PAYLOADS, 3, 9, 9, {"paths": ["/x"], "declared": SOURCE.declaration, "notes": {}}
)
MANIFEST = Manifest(
    id=ID,
    host="trade-1",
    platform="linux",
    label="daily",
    name="",
    reason="naïve\nreason",
    requested_by="operator",
    created=NOW,
    seconds=1.5,
    pin_until=NOW + 86400,
    tools={"python": "3.9"},
    sources=(TAKEN,),
    skipped={"logs": "gone"},
    anomalies=(),
)


def a_document(**changes) -> dict:
    return {**manifest_document(MANIFEST), **changes}


def test_a_manifest_is_the_same_before_it_is_written_and_after_it_is_read():
    sealed = seal(manifest_document(MANIFEST))
    assert parse_manifest(sealed, "m", ID) == MANIFEST._replace(sha256=json.loads(sealed)["sha256"])


def test_what_was_written_is_read_back():
    manifest = parse_manifest(seal(a_document()), "m", ID)
    assert (manifest.id, manifest.host, manifest.created, manifest.pin_until) == (ID, "trade-1", NOW, NOW + 86400)
    assert manifest.sources[0].payloads == TAKEN.payloads
    assert manifest.sources[0].facts["paths"] == ["/x"]
    assert manifest.skipped == {"logs": "gone"}
    assert manifest.title == "daily"


def test_the_doors_for_later_stand_open():
    document = json.loads(seal(a_document()))
    assert (document["parent"], document["encryption"], document["format"]) == (None, None, 1)


def test_every_single_byte_that_is_changed_is_noticed():
    content = seal(a_document())
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x01
        with pytest.raises(ParseError):
            parse_manifest(bytes(damaged), "m", ID)


def test_every_length_it_may_be_cut_to_is_noticed():
    content = seal(a_document())
    for length in range(len(content)):
        with pytest.raises(ParseError):
            parse_manifest(content[:length], "m", ID)


def test_a_byte_more_is_noticed():
    with pytest.raises(ParseError):
        parse_manifest(seal(a_document()) + b" ", "m", ID)


PAYLOADS = ["../x", "/etc/passwd", "config/../../x", "config/", "config/.hidden", "a/b/c", "a\\b", "plain", ""]


def with_payload(name: str) -> dict:
    payload = {"name": name, "role": "archive", "size": 1, "sha256": ""}
    return {"sources": [{**a_document()["sources"][0], "payloads": [payload]}]}


REFUSED = [
    ({"format": 3}, "another than 1"),
    ({"id": "20261118T110640Z-000000"}, "belongs to another set"),
    ({"created": "yesterday"}, "missing or of another type"),
    ({"sources": None}, "missing or of another type"),
    ({"sources": [{}]}, "missing or of another type"),
    *((with_payload(name), "missing or of another type") for name in PAYLOADS),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_a_sealed_manifest_that_says_something_impossible_is_refused(changes, message):
    with pytest.raises(ParseError, match=message):
        parse_manifest(seal(a_document(**changes)), "m", ID)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"\xff\xfe", b'{"format": 1}'])
def test_something_else_is_no_manifest(content):
    with pytest.raises(ParseError, match="m, line 1"):
        parse_manifest(content, "m", ID)


EVIDENCE = Verification(2, True, NOW, {"manifest_sha256": "ab", "bytes": 1})


def test_evidence_is_read_back():
    manifest = parse_manifest(seal(a_document()), "m", ID)._replace(sha256="ab")
    assert parse_verification(verification_document(ID, EVIDENCE), "v", manifest) == EVIDENCE


def test_nothing_is_at_l4_but_by_a_drill_that_is_named():
    manifest = parse_manifest(seal(a_document()), "m", ID)._replace(sha256="ab")
    claimed = EVIDENCE._replace(level=4)
    for drill in ({}, {"drill": ""}, {"drill": "yes"}, {"drill": None}):
        told = claimed._replace(evidence={**EVIDENCE.evidence, **drill})
        with pytest.raises(ParseError):
            parse_verification(verification_document(ID, told), "v", manifest)
    drilled = claimed._replace(evidence={**EVIDENCE.evidence, "drill": ID})
    assert parse_verification(verification_document(ID, drilled), "v", manifest) == drilled


def test_evidence_has_the_keys_that_other_modules_read():
    document = json.loads(verification_document(ID, EVIDENCE))
    assert {key: document[key] for key in ("set", "level", "ok", "at")} == {
        "set": ID, "level": "L2", "ok": True, "at": NOW,
    }  # fmt: skip


def test_evidence_of_another_manifest_counts_for_nothing():
    manifest = parse_manifest(seal(a_document()), "m", ID)
    assert parse_verification(verification_document(ID, EVIDENCE), "v", manifest) is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"level": "L9", "ok": true, "at": 1, "evidence": {}}'])
def test_evidence_of_another_form_is_an_error(content):
    manifest = parse_manifest(seal(a_document()), "m", ID)
    with pytest.raises(ParseError):
        parse_verification(content, "v", manifest)
