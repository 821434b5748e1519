"""Tell what of a page the keyboard cannot reach, what is too pale to read, and what is cut or beyond the edge."""

from __future__ import annotations

from typing import Any

# WCAG 2.2: 1.4.3 text 4.5 to 1, large text 3 to 1; 1.4.11 a lamp's mark, whose word stands beside it, 3 to 1.
FAULTS = """() => {
  const faults = new Set();
  const style = (e) => getComputedStyle(e);
  const seen = (e) => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && style(e).visibility !== "hidden";
  };
  const name = (e) => e.tagName + "." + (e.className.baseVal ?? e.className) + " " + e.textContent.trim().slice(0, 20);
  // Of tabs one is in the order, the arrows lead to the others; a map is moved by its stage.
  const controls = "a, button, input, select, textarea, summary, [role=button], .noUi-handle, [aria-selected=true]";
  const deaf = (e) => seen(e) && !e.disabled && e.tabIndex < 0 && !e.closest("svg, [aria-hidden=true], [disabled]");
  for (const e of document.querySelectorAll(controls + ", .jupyter-widget-Collapse-header"))
    if (deaf(e)) faults.add("keyboard: " + name(e));
  const rgba = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => sum + share * linear(c[i] / 255), 0);
  const ground = (e) => {
    const coats = [];
    for (let n = e; n; n = n.parentElement) {
      const coat = rgba(style(n).backgroundColor);
      if (coat[3] > 0) coats.unshift(coat);
      if (coat[3] === 1) break;
    }
    return coats.reduce((under, coat) => over(coat, under), [255, 255, 255, 1]);
  };
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !seen(e)) continue;
    if (e.closest("script, style, option, .bl-stale, :disabled, [disabled]")) continue;
    const svg = e.closest("svg");
    const ink = rgba(svg ? style(e).fill : style(e).color);
    const under = ground(svg ? svg.parentElement : e);
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style(e).fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style(e).fontWeight) >= 700) || e.matches(".bl-lamp i");
    const enough = large ? 3 : 4.5;
    if (ink[3] > 0 && (a + 0.05) / (b + 0.05) < enough) faults.add("pale: " + name(e));
  }
  return [...faults];
}"""
# WCAG 2.2: 2.4.7 whoever works with the keyboard sees where it is.
FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const line = style.outlineStyle;
  const outlined = line === "auto" || (line !== "none" && parseFloat(style.outlineWidth) >= 2);
  const seen = box.bottom > 0 && box.top < innerHeight;
  const name = e.tagName + "." + (e.className.baseVal ?? e.className) + " " + e.textContent.trim().slice(0, 20);
  return (seen && (outlined || style.boxShadow !== "none") ? "" : "unmarked: ") + name;
}"""
WIDE = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const beyond = (e) => e.getBoundingClientRect().right > wide + 1 && !e.closest(".bl-scroll");
  return [...document.querySelectorAll("body *")].filter(beyond).slice(0, 5)
    .map((e) => `${wide}: ${e.tagName}.${e.className}`);
}"""
# What cannot be clicked where it stands: covered by something else, cut by a box that hides what is too much, or beyond
# the edge of the page. Scrolling is allowed where the reader can scroll too.
UNREACHED = """() => {
  const controls = "a[href], button, input, select, textarea, summary, [role=button], .noUi-handle, .lm-TabBar-tab, " +
    ".jupyter-widget-Collapse-header";
  const name = (e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 20)}`;
  const seen = (e) => [...e.getClientRects()].find((box) => box.width > 1 && box.height > 1);
  const asleep = (e) => e.disabled || e.closest("svg, .modebar, [disabled], [aria-hidden=true], [hidden]") ||
    !e.checkVisibility({ visibilityProperty: true }) || e.closest("details:not([open]) > :not(summary)");
  const hides = (way) => way === "hidden" || way === "clip";
  const faults = [];
  for (const e of document.querySelectorAll(controls)) {
    if (asleep(e) || !seen(e)) continue;
    e.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const box = seen(e), hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    let cut = scrollX > 0;
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(p);
      if ((hides(overflowX) && p.scrollLeft) || (hides(overflowY) && p.scrollTop)) {
        cut = true;
        p.scrollTo(0, 0);
      }
    }
    if (cut) scrollTo(0, scrollY);
    const at = hit && (e.contains(hit) || hit.closest("label")?.contains(e));
    if (cut || !at) faults.push(`${cut ? "cut" : `under ${hit ? name(hit) : "nothing"}`}: ${name(e)}`);
  }
  scrollTo(0, 0);
  return faults;
}"""
# A column of words so narrow that a line holds two or three of them, which makes rows as tall as the page.
SQUEEZED = """() => [...document.querySelectorAll("td")].filter((e) => e.clientHeight > 0 &&
  e.textContent.trim().length > 12 && e.clientWidth < 4.5 * parseFloat(getComputedStyle(e).fontSize))
  .map((e) => `squeezed to ${e.clientWidth}px: ${e.textContent.trim().slice(0, 20)}`)"""
# Schools and names of a map that lie under what stands over it, and names that the edge cuts.
COVERED = """() => [...document.querySelectorAll(".bl-map-stage")].flatMap((stage) => {
  if (!stage.getClientRects().length) return [];
  const over = [...stage.querySelectorAll(".bl-map-badge, .bl-map-find, .bl-map-tools > *, .bl-map-scale")];
  const boxes = over.map((e) => e.getBoundingClientRect()), edge = stage.getBoundingClientRect();
  const shown = [...stage.querySelectorAll(".bl-school, .bl-labels text")].filter((e) => e.style.display !== "none");
  return shown.filter((e) => {
    const at = e.getBoundingClientRect();
    return at.left < edge.left - 4 || at.right > edge.right + 4 || boxes.some((box) =>
      at.left < box.right - 1 && at.right > box.left + 1 && at.top < box.bottom - 1 && at.bottom > box.top + 1);
  }).map((e) => `covered: ${e.getAttribute("aria-label") ?? e.textContent}`);
})"""
TABLET, UPRIGHT, MEETING_ROOM = (1024, 768), (768, 1024), (3840, 2160)
# On a phone a table of a dozen rows or fewer that is scrolled within the page that is scrolled.
BOXED = """() => [...document.querySelectorAll(".bl-scroll:has(> .bl-folds)")]
  .filter((e) => e.querySelectorAll("tbody > tr").length <= 12 && e.scrollHeight > e.clientHeight + 1)
  .map((e) => `boxed: ${e.textContent.trim().slice(0, 30)}`)"""


def faults(page: Any) -> list[str]:
    """Return what hinders reading or working with a page, at its size and on a tablet and a large screen."""
    found = list(page.evaluate(FAULTS)) + unmarked(page)
    before = page.viewport_size
    for width, height in (TABLET, UPRIGHT, MEETING_ROOM):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)
        found += page.evaluate(WIDE)
    page.set_viewport_size(before)
    return found


def unmarked(page: Any, most: int = 40) -> list[str]:
    """Walk a page with the tab key and return the controls that do not show that they have the focus."""
    found: dict[str, None] = {}
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(FOCUSED)
        if name is None:
            break
        if name.startswith("unmarked"):
            found[name] = None
    page.evaluate("document.activeElement?.blur()")
    return list(found)
