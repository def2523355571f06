"""Parse XML that declares nothing: no document type, and so no entity that could stand for a gigabyte or for another file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from xml.parsers import expat

from schemas.errors import ManifestError


def create_parser(path: str, program: str) -> expat.XMLParserType:
    """Return a parser that refuses a document type; its name spaces stand before the names, behind them a space.

    Args:
        path: The file, for errors.
        program: The program that writes such files.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def doctype(*_declared: object) -> NoReturn:
        fix = f"Take the <!DOCTYPE> out: {program} writes none."
        raise ManifestError(path=path, what=f"declares a document type (line {parser.CurrentLineNumber})", fix=fix)

    parser.StartDoctypeDeclHandler = doctype
    return parser


@contextmanager
def xml_errors(path: str, fix: str) -> Iterator[None]:
    """Turn what goes wrong while XML is parsed into a ManifestError."""
    try:
        yield
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ManifestError(path=path, what=f"is not valid XML: {error}", fix=fix) from error
