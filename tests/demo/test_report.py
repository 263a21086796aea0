"""The report: what stands in it, and what a missed bound does."""

import numpy as np
import pytest

from wengert.demo.report import Check, Link, Log, Picture, Section, Table, Text, write_report

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360"
    "60606000000005000151e7a1cd0000000049454e44ae426082"
)


@pytest.fixture
def report(tmp_path):
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    (tmp_path / "pixel.svg").write_text("<svg/>")
    section = Section(
        "A <part> & more",
        [
            Text("Code is `x < 1`."),
            Log("#1: a < b\n"),
            Table(("name", "value"), [("a|b", "1.5"), ("c", "-2e-05")], "A caption."),
            Picture("pixel.png", "A pixel."),
            Picture("pixel.svg", "A drawing."),
            Link("player.html", "A page & more."),
        ],
        [Check("first", 0.99, 0.95), Check("second", 0.5, 0.97)],
    )
    markdown, page = write_report([section], tmp_path)
    return markdown.read_text(), page.read_text()


def test_markdown_holds_every_block(report):
    markdown, _ = report
    assert "## A <part> & more" in markdown
    assert "Code is `x < 1`." in markdown
    assert "```text\n#1: a < b\n```" in markdown
    assert "| name | value |\n| --- | ---: |\n| a\\|b | 1.5 |" in markdown
    assert "![A pixel.](pixel.png)" in markdown
    assert "[A page & more.](player.html)" in markdown


def test_html_escapes_text_and_carries_its_pictures(report):
    _, page = report
    assert "A &lt;part&gt; &amp; more" in page
    assert "<code>x &lt; 1</code>" in page
    assert "<pre>#1: a &lt; b</pre>" in page
    assert "data:image/png;base64,iVBORw0KGgo" in page
    assert "data:image/svg+xml;base64,PHN2Zy8+" in page
    assert '<a href="player.html">A page &amp; more.</a>' in page
    assert 'src="http' not in page


def test_bounds_stand_first_and_a_missed_one_is_plain_to_see(report):
    markdown, page = report
    assert markdown.index("| first | 0.99 | 0.95 | met |") < markdown.index("##")
    assert "| second | 0.5 | 0.97 | MISSED |" in markdown
    assert '<td class="missed">MISSED</td>' in page


@pytest.mark.parametrize(
    ("value", "is_met"), [(0.95, True), (1.0, True), (0.9499, False), (np.nan, False)]
)
def test_a_check_is_met_at_its_bound_and_never_by_nan(value, is_met):
    assert Check("claim", value, 0.95).is_met is is_met
