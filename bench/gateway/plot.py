"""One small line chart as SVG: no dependency for one picture."""

from __future__ import annotations

import pathlib

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 800, 360, 60, 40, 30, 20
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37")


def lines(path: pathlib.Path, x: list[float], series: dict[str, list[float]], x_name: str, y_name: str) -> None:
    """`x` and each series have the same length, at least one. The y axis begins at 0, so that a slope looks as it is."""
    x_max, y_max = max(x) or 1, 1.1 * max(max(values) for values in series.values()) or 1
    to_x = lambda value: LEFT + value / x_max * (WIDTH - LEFT - RIGHT)
    to_y = lambda value: HEIGHT - BOTTOM - value / y_max * (HEIGHT - BOTTOM - TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for step in range(6):
        across, up = x_max * step / 5, y_max * step / 5
        parts.append(f'<path d="M{LEFT} {to_y(up):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{to_y(up) + 4:.1f}" text-anchor="end">{up:.3g}</text>')
        parts.append(f'<text x="{to_x(across):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{across:.3g}</text>')
    for n, (name, values) in enumerate(series.items()):
        points = " ".join(f"{to_x(a):.1f},{to_y(b):.1f}" for a, b in zip(x, values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[n]}" stroke-width="1.5"/>')
        parts.append(f'<text x="{LEFT + 10 + 120 * n}" y="{TOP - 12}" fill="{COLOURS[n]}">{name}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{x_name}</text>')
    parts.append(f'<text x="6" y="{TOP - 12}">{y_name}</text></svg>')
    path.write_text("\n".join(parts) + "\n")
