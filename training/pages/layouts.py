"""What lies where on a page: letters, books, tables, slides and the like, each written onto a sheet."""

from collections.abc import Callable
from typing import NamedTuple

from training.pages.sheet import Sheet
from training.pages.writing import number


class Layout(NamedTuple):
    """A kind of page.

    Attributes:
        write: fills a sheet.
        aspects: its height by its width lies between these.
        lines: that a sheet's height has room for lie between these.
        held_back: whether only test pages are of this kind.
    """

    write: Callable[[Sheet], None]
    aspects: tuple[float, float] = (1.2, 1.5)
    lines: tuple[int, int] = (16, 60)
    held_back: bool = False


def _letter(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin = sheet.width * rng.uniform(0.07, 0.15)
    width, top = sheet.width - 2 * margin, sheet.height * rng.uniform(0.04, 0.12)
    for _ in range(int(rng.integers(1, 5))):
        sheet.line(sheet.words(2, 4), (margin, top), sheet.font(pitch * 0.72), width)
        top += pitch
    if rng.random() < 0.6:
        sheet.line(number(rng), (margin + width * 0.75, top), sheet.font(pitch * 0.72))
    top += pitch * rng.uniform(1, 3)
    bottom = sheet.height * rng.uniform(0.6, 0.95)
    while top + 2 * pitch < bottom:
        top = sheet.paragraph((margin, top), width, bottom, lines=int(rng.integers(2, 8))) + pitch * rng.uniform(0.4, 1)
    sheet.line(sheet.words(1, 3), (margin, top + pitch), sheet.font(pitch * 0.72), width)


def _book(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, indent = sheet.width * rng.uniform(0.06, 0.14), pitch * rng.uniform(0, 2)
    width, top, bottom = sheet.width - 2 * margin, sheet.height * rng.uniform(0.06, 0.1), sheet.height * 0.92
    if rng.random() < 0.4:
        sheet.centred(sheet.words(2, 5), top - 1.5 * pitch, sheet.font(pitch * 0.6))
    if rng.random() < 0.3:
        sheet.centred(sheet.words(1, 3), top + pitch, sheet.font(pitch * 1.4, other=True))
        top += 4 * pitch
    while top + pitch < bottom:
        lines = int(rng.integers(2, 14))
        top = sheet.paragraph((margin, top), width, bottom, lines=lines, justified=True, indent=indent)
    if rng.random() < 0.7:
        sheet.centred(str(rng.integers(1, 600)), sheet.height - 1.5 * pitch, sheet.font(pitch * 0.65))


def _columns(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    count, margin = int(rng.integers(2, 4)), sheet.width * rng.uniform(0.04, 0.1)
    gap, top = sheet.width * rng.uniform(0.02, 0.05), sheet.height * rng.uniform(0.04, 0.08)
    if rng.random() < 0.7:
        sheet.centred(sheet.words(3, 6), top, sheet.font(pitch * rng.uniform(1.2, 1.9), other=True))
        top += pitch * rng.uniform(2.5, 4)
    width = (sheet.width - 2 * margin - (count - 1) * gap) / count
    for column in range(count):
        _column(sheet, margin + column * (width + gap), top, width)


def _column(sheet: Sheet, left: float, top: float, width: float) -> None:
    rng, pitch, bottom = sheet.rng, sheet.pitch, sheet.height * 0.95
    justified, place = bool(rng.random() < 0.7), top
    while place + pitch < bottom:
        if rng.random() < 0.15:
            sheet.line(sheet.words(2, 3), (left, place), sheet.font(pitch * 0.9, other=True), width)
            place += 1.5 * pitch
        lines = int(rng.integers(3, 12))
        place = sheet.paragraph((left, place), width, bottom, lines=lines, justified=justified, indent=pitch)


def _table(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, top = sheet.width * rng.uniform(0.04, 0.12), sheet.height * rng.uniform(0.04, 0.15)
    sheet.line(sheet.words(2, 5), (margin, top), sheet.font(pitch * 1.1, other=True), sheet.width - 2 * margin)
    columns, row = int(rng.integers(2, 6)), pitch * rng.uniform(1.1, 1.8)
    width, top, ruled = (sheet.width - 2 * margin) / columns, top + 2.5 * pitch, rng.random() < 0.6
    rows = int((sheet.height * rng.uniform(0.6, 0.95) - top) / row)
    for line in range(rows):
        for column in range(columns):
            text = sheet.words(1, 2) if column == 0 or line == 0 else number(rng)
            sheet.line(text, (margin + column * width + 3, top + line * row), sheet.font(pitch * 0.7), width - 6)
        if ruled or line == 0:
            edge = top + (line + 0.92) * row
            sheet.rule((margin, edge), (sheet.width - margin, edge), 2 if line == 0 else 1)


def _slide(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, top = sheet.width * rng.uniform(0.04, 0.1), sheet.height * rng.uniform(0.05, 0.12)
    sheet.line(sheet.words(2, 5), (margin, top), sheet.font(pitch * 1.3, other=True), sheet.width - 2 * margin)
    top += 2.2 * pitch
    for _ in range(int(rng.integers(2, 7))):
        sheet.line("• " + sheet.words(2, 6), (margin, top), sheet.font(pitch * 0.75), sheet.width - 2 * margin)
        top += pitch * rng.uniform(1.1, 1.7)
    if rng.random() < 0.3 and top < sheet.height * 0.7:
        sheet.picture((sheet.width * 0.55, top), sheet.width * 0.38, sheet.height * 0.9 - top)


def _caption(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, height = sheet.width * rng.uniform(0.03, 0.12), sheet.height * rng.uniform(0.3, 0.6)
    top, width = sheet.height * rng.uniform(0.03, 0.15), sheet.width - 2 * margin
    sheet.picture((margin, top), width, height)
    top = sheet.paragraph((margin, top + height + pitch * 0.4), width, sheet.height, lines=int(rng.integers(1, 4)))
    while top + 2 * pitch < sheet.height * 0.93:
        top = sheet.paragraph((margin, top + pitch), width, sheet.height * 0.95, lines=int(rng.integers(2, 9)))


def _note(sheet: Sheet) -> None:
    """A note or a whiteboard: a few lines, none quite straight below the other, on ruled paper at times."""
    rng, pitch = sheet.rng, sheet.pitch
    if rng.random() < 0.4:
        for line in range(int(sheet.height / pitch)):
            sheet.draw.line((0, (line + 1) * pitch, sheet.width, (line + 1) * pitch), fill=(150, 170, 200))
    top, left = pitch * rng.uniform(0.1, 2), sheet.width * rng.uniform(0.05, 0.2)
    for _ in range(int(rng.integers(2, 14))):
        if top + pitch > sheet.height:
            break
        start = left + rng.normal(0, 0.02) * sheet.width
        sheet.line(sheet.words(1, 6), (start, top), sheet.font(pitch * 0.8), sheet.width - 2 * left)
        top += pitch * (1 if rng.random() < 0.8 else 2)


def _sign(sheet: Sheet) -> None:
    """A sign, a cover or a label: few words, large."""
    rng = sheet.rng
    lines = int(rng.integers(1, 5))
    top = sheet.height * rng.uniform(0.08, 0.4)
    for _ in range(lines):
        text, wanted = sheet.words(1, 2), sheet.width * rng.uniform(0.5, 0.9)
        size = min(sheet.height / (lines + 1.5), 40 * wanted / max(1.0, sheet.font(40).getlength(text)))
        if top + size > sheet.height:
            break
        sheet.centred(text, top, sheet.font(size))
        top += size * rng.uniform(1.1, 1.5)


def _form(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, top = sheet.width * 0.08, sheet.height * rng.uniform(0.05, 0.1)
    sheet.line(sheet.words(2, 4), (margin, top), sheet.font(pitch * 1.2, other=True), sheet.width - 2 * margin)
    top += 3 * pitch
    while top + 2 * pitch < sheet.height * 0.95:
        field = margin + sheet.width * rng.uniform(0.2, 0.4)
        sheet.line(sheet.words(1, 2) + ":", (margin, top), sheet.font(pitch * 0.7), field - margin)
        if rng.random() < 0.5:
            sheet.rule((field, top + pitch * 0.9), (sheet.width - margin, top + pitch * 0.9))
        else:
            sheet.draw.rectangle((field, top, sheet.width - margin, top + pitch), outline=sheet.ink)
        if rng.random() < 0.5:
            sheet.line(sheet.words(1, 3), (field + 4, top), sheet.font(pitch * 0.75, other=True))
        top += pitch * rng.uniform(1.4, 2.4)


def _receipt(sheet: Sheet) -> None:
    rng, pitch = sheet.rng, sheet.pitch
    margin, top = sheet.width * 0.06, pitch
    for size in (1.1, 0.65, 0.65):
        sheet.centred(sheet.words(1, 3), top, sheet.font(pitch * size))
        top += pitch * 1.3
    while top < sheet.height * rng.uniform(0.6, 0.8):
        price, font = number(rng), sheet.font(pitch * 0.68)
        sheet.line(sheet.words(1, 3), (margin, top), font)
        sheet.line(price, (sheet.width - margin - font.getlength(price), top), font)
        top += pitch
    sheet.rule((margin, top + pitch * 0.3), (sheet.width - margin, top + pitch * 0.3))
    sheet.line(number(rng), (sheet.width * 0.6, top + pitch * 0.6), sheet.font(pitch))
    sheet.centred(sheet.words(2, 4), top + 2.5 * pitch, sheet.font(pitch * 0.65))


def _newspaper(sheet: Sheet) -> None:
    pitch = sheet.pitch
    sheet.centred(sheet.words(1, 2), sheet.height * 0.02, sheet.font(pitch * 2.6, other=True))
    sheet.rule((sheet.width * 0.04, sheet.height * 0.1), (sheet.width * 0.96, sheet.height * 0.1), 2)
    top = sheet.height * 0.12
    sheet.line(sheet.words(3, 5), (sheet.width * 0.04, top), sheet.font(pitch * 1.6, other=True), sheet.width * 0.92)
    top += 3 * pitch
    sheet.picture((sheet.width * 0.04, top), sheet.width * 0.6, sheet.height * 0.22)
    width = sheet.width * 0.29
    for column in range(3):
        below = top if column == 2 else top + sheet.height * 0.24
        _column(sheet, sheet.width * (0.04 + 0.315 * column), below, width)


LAYOUTS = {
    "letter": Layout(_letter),
    "book": Layout(_book, (1.2, 1.6), (18, 48)),
    "columns": Layout(_columns, lines=(28, 70)),
    "table": Layout(_table, (0.7, 1.5), (12, 45)),
    "slide": Layout(_slide, (0.56, 0.75), (9, 16)),
    "caption": Layout(_caption, (0.8, 1.5), (16, 45)),
    "note": Layout(_note, (0.6, 1.5), (7, 20)),
    "sign": Layout(_sign, (0.4, 1.5), (5, 10)),
    "form": Layout(_form, lines=(16, 45), held_back=True),
    "receipt": Layout(_receipt, (1.5, 2.6), (20, 45), held_back=True),
    "newspaper": Layout(_newspaper, (1.2, 1.5), (30, 70), held_back=True),
}
