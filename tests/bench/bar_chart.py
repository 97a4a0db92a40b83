"""Groups of horizontal bars with their spread, as an SVG that a README can show."""

from html import escape

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 860, 170, 150
BAR, GAP, HEAD, TOP = 16, 5, 30, 44
COLOURS = {"fairlead": "#1f6feb", "reflector": "#8b949e"}
OTHER_COLOUR = "#c9a227"
STYLE = ("text{font:13px sans-serif;fill:#24292f}.head{font-weight:bold}.small{font-size:11px;fill:#57606a}"
         "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9da7b3}}")


def draw(title, unit, groups):
    """`groups`: [(heading, [(label, value, lowest, highest)])]. Each group has its own scale; bars start at zero."""
    parts, y = [], TOP
    for heading, bars in groups:
        y += HEAD
        parts.append(f'<text class="head" x="10" y="{y - 8}">{escape(heading)}</text>')
        scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / max(high for _, _, _, high in bars)
        for label, value, low, high in bars:
            colour = next((colour for name, colour in COLOURS.items() if label.startswith(name)), OTHER_COLOUR)
            middle = y + BAR / 2
            left, right = LABEL_WIDTH + low * scale, LABEL_WIDTH + high * scale
            parts += [
                f'<text x="{LABEL_WIDTH - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABEL_WIDTH}" y="{y}" width="{value * scale:.1f}" height="{BAR}" fill="{colour}"/>',
                f'<path d="M{left:.1f} {middle}H{right:.1f}" stroke="#57606a" stroke-width="2"/>',
                f'<text class="small" x="{right + 8:.1f}" y="{y + 12}">{value:.2f} ({low:.2f} to {high:.2f})</text>',
            ]
            y += BAR + GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 14}" width="{WIDTH}" role="img" '
            f'aria-label="{escape(title)}"><style>{STYLE}</style><text class="head" x="10" y="22">{escape(title)}</text>'
            f'<text class="small" x="10" y="40">{escape(unit)}</text>{"".join(parts)}</svg>\n')
