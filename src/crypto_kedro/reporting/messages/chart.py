"""The small chart of a daily digest: the day's equity as a PNG that is read on a phone."""

import io
from collections.abc import Sequence

from crypto_kedro.reporting.messages.words import jst_clock

_WIDTH, _HEIGHT = 560, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 12, 30, 26
_SMOOTHING = 3  # drawn larger and scaled down, because Pillow draws hard edges
_BACKGROUND, _INK, _GRID = "#1e2126", "#c9cdd4", "#3a3f47"
_GAIN, _LOSS = "#4fb286", "#e0705f"


def equity_chart(curve: Sequence[tuple[int, float]]) -> bytes:
    """Draw equity over time, with where it began, its ends in JST and its figures, as a PNG of 560 x 180 pixels.

    Args:
        curve: (Unix milliseconds UTC, JPY), oldest first, at least two points.

    Raises:
        ValueError: fewer than two points.
    """
    from PIL import Image, ImageDraw, ImageFont

    if len(curve) < 2:
        raise ValueError(f"a chart needs two points, got {len(curve)}")
    first, last = curve[0][1], curve[-1][1]
    large = Image.new("RGB", (_WIDTH * _SMOOTHING, _HEIGHT * _SMOOTHING), _BACKGROUND)
    canvas = ImageDraw.Draw(large)
    points = plotted(curve)
    level = points[0][1]
    canvas.line(_enlarged([(_LEFT, level), (_WIDTH - _RIGHT, level)]), fill=_GRID, width=_SMOOTHING)
    colour = _GAIN if last >= first else _LOSS
    canvas.line(_enlarged(points), fill=colour, width=2 * _SMOOTHING, joint="curve")
    chart = large.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)

    canvas = ImageDraw.Draw(chart)
    font = ImageFont.load_default(size=13)
    worths = [worth for _, worth in curve]
    canvas.text((_LEFT, 8), f"{last:,.0f} JPY  ({last - first:+,.0f})", fill=_INK, font=font)
    canvas.text((_WIDTH - _RIGHT, 8), f"{min(worths):,.0f} to {max(worths):,.0f}", fill=_INK, font=font, anchor="ra")
    canvas.text((_LEFT, _HEIGHT - 20), jst_clock(curve[0][0]), fill=_INK, font=font)
    canvas.text((_WIDTH - _RIGHT, _HEIGHT - 20), f"{jst_clock(curve[-1][0])} JST", fill=_INK, font=font, anchor="ra")
    file = io.BytesIO()
    chart.save(file, "PNG", optimize=True)
    return file.getvalue()


def plotted(curve: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Return the pixel of each point; a curve that never moves lies in the middle."""
    begin_ms, span_ms = curve[0][0], max(curve[-1][0] - curve[0][0], 1)
    worths = [worth for _, worth in curve]
    lowest, height = min(worths), max(worths) - min(worths)
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    return [
        (
            _LEFT + inner_width * (at_ms - begin_ms) / span_ms,
            _TOP + inner_height * (1.0 - ((worth - lowest) / height if height else 0.5)),
        )
        for at_ms, worth in curve
    ]


def _enlarged(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * _SMOOTHING, y * _SMOOTHING) for x, y in points]
