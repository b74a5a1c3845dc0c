# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of manifest.json and verified.json to records, and back; nothing is trusted that does not hold.

It is the same whatever store a set lies in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Optional

from ..errors import ParseError
from .declared import LEVELS
from .model import DRILL, L4, Manifest, Payload, SourceCopy, Verification
from .names import is_device, is_set_id
from .times import from_iso, to_iso

FORMAT, INCREMENTAL = 1, 2  # a release that knows no chains must not take an incremental set for a whole one
# Without these no source of a type can be restored.
ROLES = {
    "files": ("archive", "index"),
    "sqlite": ("database",),
    "postgresql": ("dump",),
    "redis": ("rdb",),
    "system": ("overview",),
}
# A name is the same file on every system: no drive, stream, device or wildcard, no dot at an end.
_PAYLOAD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9_~%-](?:[A-Za-z0-9._~%-]*[A-Za-z0-9_~%-])?")
_COMMON = ("name", "type", "compression", "payloads", "count", "raw_bytes", "live_bytes")


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    """Given a manifest, return it as plain JSON values without the checksum that seals it.

    ``encryption`` is null: sets are plain; the key stands for those that will not be.
    """
    store = {"store": dict(manifest.store)} if manifest.store else {}
    return {
        **store,
        "format": INCREMENTAL if manifest.chain else FORMAT,
        "id": manifest.id,
        "host": manifest.host,
        "platform": manifest.platform,
        "label": manifest.label,
        "name": manifest.name or None,
        "reason": manifest.reason,
        "requested_by": manifest.requested_by,
        "created": to_iso(manifest.created),
        "seconds": manifest.seconds,
        "pin_until": None if manifest.pin_until is None else to_iso(manifest.pin_until),
        "tools": dict(manifest.tools),
        "sources": [_entry_document(entry) for entry in manifest.sources],
        "skipped": [{"name": name, "reason": reason} for name, reason in sorted(manifest.skipped.items())],
        "anomalies": list(manifest.anomalies),
        "parent": manifest.parent or None,
        **({"chain": list(manifest.chain)} if manifest.chain else {}),
        "encryption": None,
    }


def _entry_document(entry: SourceCopy) -> dict[str, Any]:
    return {
        **entry.facts,
        "name": entry.name,
        "type": entry.type,
        "compression": entry.compression,
        "payloads": [payload._asdict() for payload in entry.payloads],
        "count": entry.things,
        "raw_bytes": entry.raw_bytes,
        "live_bytes": entry.live_bytes,
    }


def seal(document: Mapping[str, Any]) -> bytes:
    """Given a manifest without its own checksum, return the file's content, checksum included.

    The text is canonical (sorted keys, fixed spacing, ASCII): whatever is changed in the file, be it one space, it is
    no longer what this function writes.
    """
    body = {key: value for key, value in document.items() if key != "sha256"}
    digest = hashlib.sha256(_canonical(body)).hexdigest()
    return _canonical({**body, "sha256": digest})


