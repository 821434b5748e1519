"""The check of reading and reaching must be able to fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.reading import SQUEEZED, UNREACHED, faults

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


CUT = """<body style="margin:0"><div style="width:120px; overflow:hidden; white-space:nowrap"><button>够得着</button>
<button style="margin-left:80px">在盒外</button></div>
<div style="position:relative"><button>盖住了</button><p style="position:absolute; inset:0; margin:0">盖</p></div>
<div style="width:120px; overflow:auto; white-space:nowrap"><button style="margin-left:200px">可以滚到</button></div>
<button style="margin-left:1400px">在页外</button><details><summary>折</summary><button>折起来的</button></details>
<table>
<td style="width:20px">这一列被挤得只剩下一个字宽了看不成</td><td style="min-width:99em">宽</td></table></body>"""


def test_controls_that_are_cut_covered_or_beyond_the_edge_are_found(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_content(CUT)
    found = [(fault.split(":")[0].split()[0], fault.split()[-1]) for fault in page.evaluate(UNREACHED)]
    assert found == [("cut", "在盒外"), ("under", "盖住了"), ("cut", "在页外")]
    assert len(page.evaluate(SQUEEZED)) == 1
    page.close()
