"""What a mirror in a folder holds, as whoever has its key reads it: a format byte, then AES-256-GCM, then Zstandard.

Decryption is that of the machine's OpenSSL 3 (libcrypto), which the product is linked with, too.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import zstandard

FORMAT, NONCE_BYTES, TAG_BYTES = b"\x03", 12, 16
EVP_CTRL_AEAD_SET_TAG = 0x11  # openssl/evp.h

libcrypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for constructor in (libcrypto.EVP_CIPHER_CTX_new, libcrypto.EVP_aes_256_gcm):
    constructor.restype = ctypes.c_void_p


def aead_open(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """`sealed`: nonce (12) || ciphertext || tag (16)."""
    nonce, ciphertext, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:]
    plain, size = ctypes.create_string_buffer(len(ciphertext) + 1), ctypes.c_int()
    context = ctypes.c_void_p(libcrypto.EVP_CIPHER_CTX_new())
    try:
        assert libcrypto.EVP_DecryptInit_ex(context, ctypes.c_void_p(libcrypto.EVP_aes_256_gcm()), None, key, nonce) == 1
        assert libcrypto.EVP_DecryptUpdate(context, None, ctypes.byref(size), aad, len(aad)) == 1
        assert libcrypto.EVP_DecryptUpdate(context, plain, ctypes.byref(size), ciphertext, len(ciphertext)) == 1
        assert libcrypto.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1
        assert libcrypto.EVP_DecryptFinal_ex(context, ctypes.create_string_buffer(TAG_BYTES), ctypes.byref(size)) == 1, \
            "another key, another name, or changed bytes"
    finally:
        libcrypto.EVP_CIPHER_CTX_free(context)
    return plain.raw[: len(ciphertext)]


def open_objects(place: Path, key: str) -> dict[str, bytes]:
    """All objects by name, in clear; `key`: 64 hex digits. The published log below audit/ is nobody's secret and is not sealed."""
    opened = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if not path.is_file() or path.suffix == ".new":  # on its way
            continue
        content = path.read_bytes()
        if not name.startswith("audit/"):
            assert content.startswith(FORMAT), name
            content = zstandard.decompress(aead_open(bytes.fromhex(key), content[len(FORMAT):], name.encode()))
        opened[name] = content
    assert opened, f"nothing is in {place}"
    return opened
