// A schematic map in plain SVG: the geometry arrives once, afterwards only values and classes.
// No network, no WebGL. Kilometres east and north of the county's middle come in; pixels go out.

const NS = "http://www.w3.org/2000/svg";
const MAX_ZOOM = 24;
const HIDDEN = 255;
const RANK = { not_applicable: -1, no_data: 0, not_met: 2 }; // of any other class: 1
const BAR = 110; // pixels: what the scale's bar is long at most
const MEET = 7, FAN = 9; // pixels: marks nearer than this to one another stand on a circle of that radius
const VILLAGE_STEPS = [20, 60, 150, 400];
const LINK_STEPS = [10, 30, 80, 160, 300]; // pupils: where a link grows wider
const LINK_WIDTHS = [1.3, 2.2, 3.3, 4.6, 6.2, 8];
const SHAPES = {
  circle: "M0,-1A1,1 0 1 1 0,1A1,1 0 1 1 0,-1Z",
  square: "M-.9,-.9H.9V.9H-.9Z",
  diamond: "M0,-1.25L1.25,0L0,1.25L-1.25,0Z",
  triangle: "M0,-.95L.95,.75H-.95Z",
  hexagon: "M-.55,-.95H.55L1.1,0L.55,.95H-.55L-1.1,0Z",
};
const MARKS = {
  "✗": "M-.45,-.45L.45,.45M-.45,.45L.45,-.45",
  "!": "M0,-.55V.15M0,.5V.52",
  "–": "M-.45,0H.45",
  "+": "M-.5,0H.5M0,-.5V.5",
  "→": "M-.55,0H.5M.1,-.4L.5,0L.1,.4",
};