def _canonical(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode("ascii")


def parse_manifest(content: bytes, source: str, set_id: str) -> Manifest:
    """Given manifest.json as it is on the disk, return it. Raise ParseError where anything in it does not hold."""
    document = _load(content, source)
    if document.get("format") not in (FORMAT, INCREMENTAL):
        found = str(document.get("format"))
        raise ParseError(source, 1, found, f"the format is another than {FORMAT} or {INCREMENTAL}")
    if seal(document) != content:
        raise ParseError(source, 1, str(document.get("sha256")), "it was changed since it was written")
    if document.get("id") != set_id:
        raise ParseError(source, 1, str(document.get("id")), f"it belongs to another set than {set_id}")
    try:
        manifest = _manifest(document)
        lacking = _incomplete(manifest) or _unchained(document, manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError(source, 1, repr(error), "a key is missing or of another type") from error
    if lacking:
        raise ParseError(source, 1, lacking, "it is not complete in itself")
    return manifest


def _incomplete(manifest: Manifest) -> str:
    """Return what a manifest does not list although something in it says that it is there, or an empty text."""
    names = [entry.name for entry in manifest.sources]
    payloads = [payload.name for entry in manifest.sources for payload in entry.payloads]
    if not names:
        return "no source"
    if len({*names}) < len(names) or len({*payloads}) < len(payloads):
        return "a source or a file is listed twice"
    return next((f"{entry.name}: {lacking}" for entry in manifest.sources if (lacking := _lacking(entry))), "")


def _lacking(entry: SourceCopy) -> str:
    """Return what a source lacks, or an empty text."""
    roles, own = {payload.role for payload in entry.payloads}, {payload.name for payload in entry.payloads}
    beside = ROLES.get(entry.type, ())
    if "snapshot" in entry.facts:  # its archive is a snapshot of another program's
        beside = tuple(role for role in beside if role != "archive")
    needed = [*beside, *(("attributes",) if "attributes" in entry.facts else ())]
    dumps = [facts["payload"] for facts in entry.facts.get("databases", {}).values() if "payload" in facts]
    if any(not name.startswith(f"{entry.name}/") for name in own):
        return "a file of another source"
    missing = [role for role in needed if role not in roles] + [name for name in dumps if name not in own]
    return f"no {missing[0]}" if missing else ""


def _unchained(document: Mapping[str, Any], manifest: Manifest) -> str:
    """Return what a manifest says of the sets that it needs and cannot be, or an empty text."""
    chain = manifest.chain
    if not all(map(is_set_id, chain)) or len({*chain, manifest.id}) <= len(chain):
        return "a chain of something else than other sets"
    if (document["format"] == INCREMENTAL) != bool(chain) or (document["parent"] or "") != manifest.parent:
        return "a parent that its chain or its format does not have"
    pieces = [(entry, piece) for entry in manifest.sources for piece in entry.chain]
    wrong = [entry.name for entry, piece in pieces if piece.set_id not in chain or not _is_payload(piece.payload.name)]
    return f"{wrong[0]}: a chain that is not its set's" if wrong else ""


def _load(content: bytes, source: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ParseError(source, line, content[:80].decode(errors="replace"), f"it is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise ParseError(source, 1, content[:80].decode(errors="replace"), "it is no JSON object")
    return document


def _manifest(document: Mapping[str, Any]) -> Manifest:
    pin = document["pin_until"]
    return Manifest(
        id=document["id"],
        host=document["host"],
        label=document["label"],
        name=document["name"] or "",
        reason=document["reason"],
        requested_by=document["requested_by"],
        created=from_iso(document["created"]),
        seconds=float(document["seconds"]),
        pin_until=None if pin is None else from_iso(pin),
        sources=tuple(_entry(entry) for entry in document["sources"]),
        skipped={skipped["name"]: skipped["reason"] for skipped in document["skipped"]},
        anomalies=tuple(document["anomalies"]),
        sha256=document["sha256"],
        platform=document["platform"],
        tools=document.get("tools", {}),
        store=document.get("store", {}),
        chain=tuple(document.get("chain", ())),
    )


def _entry(entry: Mapping[str, Any]) -> SourceCopy:
    return SourceCopy(
        name=entry["name"],
        type=entry["type"],
        compression=entry["compression"],
        payloads=tuple(_payload(payload) for payload in entry["payloads"]),
        things=int(entry["count"]),
        raw_bytes=int(entry["raw_bytes"]),
        live_bytes=int(entry["live_bytes"]),
        facts={key: value for key, value in entry.items() if key not in _COMMON},
    )


def _payload(payload: Mapping[str, Any]) -> Payload:
    name = payload["name"]
    if not _is_payload(name):
        raise ValueError(f"the payload {name!r} would lie elsewhere than in its source's folder")
    return Payload(name, payload["role"], int(payload["size"]), payload["sha256"])


def _is_payload(name: str) -> bool:
    return bool(_PAYLOAD.fullmatch(name)) and not any(map(is_device, name.split("/")))


def parse_verification(content: bytes, source: str, manifest: Manifest) -> Optional[Verification]:
    """Given verified.json and the set's manifest, return it, or None where it speaks of another manifest.

    Raise ParseError where it is not of the expected form, or was changed since it was written.
    """
    document = _load(content, source)
    if document.keys() != _UNSEALED and seal(document) != content:
        raise ParseError(source, 1, str(document.get("sha256")), "it was changed since it was written")
    try:
        evidence = dict(document["evidence"])
        drilled = is_set_id(str(evidence.get(DRILL)))  # a drill's id is of the same form; nothing else reaches L4
        level = (LEVELS if drilled else LEVELS[:L4]).index(document["level"])
        found = Verification(level, document["ok"] is True, float(document["at"]), evidence)
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError(source, 1, repr(error), "a key is missing or of another type") from error
    return found if evidence.get("manifest_sha256") == manifest.sha256 else None


_UNSEALED = {"set", "level", "ok", "at", "evidence"}  # the keys that older releases wrote, without a seal


def verification_document(set_id: str, verification: Verification) -> bytes:
    """Given a verification, return the content of verified.json."""
    return seal(
        {
            "set": set_id,
            "level": LEVELS[verification.level],
            "ok": verification.ok,
            "at": verification.at,
            "evidence": dict(verification.evidence),
        }
    )
