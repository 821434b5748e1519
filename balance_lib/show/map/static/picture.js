// The map as a PNG: everything seen is copied into one SVG with its styles written out, and painted on a canvas.
// Nothing is fetched; the SVG goes in as data, so that no foreign origin taints the canvas.

const PICTURE = { scale: 2, margin: 16, title: 44, gap: 8, foot: 26 };
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-linecap", "stroke-linejoin", "opacity",
  "paint-order", "font-family", "font-size", "font-weight", "text-anchor", "font-style"];

function plainCopy(from) {
  const style = getComputedStyle(from);
  if (style.display === "none" || ["title", "desc"].includes(from.localName)) return null;
  const copy = from.cloneNode(false);
  for (const { name } of [...copy.attributes])
    if (/^(class|style|role|tabindex|id|aria-|data-)/.test(name)) copy.removeAttribute(name);
  if (from.localName !== "g" && from.localName !== "svg") {
    for (const name of STYLES) copy.setAttribute(name, style.getPropertyValue(name));
    // Strokes that keep their width whatever the zoom: a picture is scaled as a whole, so widths become lengths.
    const fixed = style.vectorEffect === "non-scaling-stroke" && from.getCTM();
    const zoom = fixed ? Math.sqrt(Math.abs(fixed.a * fixed.d - fixed.b * fixed.c)) || 1 : 1;
    copy.setAttribute("stroke-width", parseFloat(style.strokeWidth) / zoom);
    const dashes = style.strokeDasharray;
    copy.setAttribute("stroke-dasharray", dashes === "none" ? "none" : dashes.split(/[ ,]+/).map((d) => parseFloat(d) / zoom).join(" "));
  }
  if (from.localName === "text") copy.textContent = from.textContent;
  else for (const child of from.children) { const made = plainCopy(child); if (made) copy.appendChild(made); }
  return copy;
}

// Copy samples and words of ordinary elements to where they stand, measured from a corner of theirs.
function copyBlock(block, picture, x, y) {
  const corner = block.getBoundingClientRect();
  for (const svg of block.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    if (!box.width) continue;
    const copy = plainCopy(svg);
    for (const [key, value] of Object.entries({ x: x + box.x - corner.x, y: y + box.y - corner.y, width: box.width, height: box.height })) copy.setAttribute(key, value);
    picture.appendChild(copy);
  }
  const words = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let text = words.nextNode(); text; text = words.nextNode()) {
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    if (text.textContent.trim() && box.width) write(picture, text.textContent, text.parentElement, x + box.x - corner.x, y + box.y - corner.y + box.height / 2);
  }
  return corner;
}

function write(picture, words, styled, x, y, size = null) {
  const style = getComputedStyle(styled);
  const at = { x, y, "dominant-baseline": "central", fill: style.color, "font-family": style.fontFamily, "font-size": size ?? style.fontSize, "font-weight": size ? 600 : style.fontWeight };
  return node("text", at, picture, words);
}

function drawPicture(view) {
  const { margin, title, gap, foot } = PICTURE;
  const [width, height] = [view.width, view.height];
  const key = view.legend.getBoundingClientRect();
  const note = view.model.get("synthetic") ? view.t.picture_note : "";
  const [whole, tall] = [width + 2 * margin, title + height + gap + key.height + (note ? foot : 0) + margin];
  const picture = node("svg", { xmlns: NS, width: whole, height: tall, viewBox: `0 0 ${whole} ${tall}` });
  node("rect", { width: whole, height: tall, fill: "#fff" }, picture);
  write(picture, view.model.get("title") || view.t.aria, view.root, margin, title / 2, "18px");
  const ground = getComputedStyle(view.stage);
  node("rect", { x: margin, y: title, width, height, fill: ground.backgroundColor, stroke: ground.borderTopColor }, picture);
  for (const sheet of view.stage.querySelectorAll(".bl-map-sheet")) {
    const copy = plainCopy(sheet);
    for (const [name, value] of Object.entries({ x: margin, y: title, width, height })) copy.setAttribute(name, value);
    picture.appendChild(copy);
  }
  const corner = view.stage.getBoundingClientRect();
  for (const name of [".bl-map-badge", ".bl-map-scale"]) {
    const block = view.stage.querySelector(name);
    const box = block.getBoundingClientRect();
    const [x, y] = [margin + box.x - corner.x, title + box.y - corner.y];
    node("rect", { x, y, width: box.width, height: box.height, rx: 4, fill: "#fff", "fill-opacity": 0.9 }, picture);
    copyBlock(block, picture, x, y);
    if (name === ".bl-map-scale") {
      const bar = view.bar.getBoundingClientRect();
      const [left, top] = [x + bar.x - box.x + 1, y + bar.y - box.y];
      node("path", { d: `M${left},${top}v${bar.height - 1}h${bar.width - 2}v${1 - bar.height}`, fill: "none", stroke: getComputedStyle(view.bar).borderLeftColor, "stroke-width": 2 }, picture);
    }
  }
  copyBlock(view.legend, picture, margin, title + height + gap);
  if (note) write(picture, note, view.root, margin, tall - margin - foot / 2 + 4).setAttribute("font-size", "13px");
  return [picture, whole, tall];
}

async function paintPicture(view) {
  const [picture, width, height] = drawPicture(view);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(picture))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * PICTURE.scale), Math.round(height * PICTURE.scale)];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error("no picture");
  return blob;
}

async function savePicture(view) {
  view.point(null);
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await paintPicture(view));
    link.download = `${(view.model.get("title") || view.t.aria).replace(/[\\/:*?"<>|\s]+/g, " ").trim()}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } catch {
    view.say(view.t.picture_failed);
  }
}

