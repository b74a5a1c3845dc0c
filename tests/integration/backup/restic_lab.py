# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository of the real restic for the tests.

Restic makes its password slow on purpose, half a second of work for each call. ``cheapen`` writes the same key with
scrypt's least cost, so that hundreds of calls take seconds; nothing else of the repository is touched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305
from plugins.module_utils.backup.examples import act

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result

PASSWORD = "only-for-tests"
RESTIC = shutil.which("restic") or ""


def restic(repository: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run restic as anybody else would, without a cache."""
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(repository)}
    argv = [RESTIC, "--no-cache", *words]
    return subprocess.run(argv, env=environment, check=check, capture_output=True, text=True, errors="surrogateescape")


def snapshots(repository: Path) -> list[dict[str, Any]]:
    return json.loads(restic(repository, "snapshots", "--json", "--no-lock").stdout)


def new_repository(repository: Path) -> Path:
    """Make an empty repository whose password costs nothing."""
    restic(repository, "init")
    cheapen(repository)
    return repository


def kept(place: Path, **given: Any) -> Result:
    """Run the area with the repository beside its folder."""
    given = {"store": "restic", "repository": str(place / "repository"), "repository_password": PASSWORD, **given}
    return act(place, **given)


def cheapen(repository: Path) -> None:
    """Write the one key of a repository with the least work for its password."""
    (path,) = (repository / "keys").iterdir()
    key = json.loads(path.read_bytes())
    secret = _opened(base64.b64decode(key["data"]), _derived(key))
    key.update(N=2, r=8, p=1)
    key["data"] = base64.b64encode(_closed(secret, _derived(key))).decode()
    content = json.dumps(key).encode()
    path.unlink()
    (repository / "keys" / hashlib.sha256(content).hexdigest()).write_bytes(content)


def _derived(key: dict[str, Any]) -> bytes:
    salt = base64.b64decode(key["salt"])
    return hashlib.scrypt(PASSWORD.encode(), salt=salt, n=key["N"], r=key["r"], p=key["p"], maxmem=1 << 28, dklen=64)


def _stream(key: bytes, nonce: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor().update(data)


def _tag(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    pad = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor().update(nonce)
    return Poly1305.generate_tag(key[48:64] + pad, sealed)


def _opened(data: bytes, key: bytes) -> bytes:
    nonce, sealed, tag = data[:16], data[16:-16], data[-16:]
    assert _tag(key, nonce, sealed) == tag
    return _stream(key, nonce, sealed)


def _closed(secret: bytes, key: bytes) -> bytes:
    nonce = os.urandom(16)
    sealed = _stream(key, nonce, secret)
    return nonce + sealed + _tag(key, nonce, sealed)
