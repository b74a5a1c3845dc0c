# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A set's signature: HMAC-SHA256 over its manifest, which has the checksum of everything else, with a key of the host.

A manifest seals itself, so that damage is seen; whoever may write into the folder could seal another one. With a key
that he does not know he cannot. The key is a file for its owner alone and is never part of a result or a set.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat

from ...errors import InputError, SourceDenied, SourceMissing
from ...folders import FILE_FLAGS, NOT_FOLLOWED

LEAST, MOST = 32, 4096  # bytes of a key


def read_key(path: str) -> bytes:
    """Given the path of a key, return it. Raise SourceMissing, SourceDenied, or InputError where others could know it.

    On Windows a file has no such mode: the permissions of its folder say who may read it.
    """
    try:
        descriptor = os.open(path, FILE_FLAGS)
    except FileNotFoundError:
        raise SourceMissing(path) from None
    except OSError as error:
        why = "it is a link" if error.errno in NOT_FOLLOWED else error.strerror or str(error)
        raise SourceDenied(path, why) from error
    try:
        _require_private(path, os.fstat(descriptor))
        key = os.read(descriptor, MOST)
    finally:
        os.close(descriptor)
    if len(key) < LEAST:
        raise InputError("sign_key_file", path, f"a file of at least {LEAST} bytes, such as of /dev/urandom")
    return key


def _require_private(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError("sign_key_file", path, "a regular file")
    if os.name == "nt":
        return
    if status.st_uid not in (0, os.geteuid()):
        raise InputError("sign_key_file", path, f"a file owned by root or this account, not by uid {status.st_uid}")
    if status.st_mode & 0o077:
        raise InputError("sign_key_file", path, f"a file of mode 0600, not {stat.S_IMODE(status.st_mode):04o}")


def sign(content: bytes, key: bytes) -> bytes:
    """Given a manifest and a key, return the content of the file with its signature."""
    return hmac.new(key, content, hashlib.sha256).hexdigest().encode("ascii") + b"\n"


def holds(content: bytes, signature: bytes, key: bytes) -> bool:
    """Return whether a signature is that of a manifest."""
    return hmac.compare_digest(sign(content, key), signature)
