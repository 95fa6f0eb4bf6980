"""A screen of the monitor as an SVG picture.

    tmux new-session -d -s picture -x 160 -y 45 "COLORTERM=truecolor workbench monitor DIR"
    tmux capture-pane -e -p -t picture | python3 docs/images/screen.py > screen.svg
    chromium --headless --window-size=1296,765 --screenshot=docs/images/monitor.png screen.svg

tmux keeps 24-bit colours with `set -g default-terminal tmux-direct`. Dots and blocks are drawn as
shapes, because few fonts have them as wide as a letter.
"""

import re
import sys
from html import escape

WIDTH, HEIGHT = 8.1, 17
INK, PAPER = "#e6e6e6", "#111111"
BASIC = ["#000000", "#cc4444", "#44aa66", "#ccaa44", "#4477cc", "#aa66cc", "#44aaaa", "#cccccc"]
# Bits of a braille character, by column and row.
DOTS = {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 0), 4: (1, 1), 5: (1, 2), 6: (0, 3), 7: (1, 3)}


def indexed(number: int) -> str:
    """The colour of a number of the 256-colour palette."""
    if number < 16:
        return BASIC[number % 8]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    number -= 16
    levels = [0, 95, 135, 175, 215, 255]
    return "#" + "".join(f"{levels[number // by % 6]:02x}" for by in (36, 6, 1))


def styled(style: dict, codes: list[int]) -> dict:
    """The style after a sequence of SGR codes."""
    style = dict(style)
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = {}
        elif code in (38, 48):
            kind = codes.pop(0)
            rgb = "#" + "".join(f"{codes.pop(0):02x}" for _ in range(3)) if kind == 2 else None
            style["ink" if code == 38 else "paper"] = rgb or indexed(codes.pop(0))
        elif code == 39:
            style.pop("ink", None)
        elif code == 49:
            style.pop("paper", None)
        elif 30 <= code <= 37:
            style["ink"] = BASIC[code - 30]
        elif 40 <= code <= 47:
            style["paper"] = BASIC[code - 40]
        else:
            style[code] = True
    return style


def rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}"/>'


def cell(character: str, style: dict, x: float, y: float) -> str:
    """One character in its cell, whose upper left corner is x, y."""
    ink, paper = style.get("ink", INK), style.get("paper")
    if style.get(7):
        ink, paper = paper or PAPER, ink
    drawn = rect(x, y, WIDTH + 0.05, HEIGHT + 0.05, paper) if paper else ""
    code = ord(character)
    if 0x2800 <= code <= 0x28FF:
        for bit, (column, row) in DOTS.items():
            if (code - 0x2800) >> bit & 1:
                drawn += rect(x + 1.2 + 4 * column, y + 1.3 + 4.2 * row, 1.9, 1.9, ink)
    elif character == "▀":
        drawn += rect(x, y, WIDTH + 0.05, HEIGHT / 2, ink)
    elif character == "▄":
        drawn += rect(x, y + HEIGHT / 2, WIDTH + 0.05, HEIGHT / 2, ink)
    elif character == "█":
        drawn += rect(x, y, WIDTH + 0.05, HEIGHT + 0.05, ink)
    elif character.strip():
        weight = ' font-weight="bold"' if style.get(1) else ""
        place = f'x="{x:.2f}" y="{y + 13:.2f}" textLength="{WIDTH}"'
        drawn += f'<text {place} fill="{ink}"{weight}>{escape(character)}</text>'
    return drawn


def picture(screen: str) -> str:
    style, shapes, columns = {}, [], 0
    lines = screen.rstrip("\n").split("\n")
    for row, line in enumerate(lines):
        column = 0
        for sequence, character in re.findall(r"\x1b\[([\d;]*)m|([^\x1b])", line):
            if not character:
                style = styled(style, [int(code or 0) for code in sequence.split(";")])
                continue
            shapes.append(cell(character, style, column * WIDTH, row * HEIGHT))
            column += 1
        columns = max(columns, column)
    width, height = columns * WIDTH, len(lines) * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        'font-family="DejaVu Sans Mono, monospace" font-size="13.4" shape-rendering="crispEdges">'
        + rect(0, 0, width, height, PAPER)
        + "".join(shapes)
        + "</svg>"
    )


if __name__ == "__main__":
    print(picture(sys.stdin.read()))
