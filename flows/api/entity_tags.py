"""Strong ETags of answers that are made as a whole, and clients that have them already (RFC 9110, 13.1.2)."""

from hashlib import blake2b


def entity_tag(body: bytes) -> str:
    """Return the strong ETag of an answer."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Return whether a client has the answer with this ETag already, by its header If-None-Match."""
    known = [word.strip().removeprefix("W/") for word in (if_none_match or "").split(",")]
    return tag in known or known == ["*"]
