"""Workbooks of Excel, by another program (XlsxWriter) or, where that writes no such thing, part by part."""

import datetime
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import xlsxwriter

Cell = str | float | bool | datetime.datetime | None
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
# The first bytes of a file of Excel 97, and the name of the stream that has the content of one with a password.
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ENCRYPTED = OLD_EXCEL + "EncryptedPackage".encode("utf-16-le") + bytes(512)


def write_workbook(path: Path | BinaryIO, sheets: dict[str, Sequence[Sequence[Cell]]], hidden: Sequence[str] = ()) -> str:
    """Write a workbook: cells of type str stay text, None and "" are no cells,."""
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"created": datetime.datetime(2026, 1, 1)})  # the same bytes each time
        date = book.add_format({"num_format": "dd.mm.yyyy"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for y, row in enumerate(rows):
                for x, cell in enumerate(row):
                    if isinstance(cell, datetime.datetime):
                        sheet.write_datetime(y, x, cell, date)
                    elif isinstance(cell, str):
                        sheet.write_string(y, x, cell)
                    elif cell is not None:
                        sheet.write(y, x, cell)
            if name in hidden:
                sheet.hide()
        if hidden:  # the active sheet stays visible
            book.get_worksheet_by_name(next(name for name in sheets if name not in hidden)).activate()
    return str(path)


def write_raw_workbook(path: Path, rows: Iterable[str]) -> str:
    """Write a workbook of one sheet, whose ``<row>`` elements are given as they stand in its XML."""
    relation = f'<Relationship Id="r1" Type="{_OFFICE}/%s" Target="%s"/>'
    relations = f'<Relationships xmlns="{_PACKAGE}/relationships">{relation}</Relationships>'
    names = f'xmlns="{_SHEET}" xmlns:r="{_OFFICE}"'
    workbook = f'<workbook {names}><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types"/>')
        parts.writestr("_rels/.rels", relations % ("officeDocument", "xl/workbook.xml"))
        parts.writestr("xl/workbook.xml", workbook)
        parts.writestr("xl/_rels/workbook.xml.rels", relations % ("worksheet", "worksheets/s.xml"))
        with parts.open("xl/worksheets/s.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'<worksheet xmlns="{_SHEET}"><sheetData>'.encode())
            for row in rows:
                sheet.write(row.encode())
            sheet.write(b"</sheetData></worksheet>")
    return str(path)


def raw_cell(place: str, text: str) -> str:
    """Return the row of one text cell, at a place such as ``A1``."""
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'
