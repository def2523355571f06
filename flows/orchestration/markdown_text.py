"""Put names of other people into Markdown, so that they are shown as they are: no link, no image, no HTML, no other cell."""

import re

# Punctuation that is active anywhere, underscores at the ends of words, and what addresses are recognized by.
_ACTIVE = re.compile(r"[\\`*\[\]<>|~&#@$]|(?<![^\W_])_|_(?![^\W_])|(?<=\w):(?=//)|(?<=www)\.", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,9}[.)]")
_BACKTICKS = re.compile("`+")


def escape(text: str) -> str:
    """Return ``text``, on one line, as Markdown that shows it as it is."""
    line = " ".join(text.split())
    escaped = _ACTIVE.sub(r"\\\g<0>", line)
    if _NUMBER.match(line):
        return re.sub(r"[.)]", r"\\\g<0>", escaped, count=1)
    return f"\\{escaped}" if line[:1] in ("-", "+", "=") else escaped


def code(text: str) -> str:
    """Return ``text``, on one line, as a Markdown code span, also within a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    if not line:
        return ""
    fence = "`" * (max(map(len, _BACKTICKS.findall(line)), default=0) + 1)
    return f"{fence} {line} {fence}" if line[:1] == "`" or line[-1:] == "`" else f"{fence}{line}{fence}"
