"""Colours of pictures: light and dark.

Fills and lines are Okabe and Ito's, which people who do not see red or green tell apart; and each
meaning has a place or an outline besides its colour.
"""

from __future__ import annotations

from collections.abc import Mapping

THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {
        "paper": "#ffffff",
        "value": "#16191d",
        "name": "#5b6570",
        "adjoint": "#c2410c",
        "wire": "#6b7683",
        "faint": "#b6bec8",
        "operation": "#f4f6f8",
        "input": "#e7f1fa",
        "input-line": "#0072b2",
        "parameter": "#d9f2e6",
        "parameter-line": "#006b4a",
        "data": "#fdf0d2",
        "data-line": "#b07a00",
        "target": "#16191d",
        "target-text": "#ffffff",
        "group": "#eceff3",
        "frame": "#f7f9fb",
        "frame-line": "#c3cbd5",
        "loop": "#0072b2",
        "warning": "#9b1c6b",
        "heat": "#e69f00",
    },
    "dark": {
        "paper": "#14171b",
        "value": "#eef1f4",
        "name": "#9aa5b1",
        "adjoint": "#ff9e64",
        "wire": "#8592a0",
        "faint": "#4a5460",
        "operation": "#242a31",
        "input": "#17324a",
        "input-line": "#56b4e9",
        "parameter": "#10392d",
        "parameter-line": "#4fd68a",
        "data": "#3d3012",
        "data-line": "#e6b84a",
        "target": "#eef1f4",
        "target-text": "#14171b",
        "group": "#2b323a",
        "frame": "#1a1e23",
        "frame-line": "#414b57",
        "loop": "#56b4e9",
        "warning": "#f59ad0",
        "heat": "#8f5500",
    },
}

# For each role of a shape its fill and its outline, by their names in a theme.
SHAPES: Mapping[str, tuple[str, str]] = {
    "operation": ("operation", "wire"),
    "input": ("input", "input-line"),
    "parameter": ("parameter", "parameter-line"),
    "data": ("data", "data-line"),
    "target": ("target", "target"),
    "warm target": ("operation", "target"),  # where the fill is left to the heat
    "group": ("group", "wire"),
    "heat": ("heat", "wire"),
    "frame": ("frame", "frame-line"),
    "repeat": ("frame", "loop"),
}

# For each role of a text its colour.
TEXTS: Mapping[str, str] = {
    "value": "value",
    "name": "name",
    "adjoint": "adjoint",
    "constant": "name",
    "frame": "name",
    "legend": "name",
    "warning": "warning",
    "target-text": "target-text",
}

LINES: Mapping[str, str] = {"wire": "wire", "wire-constant": "faint", "loop": "loop"}
