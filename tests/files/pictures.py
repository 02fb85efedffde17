"""Small files of every kind."""

import zlib

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 60
GIF = b"GIF89a" + b"\0" * 60
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 40
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
STEP = b"ISO-10303-21;\nHEADER;\n"
DXF = b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n"
XLS = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 40
XLSX = b"PK\x03\x04" + b"\0" * 40
CSV = "part;Stück\r\nA-1;10\r\n".encode("cp1252")
TEXT = "Grüße".encode()
JSON = b'{"a": 1}'
EXE = b"MZ\x90\0\x03\0\0\0"
IMAGES = {"image/png": PNG, "image/jpeg": JPEG, "image/gif": GIF, "image/webp": WEBP}


def picture(size: int, seed: int = 0) -> bytes:
    """A PNG by its first bytes, of this size."""
    return (PNG + zlib.crc32(bytes([seed])).to_bytes(4) * (size // 4 + 1))[:size]
