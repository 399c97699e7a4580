"""Documents for every renderer: one that says the same text in all its places."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from html.parser import HTMLParser

import pandas as pd
import pytest

from imil_sim.report.document import Column, Document, Picture, Section, Statement, Table


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, dpi: float | None = None) -> bytes:
    """A white picture of that many pixels."""
    resolution = chunk(b"pHYs", struct.pack(">IIB", *[round(dpi / 0.0254)] * 2, 1)) if dpi else b""
    rows = zlib.compress((b"\0" + b"\xff" * width) * height)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + resolution + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def document_of(text: str) -> Document:
    """A document that holds ``text`` wherever a text can stand."""
    table = Table("arms", text, (Column(text, explained=text), Column(text, digits=3)), ((text, -0.5),), (text, text))
    picture = Picture("forest", text, text, png_of(4, 3), None, pd.DataFrame({text: [text]}))
    tones = ("plain", "good", "bad", "caution")
    said = tuple(Statement(text, tone) for tone in tones)
    first = Table("first", text, (Column(text),), ((text,),), (text,))
    section = Section("a", text, (text,), (table, picture), said)
    return Document(text, text, said, (section,), badges=said, lead=(first,), cautions=said)


class Elements(HTMLParser):
    """Elements with the names of their attributes, the texts between them, and the values of some attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes.extend((tag, name, value) for name, value in attrs)
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts = self.texts or [""]
        self.texts[-1] += data

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [value for of, name, value in self.attributes if (of, name) == (tag, attribute)]


@pytest.fixture(scope="session")
def saying() -> Callable[[str], Document]:
    return document_of


@pytest.fixture(scope="session")
def elements() -> Callable[[str], Elements]:
    return Elements


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    return png_of