function node(name, attributes = {}, parent = null, text = null) {
  const svg = ["svg", "g", "path", "text", "circle", "line", "title", "desc", "rect"].includes(name);
  const made = svg ? document.createElementNS(NS, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  if (parent) parent.appendChild(made);
  return made;
}

function typed(model, key, Kind) {
  const view = model.get(key);
  if (!view || !view.byteLength) return new Kind(0);
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function pathOf(xy, parts, close) {
  const out = [];
  for (const [start, count] of parts) {
    for (let i = 0; i < count; i++) {
      const at = 2 * (start + i);
      out.push(i ? "L" : "M", xy[at].toFixed(3), ",", xy[at + 1].toFixed(3));
    }
    if (close) out.push("Z");
  }
  return out.join("");
}

function villageSample(parent, look) {
  const svg = node("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, parent);
  const dot = (width, stroke) => node("path", { d: "M0,0h0", stroke, "stroke-width": width, "stroke-linecap": look.shape === "square" ? "square" : "round" }, svg);
  dot(9, look.fill);
  if (look.shape === "ring") dot(5, "#fff");
}

function linkSample(parent, look) {
  const svg = node("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, parent);
  node("path", { d: "M-9,0H9", stroke: look.ink, "stroke-width": 3, "stroke-dasharray": look.dashed ? "5 3" : "none" }, svg);
}

class SchematicMapView {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.zoom = 1;
    this.cx = 0;
    this.cy = 0;
    this.width = 0;
    this.height = 0;
    this.pending = new Set();
    this.pointers = new Map();
    this.hover = null;
    this.current = 0;
    this.grow = 1;
    this.type = 1;
    this.boxes = [];
    this.fit = 1; // pixels a kilometre of the view that shows all
    this.atHome = true; // nobody has moved the view
    this.villageCounts = [];
    this.t = model.get("_text");
    this.listeners = [];
    this.lent = [];
    this.build();
    this.loadGeometry();
    this.loadYear();
    this.loadClasses();
    this.watch();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.resize();
  }

  // ---- what stands on the page -------------------------------------------------------------------------------
  build() {
    const t = this.t;
    this.el.classList.add("bl-map-host");
    this.root = node("div", { class: "bl-map" }, this.el);
    this.stage = node("div", { class: "bl-map-stage", tabindex: "0", role: "group", "aria-label": t.aria }, this.root);
    this.stage.style.height = `min(${this.model.get("height")}px, 100vw)`;
    const key = `bl${Math.random().toString(36).slice(2)}`;
    // Three sheets over each other: what a slider moves is painted anew without the ground below and the schools above.
    this.worlds = [];
    this.layer = {};
    for (const names of [["land", "areas", "townships", "outline", "rivers", "roads"], ["radius", "links", "ring", "villages"]]) {
      const world = node("g", {}, node("svg", { class: "bl-map-sheet", "aria-hidden": "true" }, this.stage));
      this.worlds.push(world);
      for (const name of names) this.layer[name] = node("g", { class: `bl-${name}` }, world);
    }
    this.svg = node("svg", { class: "bl-map-sheet", "aria-labelledby": `${key}t ${key}d`, role: "group" }, this.stage);
    node("title", { id: `${key}t` }, this.svg, t.aria);
    node("desc", { id: `${key}d` }, this.svg, t.desc);
    this.layer.places = node("g", { class: "bl-places", "aria-hidden": "true" }, this.svg);
    this.layer.schools = node("g", { class: "bl-schools" }, this.svg);
    this.layer.labels = node("g", { class: "bl-labels", "aria-hidden": "true" }, this.svg);
    this.corner = node("div", { class: "bl-map-corner" }, this.stage);
    const badge = node("div", { class: "bl-map-badge" }, this.corner, t.schematic);
    if (this.model.get("synthetic")) node("span", { class: "bl-map-synthetic" }, badge, t.synthetic);
    this.buildTools();
    this.buildScale();
    this.tip = node("div", { class: "bl-map-tip", role: "status", "aria-live": "polite", hidden: "" }, this.root);
    this.hint = node("div", { class: "bl-map-hint", hidden: "" }, this.stage, t.wheel);
    this.legend = node("div", { class: "bl-map-legend" }, this.root);
  }

  buildTools() {
    const t = this.t;
    const tools = (this.tools = node("div", { class: "bl-map-tools" }, this.stage));
    const button = (label, glyph, act) => {
      const made = node("button", { type: "button", title: label, "aria-label": label }, tools);
      const icon = node("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" }, made);
      node("path", { d: glyph }, icon);
      made.addEventListener("click", act);
    };
    button(t.zoom_in, "M-5,0H5M0,-5V5", () => this.zoomBy(1.6));
    button(t.zoom_out, "M-5,0H5", () => this.zoomBy(1 / 1.6));
    button(t.whole, "M-6,-2V-6H-2M2,-6H6V-2M6,2V6H2M-2,6H-6V2", () => this.home());
    button(t.picture, "M0,-7V3M-4,-1L0,3L4,-1M-6,7H6", () => savePicture(this));
    const find = node("input", { type: "search", class: "bl-map-find", placeholder: t.find, "aria-label": t.find }, this.corner);
    find.addEventListener("input", () => this.find(find.value));
    find.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Enter") this.find(find.value, true); });
    const box = node("details", { class: "bl-map-layers" }, tools);
    node("summary", { title: t.layers, "aria-label": t.layers }, box, t.layers);
    this.checks = node("div", {}, box);
  }

  buildScale() {
    const corner = (this.scaleBox = node("div", { class: "bl-map-scale", "aria-hidden": "true" }, this.stage));
    const north = node("svg", { viewBox: "-10 -14 20 28", class: "bl-map-north" }, corner);
    node("path", { d: "M0,-13L6,8L0,4L-6,8Z" }, north);
    node("span", {}, corner, this.t.north);
    this.bar = node("i", {}, corner);
    this.barText = node("span", {}, corner);
  }

  // ---- data --------------------------------------------------------------------------------------------------
  loadGeometry() {
    const xy = (this.xy = typed(this.model, "_geometry", Float32Array));
    const before = this.index?.middle;
    const index = (this.index = this.model.get("_index"));
    this.root.dataset.geometryBytes = xy.byteLength;
    for (const group of Object.values(this.layer)) group.replaceChildren();
    this.lent = [];
    const place = (layer, parts, close) => node("path", { d: pathOf(xy, parts, close) }, this.layer[layer]);
    if (index.outline.length) {
      place("land", index.outline, true);
      place("outline", index.outline, true);
    }
    for (const town of index.townships) if (town.rings.length) place("townships", town.rings, true);
    if (index.rivers.length) place("rivers", index.rivers, false);
    for (const [kind, [start, count]] of Object.entries(index.roads)) {
      const out = [];
      for (let i = start; i < start + 2 * count; i++)
        out.push((i - start) % 2 ? "L" : "M", xy[2 * i].toFixed(3), ",", xy[2 * i + 1].toFixed(3));
      node("path", { d: out.join(""), class: `bl-road-${kind}` }, this.layer.roads);
    }
    this.towns = index.townships.filter((town) => town.at).map((town) => ({ ...town, text: node("text", {}, this.layer.labels, town.name) }));
    this.villages = index.villages.name.map((name, i) => ({
      name, kind: "village", id: index.villages.id[i], town: index.villages.town[i], i,
      x: xy[2 * (index.villages.start + i)], y: xy[2 * (index.villages.start + i) + 1],
    }));
    for (const village of this.villages) village.dot = `M${village.x.toFixed(3)},${village.y.toFixed(3)}h0`;
    this.schools = index.schools.name.map((name, i) => {
      const group = node("g", { class: "bl-school", role: "button", tabindex: "-1", "data-id": index.schools.id[i] }, this.layer.schools);
      group.addEventListener("focus", () => { this.current = i; this.point(this.schools[i]); });
      return {
        name, kind: "school", id: index.schools.id[i], town: index.schools.town[i], i, group,
        x: xy[2 * (index.schools.start + i)], y: xy[2 * (index.schools.start + i) + 1],
        text: node("text", { class: "bl-school-label" }, this.layer.labels, name),
      };
    });
    this.bound();
    if (String(index.middle) !== String(before)) [this.zoom, this.atHome] = [1, true]; // another county
    this.fillChecks();
    this.resize();
  }

  fillChecks() {
    this.checks.replaceChildren();
    const there = this.index.layers;
    const shown = this.model.get("shown");
    for (const name of there) {
      const label = node("label", {}, this.checks);
      const box = node("input", { type: "checkbox" }, label);
      box.checked = shown.includes(name);
      label.append(this.t[`layer_${name}`]);
      box.addEventListener("change", () => {
        const now = new Set(this.model.get("shown"));
        box.checked ? now.add(name) : now.delete(name);
        this.model.set("shown", [...now]);
        this.model.save_changes();
      });
    }
    this.showLayers();
  }

  showLayers() {
    const shown = new Set(this.model.get("shown"));
    for (const name of ["townships", "rivers", "roads", "villages"])
      this.layer[name].style.display = shown.has(name) ? "" : "none";
    this.ask("frame");
  }

  loadYear() {
    const kinds = typed(this.model, "_kinds", Uint8Array);
    const pupils = typed(this.model, "_pupils", Float32Array);
    const dots = typed(this.model, "_dots", Float32Array);
    const scale = this.model.get("symbol_scale"), most = this.index.most_pupils || 2000;
    this.schools.forEach((school, i) => {
      school.open = kinds[i] !== undefined && kinds[i] !== HIDDEN;
      school.type = school.open ? this.index.kinds[kinds[i]] : null;
      school.pupils = pupils[i];
      school.size = scale * (5.2 + 4.8 * Math.min(1, Math.sqrt((pupils[i] || 0) / most)));
    });
    this.ranked = "";
    this.villages.forEach((village, i) => {
      village.pupils = dots[i];
      village.step = Number.isFinite(dots[i]) ? VILLAGE_STEPS.filter((s) => dots[i] >= s).length : 0;
    });
    this.loadVillages();
  }

  // Villages of one class and size are one path: two thousand of them are drawn again while a slider moves.
  loadVillages() {
    const legend = this.model.get("village_legend");
    const codes = typed(this.model, "_village_classes", Uint8Array);
    const values = typed(this.model, "_village_values", Float32Array);
    const notes = this.model.get("_village_notes");
    const looks = codes.length && legend.length ? legend : [{ shape: "dot", fill: "" }];
    const paths = new Map();
    this.villageCounts = looks.map(() => 0);
    this.villages.forEach((village, i) => {
      const at = Math.min(codes[i] ?? 0, looks.length - 1);
      village.class = codes.length ? looks[at] : null;
      village.value = values[i];
      village.note = notes[i] || "";
      this.villageCounts[at] += 1;
      const key = at * 8 + village.step;
      if (!paths.has(key)) paths.set(key, []);
      paths.get(key).push(village.dot);
    });
    const group = this.layer.villages;
    group.classList.toggle("bl-classed", codes.length > 0);
    group.replaceChildren();
    for (const [key, parts] of [...paths].sort((a, b) => a[0] - b[0])) {
      const look = looks[key >> 3];
      const size = 2.4 + 1.3 * (key & 7) + (look.shape === "dot" ? 0 : 2);
      const add = (width, stroke) => {
        const path = node("path", { d: parts.join(""), "data-size": width, "stroke-width": width * this.grow }, group);
        if (stroke) path.style.stroke = stroke;
        if (look.shape === "square") path.style.strokeLinecap = "square";
        if (look.key) path.setAttribute("data-class", look.key);
      };
      add(size, look.fill);
      if (look.shape === "ring") add(Math.max(1.2, size - 2.4), "#fff");
    }
  }

  // Areas, such as catchments: all as dashed lines, the selected school's filled.
  loadAreas() {
    const xy = typed(this.model, "_areas", Float32Array);
    this.layer.areas.replaceChildren();
    for (const [id, rings] of this.model.get("_area_parts"))
      node("path", { d: pathOf(xy, rings, true), "data-id": id, "fill-rule": "evenodd" }, this.layer.areas);
    this.showArea();
  }

  showArea() {
    const selected = this.model.get("selected");
    for (const path of this.layer.areas.children) path.classList.toggle("bl-selected", path.dataset.id === selected);
  }

  // Links of one class and width are one path; breaches of a rule, which come last in the legend, lie on top.
  loadLinks() {
    const pairs = typed(this.model, "_links", Uint32Array);
    const codes = typed(this.model, "_link_classes", Uint8Array);
    const pupils = typed(this.model, "_link_pupils", Float32Array);
    const legend = this.model.get("link_legend");
    const paths = new Map();
    this.linkCounts = legend.map(() => 0);
    for (let i = 0; 2 * i + 1 < pairs.length; i++) {
      const from = this.villages[pairs[2 * i]] ?? this.schools[pairs[2 * i] - this.villages.length];
      const school = this.schools[pairs[2 * i + 1]];
      if (!from || !school) continue;
      const at = legend.length ? Math.min(codes[i] ?? 0, legend.length - 1) : 0;
      if (legend.length) this.linkCounts[at] += 1;
      const key = at * 8 + (pupils[i] > 0 ? LINK_STEPS.filter((s) => pupils[i] >= s).length : 0);
      if (!paths.has(key)) paths.set(key, []);
      paths.get(key).push(`M${from.x.toFixed(3)},${from.y.toFixed(3)}L${school.x.toFixed(3)},${school.y.toFixed(3)}`);
    }
    this.layer.links.replaceChildren();
    // By class, and wide ones first, so that no thin link lies hidden under a wide one.
    for (const [key, parts] of [...paths].sort((a, b) => (a[0] >> 3) - (b[0] >> 3) || b[0] - a[0])) {
      const look = legend[key >> 3];
      const path = node("path", { d: parts.join(""), "data-class": look?.key ?? "", "data-links": parts.length }, this.layer.links);
      if (look) Object.assign(path.style, { stroke: look.ink, strokeDasharray: look.dashed ? "6 4" : "none" });
      if (pupils.length) path.style.strokeWidth = LINK_WIDTHS[key & 7];
    }
    this.layer.ring.replaceChildren();
    const chosen = this.villages.find((village) => village.id === this.model.get("selected_village"));
    if (chosen) for (const name of ["bl-ring-out", "bl-ring-in"]) node("path", { d: chosen.dot, class: name }, this.layer.ring);
  }

  loadClasses() {
    const classes = typed(this.model, "_classes", Uint8Array);
    const values = typed(this.model, "_values", Float32Array);
    const notes = this.model.get("_notes");
    const legend = this.model.get("legend");
    const counts = legend.map(() => 0);
    for (const school of this.schools) {
      const at = Math.min(classes[school.i] ?? legend.length - 1, legend.length - 1);
      school.value = values[school.i];
      school.note = notes[school.i] || "";
      if (school.open) counts[at] += 1;
      const look = `${school.open ? school.type.shape : ""}|${at}|${school.size}|${legend[at]?.fill}|${legend[at]?.ink}|${legend[at]?.mark}`;
      if (look !== school.look) this.drawSchool(school, legend[at]);
      school.look = look;
      school.class = legend[at];
      const said = [school.name, school.type?.label, legend[at]?.label, this.valueText(school)].filter(Boolean).join(", ");
      for (const [name, value] of [["data-class", legend[at]?.key ?? ""], ["aria-label", said]])
        if (school.group.getAttribute(name) !== value) school.group.setAttribute(name, value);
    }
    this.counts = counts;
    this.rank();
    this.drawLegend();
    if (this.hover) this.point(this.hover);
  }

  // What fails lies above what passes, that above what nobody judged; of one rank the large ones come first, so that
  // no small school lies hidden under a large one.
  rank() {
    const order = this.schools.filter((school) => school.open)
      .sort((a, b) => (RANK[a.class?.key] ?? 1) - (RANK[b.class?.key] ?? 1) || b.size - a.size);
    const ranked = order.map((school) => school.i).join();
    if (ranked !== this.ranked) this.layer.schools.append(...order.map((school) => school.group));
    this.ranked = ranked;
  }

  drawSchool(school, look) {
    school.group.replaceChildren();
    school.group.style.display = school.open ? "" : "none";
    if (!school.open || !look) return;
    const scale = school.size * (school.type.shape === "triangle" ? 0.95 : 1);
    const body = node("g", { transform: `scale(${scale})` }, school.group);
    node("path", { class: "bl-halo", d: SHAPES[school.type.shape] }, body);
    node("path", { class: "bl-body", d: SHAPES[school.type.shape], fill: look.fill, stroke: look.ink, "stroke-dasharray": look.mark === "?" ? "2.2 1.6" : "none" }, body);
    if (MARKS[look.mark]) node("path", { class: "bl-mark", d: MARKS[look.mark], style: `stroke:${look.mark_ink ?? "#fff"}` }, body);
  }

  drawLegend() {
    const [legend, counts] = [this.model.get("legend"), this.counts];
    const sample = (parent, shape, look) => {
      const svg = node("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, parent);
      const body = node("g", { transform: "scale(6)" }, svg);
      node("path", { class: "bl-body", d: SHAPES[shape], fill: look.fill, stroke: look.ink, "stroke-dasharray": look.mark === "?" ? "2.2 1.6" : "none" }, body);
      if (MARKS[look.mark]) node("path", { class: "bl-mark", d: MARKS[look.mark], style: `stroke:${look.mark_ink ?? "#fff"}` }, body);
    };
    this.legend.replaceChildren();
    const group = (title) => {
      let box = null; // a group begins with its first entry
      return (make, text) => {
        if (!box) {
          box = node("div", { class: "bl-legend-group", role: "group", "aria-label": title }, this.legend);
          if (title) node("b", {}, box, title);
        }
        const item = node("span", {}, box); make(item); item.append(text);
      };
    };
    const title = this.model.get("value_label");
    const byClass = group(title ? title : this.t.classes);
    legend.forEach((look, i) => { if (counts[i] || look.always) byClass((p) => sample(p, "circle", look), `${look.label} ${counts[i]}`); });
    const byKind = group(this.index.kinds.some((type) => type.group) ? this.t.kinds : "");
    const plain = { fill: "#fff", ink: "var(--bl-ink)", mark: "" };
    const seen = new Set();
    for (const school of this.schools) if (school.open) seen.add(school.type);
    const shapes = new Map();
    for (const type of this.index.kinds) if (type.group && seen.has(type)) shapes.set(type.group, type.shape);
    for (const [label, shape] of shapes) byKind((p) => sample(p, shape, plain), label);
    const coloured = this.model.get("village_legend");
    if (coloured.length && this.villages.length) {
      const byVillage = group([this.t.layer_villages, this.model.get("village_label")].filter(Boolean).join(" · "));
      coloured.forEach((look, i) => { if (this.villageCounts[i]) byVillage((p) => villageSample(p, look), `${look.label} ${this.villageCounts[i]}`); });
    } else if (this.villages.length && this.model.get("shown").includes("villages"))
      byKind((p) => { const svg = node("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, p); node("circle", { r: 3, class: "bl-dot" }, svg); }, this.t.village_dot);
    const linked = this.model.get("link_legend");
    if (linked.length && this.linkCounts?.some(Boolean)) {
      const byLink = group(this.model.get("link_label") || this.t.links);
      linked.forEach((look, i) => { if (this.linkCounts[i]) byLink((p) => linkSample(p, look), `${look.label} ${this.linkCounts[i]}`); });
      if (typed(this.model, "_link_pupils", Float32Array).length) byLink(() => {}, this.t.link_width);
    }
    for (const km of this.model.get("radius_km"))
      byKind((p) => { const svg = node("svg", { viewBox: "-9 -9 18 18", class: "bl-radius", "aria-hidden": "true" }, p); node("circle", { r: 7 }, svg); }, this.t.radius.replace("{n}", Number(km.toFixed(2))));
    if (this.model.get("_area_parts").length && this.model.get("area_label"))
      byKind((p) => { const svg = node("svg", { viewBox: "-9 -9 18 18", class: "bl-areas", "aria-hidden": "true" }, p); node("path", { d: "M-7,-5H7V5H-7Z" }, svg); }, this.model.get("area_label"));
    const missing = this.index.unplaced;
    if (missing) node("span", { class: "bl-legend-note" }, this.legend, this.t.unplaced.replace("{n}", missing));
  }

  valueText(school) {
    if (!this.model.get("value_label") && !Number.isFinite(school.value)) return "";
    if (!Number.isFinite(school.value)) return this.model.get("has_values") ? this.t.no_value : "";
    return `${school.value.toLocaleString(this.t.locale, { maximumFractionDigits: this.model.get("digits") })} ${this.model.get("unit")}`.trim();
  }

  // ---- view --------------------------------------------------------------------------------------------------
  bound() {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i + 1 < this.xy.length; i += 2) {
      x0 = Math.min(x0, this.xy[i]); x1 = Math.max(x1, this.xy[i]);
      y0 = Math.min(y0, this.xy[i + 1]); y1 = Math.max(y1, this.xy[i + 1]);
    }
    // Without an outline the circles may reach beyond all places: the view begins with them in it.
    const pad = this.index.outline.length ? 0 : Math.max(0, ...this.model.get("radius_km"));
    this.box = Number.isFinite(x0) ? [x0 - pad, y0 - pad, x1 + pad, y1 + pad] : [-10, -10, 10, 10];
  }

  // What lies over the map, as boxes in its pixels with some air around: no mark of the whole view and no label stands
  // under one of them.
  controls() {
    const corner = this.stage.getBoundingClientRect();
    return [...this.corner.children, ...this.tools.children, this.scaleBox].map((e) => {
      const box = e.getBoundingClientRect(), air = 3 * this.type, more = e === this.scaleBox ? BAR - this.bar.offsetWidth : 0;
      return [box.left - corner.left - air, box.top - corner.top - air, box.right - corner.left + more + air, box.bottom - corner.top + air];
    });
  }

  // The largest view of everything in which schools and the places of names stand clear of the controls; the outline
  // may lie under them. Where it can stand in several places, it stands in the one nearest to the middle.
  fitAll() {
    const [x0, y0, x1, y1] = this.box, [wide, tall] = [Math.max(x1 - x0, 0.5), Math.max(y1 - y0, 0.5)];
    const [free, high] = [this.width - 56, this.height - 56];
    const most = Math.max(Math.min(free / wide, high / tall), 0.01);
    const thirds = [0, 1, -1, 2, -2, 3, -3].map((n) => n / 3);
    const ways = thirds.flatMap((dx) => thirds.map((dy) => [dx, dy])).sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
    const shifted = (fit, [dx, dy]) => [
      this.width / 2 - ((x0 + x1) / 2) * fit + (dx * (free - wide * fit)) / 2,
      this.height / 2 + ((y0 + y1) / 2) * fit + (dy * (high - tall * fit)) / 2,
    ];
    const boxes = (this.boxes = this.controls()), largest = this.type * this.model.get("symbol_scale") * 10 + 2;
    const schools = this.schools.filter((school) => Number.isFinite(school.x));
    const towns = this.towns.map((town) => [town.at[0], -town.at[1], 0]);
    const clear = (fit) => {
      const near = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) * fit < 2 * MEET;
      const marks = schools.map((school) => {
        const crowd = schools.filter((other) => near(other, school)).length; // what fans out needs its circle's room too
        return [school.x, -school.y, largest + (crowd > 1 ? Math.max(FAN, crowd * 2.6) + MEET : 0)];
      });
      return ([dx, dy]) => [...marks, ...towns].every(([x, y, r]) => boxes.every(([left, top, right, bottom]) =>
        x * fit + dx + r < left || x * fit + dx - r > right || y * fit + dy + r < top || y * fit + dy - r > bottom));
    };
    let fit = most, shift;
    do shift = ways.map((way) => shifted(fit, way)).find(clear(fit)); while (!shift && (fit *= 0.98) > most / 2);
    if (!shift) [fit, shift] = [most, shifted(most, [0, 0])];
    this.fit = fit;
    if (this.atHome) [this.cx, this.cy] = [(this.width / 2 - shift[0]) / fit, (shift[1] - this.height / 2) / fit];
  }

  get scale() { return this.fit * this.zoom; }

  screen(place) {
    return [(place.x - this.cx) * this.scale + this.width / 2, (this.cy - place.y) * this.scale + this.height / 2];
  }

  resize() {
    const { width, height } = this.stage.getBoundingClientRect();
    if (!width || !height) return;
    [this.width, this.height] = [width, height];
    this.type = parseFloat(getComputedStyle(this.root).getPropertyValue("--bl-px")) || 1; // marks grow as type does
    this.stage.style.setProperty("--bl-shape", `${width} / ${height}`); // on paper the frame keeps it, so nothing is cut off
    for (const sheet of this.stage.querySelectorAll(".bl-map-sheet")) sheet.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.fitAll();
    this.ask("frame");
  }

  home() { this.zoom = 1; this.atHome = true; this.bound(); this.fitAll(); this.ask("frame"); }

  zoomBy(factor, sx = this.width / 2, sy = this.height / 2) {
    const before = this.scale;
    this.zoom = Math.min(MAX_ZOOM, Math.max(0.8, this.zoom * factor));
    const after = this.scale;
    this.cx += (sx - this.width / 2) * (1 / before - 1 / after);
    this.cy -= (sy - this.height / 2) * (1 / before - 1 / after);
    this.atHome = false;
    this.ask("frame");
  }

  panBy(dx, dy) { this.cx -= dx / this.scale; this.cy += dy / this.scale; this.atHome = false; this.ask("frame"); }

  ask(what) {
    if (!this.pending.size) requestAnimationFrame(() => this.draw());
    this.pending.add(what);
  }

  draw() {
    const asked = this.pending;
    this.pending = new Set();
    if (!this.root.isConnected) return;
    if (asked.has("year")) this.loadYear();
    else if (asked.has("villages")) this.loadVillages();
    if (asked.has("areas")) this.loadAreas();
    if (asked.has("links")) this.loadLinks();
    if (asked.has("year") || asked.has("classes")) this.loadClasses();
    else if (asked.has("villages") || asked.has("radius") || asked.has("areas") || asked.has("links")) this.drawLegend();
    if (asked.has("radius") || asked.has("year")) this.drawRadius();
    // Circles and links lie in the world's own coordinates, and colours move nothing.
    const still = [...asked].every((what) => ["classes", "villages", "radius", "areas", "links"].includes(what));
    if (this.width && !still) this.frame();
    if (this.hover && asked.has("villages")) this.point(this.hover);
    this.root.dataset.draws = Number(this.root.dataset.draws || 0) + 1;
  }

  frame() {
    const s = this.scale;
    const place = `translate(${this.width / 2 - this.cx * s},${this.height / 2 + this.cy * s}) scale(${s},${-s})`;
    for (const world of this.worlds) world.setAttribute("transform", place);
    const grow = (this.grow = this.type * Math.min(1.7, this.zoom ** 0.25));
    const selected = this.model.get("selected");
    this.spread();
    for (const school of this.schools) {
      if (!school.open) continue;
      const [x, y] = school.at;
      school.group.setAttribute("transform", `translate(${x.toFixed(1)},${y.toFixed(1)}) scale(${grow.toFixed(2)})`);
      school.group.classList.toggle("bl-selected", school.id === selected);
    }
    for (const path of this.layer.villages.children) path.setAttribute("stroke-width", path.dataset.size * grow);
    this.drawLabels(selected);
    this.drawScale(s);
  }

  // Schools that share a place fan out around it: each can be seen and pointed at; closer up they part by themselves.
  spread() {
    const groups = [];
    for (const school of this.schools) {
      if (!school.open) continue;
      school.at = this.screen(school);
      const group = groups.find(([first]) => Math.hypot(first.at[0] - school.at[0], first.at[1] - school.at[1]) < MEET);
      group ? group.push(school) : groups.push([school]);
    }
    for (const group of groups) {
      if (group.length < 2) continue;
      const [x, y] = group[0].at;
      const radius = Math.max(FAN, group.length * 2.6);
      group.forEach((school, k) => {
        const angle = (2 * Math.PI * k) / group.length - Math.PI / 2;
        school.at = [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
      });
    }
  }

  drawLabels(selected) {
    const taken = [...this.boxes];
    const shown = new Set(this.model.get("shown"));
    const symbols = this.schools.filter((s) => s.open && s.at).map((s) => [s.at[0] - s.size * this.grow, s.at[1] - s.size * this.grow, s.at[0] + s.size * this.grow, s.at[1] + s.size * this.grow]);
    const meets = (box, others) => others.some((o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1]);
    const write = (text, [x, y], box, size) => {
      taken.push(box);
      text.style.display = "";
      text.setAttribute("x", x.toFixed(1));
      text.setAttribute("y", (y + size * 0.36).toFixed(1));
    };
    // Try the places in turn; a label that fits nowhere is left out rather than laid over another.
    const place = (item, text, points, offsets, avoid, always = false) => {
      const size = points * this.type;
      text.style.display = "none";
      const [x0, y0] = this.screen(item);
      const w = 0.55 * size + [...text.textContent].reduce((sum, c) => sum + (c.charCodeAt(0) > 0x2e80 ? size : size * 0.58), 0);
      for (const [dx, dy] of offsets) {
        const beside = x0 + dx * (w / 2 + 4), y = y0 + dy * this.type;
        // What stands on the map has its whole name on it, not the half that the edge leaves.
        const x = x0 < 0 || x0 > this.width ? beside : Math.min(Math.max(beside, w / 2), this.width - w / 2);
        const box = [x - w / 2, y - size * 0.62, x + w / 2, y + size * 0.62];
        if (box[2] < 0 || box[0] > this.width || box[3] < 0 || box[1] > this.height) continue;
        if (!always && (meets(box, taken) || meets(box, avoid))) continue;
        write(text, [x, y], box, size);
        return true;
      }
      return false;
    };
    const near = (size) => [[0, -(size * 1.3 + 10)], [0, size * 1.3 + 11], [1.25, 0], [-1.25, 0]];
    for (const school of this.schools)
      if (school.open && school.id === selected) place(school, school.text, 14, near(school.size), []) || place(school, school.text, 14, near(school.size), [], true);
    const around = [0, 18, 32, 46, 60].flatMap((dy) => [0, 0.7, -0.7, 1.2, -1.2].flatMap((dx) => [[dx, -dy], [dx, dy]]))
      .sort(([ax, ay], [bx, by]) => Math.hypot(ax * 30, ay) - Math.hypot(bx * 30, by));
    for (const town of this.towns) {
      town.text.style.display = "none";
      const at = { x: town.at[0], y: town.at[1] };
      if (shown.has("labels")) place(at, town.text, 14, around, symbols) || place(at, town.text, 14, around, []);
    }
    for (const school of this.schools) {
      if (school.id === selected && school.open) continue;
      school.text.style.display = "none";
      if (school.open && shown.has("labels") && this.zoom >= 2.6) place(school, school.text, 12, near(school.size), symbols);
    }
    this.drawVillageNames(place, symbols, shown);
  }

  // Villages are many and named only close up: a few text elements are lent to those in view.
  drawVillageNames(place, symbols, shown) {
    const close = this.zoom >= 5 && shown.has("labels") && shown.has("villages");
    let used = 0;
    for (const village of close ? this.villages : []) {
      const [x, y] = this.screen(village);
      if (x < 0 || y < 0 || x > this.width || y > this.height || used >= 80) continue;
      const text = (this.lent[used] ??= node("text", { class: "bl-village-label" }, this.layer.labels));
      text.textContent = village.name;
      if (place(village, text, 12, [[0, 13], [0, -13]], symbols)) used += 1;
    }
    for (const text of this.lent.slice(used)) text.style.display = "none";
  }

  drawScale(s) {
    const target = BAR / s;
    const power = 10 ** Math.floor(Math.log10(target));
    const km = [5, 2, 1].map((m) => m * power).find((m) => m <= target) ?? power;
    this.bar.style.width = `${(km * s).toFixed(1)}px`;
    this.barText.textContent = km >= 1 ? `${km} ${this.t.km}` : `${Math.round(km * 1000)} ${this.t.m}`;
    this.barText.dataset.km = km;
  }

  // One path a radius: where circles overlap the fill is drawn once, and a slider moves it in one stroke.
  drawRadius() {
    const group = this.layer.radius;
    const mask = typed(this.model, "_circles", Uint8Array);
    const around = this.schools.filter((school) => school.open && (!mask.length || mask[school.i]));
    group.replaceChildren();
    for (const km of this.model.get("radius_km")) {
      const arc = `a${km},${km} 0 1 0 ${2 * km},0a${km},${km} 0 1 0 ${-2 * km},0Z`;
      const d = around.map((school) => `M${(school.x - km).toFixed(3)},${school.y.toFixed(3)}${arc}`).join("");
      node("path", { d, "data-km": km, "data-circles": around.length }, group);
    }
  }

  // ---- what people do ----------------------------------------------------------------------------------------
  watch() {
    const on = (keys, act) => keys.forEach((key) => {
      const name = `change:${key}`;
      this.model.on(name, act);
      this.listeners.push([name, act]);
    });
    on(["_classes", "_values", "_notes", "legend", "value_label", "unit", "digits"], () => this.ask("classes"));
    on(["_kinds", "_pupils", "_dots", "symbol_scale"], () => this.ask("year"));
    on(["_circles", "radius_km"], () => this.ask("radius"));
    on(["_village_classes", "_village_values", "_village_notes", "village_legend", "village_label", "village_unit"], () => this.ask("villages"));
    on(["_areas", "_area_parts", "area_label"], () => this.ask("areas"));
    on(["_links", "_link_classes", "_link_pupils", "link_legend", "link_label", "selected_village"], () => this.ask("links"));
    on(["shown"], () => { this.fillChecks(); this.ask("classes"); });
    on(["_geometry", "_index"], () => { this.loadGeometry(); for (const what of ["year", "areas", "links"]) this.ask(what); });
    on(["height"], () => { this.stage.style.height = `min(${this.model.get("height")}px, 100vw)`; });
    on(["selected"], () => this.showSelected());
    const stage = this.stage;
    stage.addEventListener("wheel", (e) => this.onWheel(e), { passive: false });
    stage.addEventListener("keydown", (e) => this.onKey(e));
    this.svg.addEventListener("pointerdown", (e) => this.onDown(e));
    this.svg.addEventListener("pointermove", (e) => this.onMove(e));
    for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, (e) => this.onUp(e));
    stage.addEventListener("pointerleave", () => this.point(null));
    stage.addEventListener("focusout", (e) => { if (!stage.contains(e.relatedTarget)) this.point(null); });
    for (const what of ["radius", "areas", "links"]) this.ask(what);
  }

  showSelected() {
    this.showArea();
    const school = this.schools.find((s) => s.id === this.model.get("selected") && s.open);
    if (school) {
      const [x, y] = this.screen(school);
      const under = this.boxes.some(([left, top, right, bottom]) => x > left && x < right && y > top && y < bottom);
      if (under || x < 20 || y < 20 || x > this.width - 20 || y > this.height - 20) {
        [this.cx, this.cy] = [school.x, school.y];
        this.atHome = false;
      }
    }
    this.ask("frame");
  }

  local(event) {
    const box = this.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // The first school whose name or township holds the words is chosen; Enter opens it as a click does.
  find(words, opened = false) {
    const wanted = words.trim().toLowerCase();
    const school = wanted && this.schools.find((s) => s.open && `${s.name} ${s.town}`.toLowerCase().includes(wanted));
    if (!school) { this.point(null); return; }
    this.model.set("selected", school.id);
    this.model.save_changes();
    this.point(school);
    if (opened) this.click(school);
  }

  nearest(sx, sy) {
    let best = null;
    let near = 15;
    for (const school of this.schools) {
      if (!school.open || !school.at) continue;
      const d = Math.hypot(school.at[0] - sx, school.at[1] - sy) - 0.6 * school.size;
      if (d < near) [best, near] = [school, d];
    }
    if (best || !this.model.get("shown").includes("villages")) return best;
    near = 9;
    for (const village of this.villages) {
      const [x, y] = this.screen(village);
      const d = Math.hypot(x - sx, y - sy);
      if (d < near) [best, near] = [village, d];
    }
    return best;
  }

  point(place) {
    this.hover = place;
    this.tip.hidden = !place;
    this.svg.style.cursor = place ? "pointer" : "";
    if (!place) return;
    this.tip.replaceChildren();
    node("strong", {}, this.tip, place.name);
    const line = (text, name = "") => { if (text) node("div", { class: name }, this.tip, text); };
    line([place.town, place.type?.label].filter(Boolean).join(" · "), "bl-tip-muted");
    if (place.kind === "school") {
      if (place.class) line(`${place.class.mark} ${place.class.label}`.trim(), "bl-tip-class");
      const value = this.valueText(place);
      if (value) line(`${this.model.get("value_label")} ${value}`.trim());
      line(place.note);
    } else if (place.class) {
      line(place.class.label, "bl-tip-class");
      const label = this.model.get("village_label");
      if (typed(this.model, "_village_values", Float32Array).length)
        line(`${label} ${Number.isFinite(place.value) ? `${place.value.toLocaleString(this.t.locale, { maximumFractionDigits: 1 })} ${this.model.get("village_unit")}` : this.t.no_value}`.trim());
    }
    if (place.kind === "village") line(place.note);
    line(Number.isFinite(place.pupils) ? this.t.pupils.replace("{n}", place.pupils.toLocaleString(this.t.locale)) : this.t.pupils_unknown);
    const [x, y] = place.at ?? this.screen(place);
    const wide = this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(4, Math.min(this.width - wide - 4, x + 14))}px`;
    this.tip.style.top = `${y + 14 + this.tip.offsetHeight > this.height && y - 14 > this.tip.offsetHeight ? y - 14 - this.tip.offsetHeight : y + 14}px`;
  }

  click(place) {
    const count = (this.model.get("clicked").n || 0) + 1;
    this.model.set("clicked", { kind: place.kind, id: place.id, n: count });
    this.model.set("selected_village", place.kind === "village" ? place.id : "");
    if (place.kind === "school") this.model.set("selected", place.id);
    this.model.save_changes();
    this.ask("frame");
  }

  onWheel(event) {
    const mine = event.ctrlKey || this.stage.contains(document.activeElement);
    if (!mine) { this.say(this.t.wheel); return; }
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    this.zoomBy(Math.exp(-event.deltaY * unit * 0.0016), ...this.local(event));
  }

  say(words) {
    this.hint.textContent = words;
    this.hint.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => { this.hint.hidden = true; }, 1200);
  }

  onDown(event) {
    if (event.button) return;
    this.stage.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.svg.setPointerCapture(event.pointerId);
    if (this.pointers.size === 1) this.moved = 0;
    else this.moved = 99;
  }

  onMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) { this.point(this.nearest(...this.local(event))); return; }
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      this.zoomBy(spread(now) / spread(before), ...this.local({ clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 }));
      this.panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    } else {
      this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (this.moved > 4 && event.pointerType !== "touch") { this.point(null); this.panBy(now[0] - before[0], now[1] - before[1]); }
    }
    this.pointers.set(event.pointerId, now);
  }

  onUp(event) {
    const was = this.pointers.delete(event.pointerId);
    if (!was || event.type === "pointercancel" || this.moved > 4) return;
    const place = this.nearest(...this.local(event));
    this.point(place);
    if (place) this.click(place);
  }

  onKey(event) {
    const onSchool = event.target.classList?.contains("bl-school");
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.target.closest?.(".bl-map-tools, .bl-map-find")) return;
    if (arrow && onSchool) this.step(-arrow[0], -arrow[1]);
    else if (arrow) this.panBy(arrow[0] * 60, arrow[1] * 60);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.4);
    else if (event.key === "-") this.zoomBy(1 / 1.4);
    else if (event.key === "0" || event.key === "Home") this.home();
    else if (event.key === "Escape") { this.stage.focus(); this.point(null); }
    else if ((event.key === "Enter" || event.key === " ") && onSchool) this.click(this.schools[this.current]);
    else if (event.key === "Enter" && !onSchool) this.enter();
    else return;
    event.preventDefault();
  }

  enter() {
    const first = this.schools.find((s) => s.open && s.id === this.model.get("selected")) ?? this.schools.find((s) => s.open);
    first?.group.focus();
  }

  step(dx, dy) {
    const from = this.schools[this.current];
    let best = null;
    let least = Infinity;
    for (const school of this.schools) {
      if (!school.open || school === from) continue;
      const along = (school.at[0] - from.at[0]) * dx + (school.at[1] - from.at[1]) * dy;
      const aside = Math.abs((school.at[0] - from.at[0]) * dy) + Math.abs((school.at[1] - from.at[1]) * dx);
      if (along > 0 && along + 2 * aside < least) [best, least] = [school, along + 2 * aside];
    }
    best?.group.focus();
  }

  remove() {
    this.observer.disconnect();
    clearTimeout(this.hintTimer);
    for (const [name, act] of this.listeners) this.model.off(name, act);
  }
}

export default {
  render({ model, el }) {
    const view = new SchematicMapView(model, el);
    return () => view.remove();
  },
};
