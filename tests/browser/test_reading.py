"""The check of reading and reaching must be able to fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.reading import faults

pytestmark = pytest.mark.browser

PAGE = """<body><button tabindex="-1">没有键</button><button>有键</button><p style="color:#999">太浅</p>
<p style="color:#767676">够深</p><h1 style="color:#888; font-size:24px">大字</h1>
<a href="#" style="outline:none">无框</a>
<p style="background:#0b4f8a; color:#fff">白字</p><p style="background:rgba(0,0,0,.2); color:#767676">灰底</p></body>"""


def test_pale_text_unreachable_controls_and_wide_pages_are_found(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_content(PAGE)
    assert [fault.split()[0] + fault.split()[-1] for fault in faults(page)] == [
        "keyboard:没有键",
        "pale:太浅",
        "pale:灰底",
        "unmarked:无框",
    ]
    page.set_content('<div style="width:900px">宽</div>')
    assert len(faults(page)) == 1  # too wide for an upright tablet only
    page.close()
