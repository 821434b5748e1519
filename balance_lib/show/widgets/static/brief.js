// The brief's own script: gives the map a model that lives in the file, and answers the sliders with the board.

const data = JSON.parse(document.getElementById("data").textContent);
const board = new Board(unpack(data.board));
const format = new Intl.NumberFormat(data.lang === "zh" ? "zh-CN" : "en");

/** What the map's script expects of a widget's model, kept in the page. */
class FileModel {
  constructor(state) {
    this.heard = new Map();
    this.state = Object.fromEntries(Object.entries(state).map(([name, value]) =>
      [name, value && value.dtype === "bytes" ? view(Uint8Array.from(atob(value.data), (c) => c.charCodeAt(0))) : value]));
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    this.state[name] = value;
    for (const act of this.heard.get(`change:${name}`) ?? []) act();
  }
  save_changes() {}
  on(name, act) { this.heard.set(name, [...(this.heard.get(name) ?? []), act]); }
  off(name, act) { this.heard.set(name, (this.heard.get(name) ?? []).filter((each) => each !== act)); }
}

function view(values) { return new DataView(values.buffer, values.byteOffset, values.byteLength); }

const model = new FileModel(data.map.state);
map.render({model, el: document.getElementById("map")});

const schoolAt = new Map(data.map.schools.map((id, i) => [id, i]));
const villageAt = new Map(data.map.villages.map((id, i) => [id, i]));
const sliders = [...document.querySelectorAll("#sliders input[type=range]")];
const closed = new Set();

function stateOf() {
  const state = {closed: [...closed]};
  for (const slider of sliders) {
    const value = Number(slider.value) * Number(slider.dataset.times ?? 1);
    state[slider.name] = slider.name === "bus_minutes" && value === 0 ? null : value;
    slider.nextElementSibling.textContent = `${format.format(Number(slider.value))} ${slider.dataset.unit}`;
  }
  return state;
}

const say = (name, facts) => data.words[name].replace(/\{(\w+)\}/g, (_, key) => facts[key]);
const whole = (n) => format.format(Math.round(n));
const km = (m) => (Number.isFinite(m) ? format.format(Math.round(m / 100) / 10) : "–");

function facts(tick, before) {
  const rows = [say("closed", {n: tick.closed.length}), say("moved", {n: whole(tick.moved), m: whole(tick.farther)})];
  for (const stage of ["primary", "junior"]) {
    const now = tick.cover[stage], was = before.cover[stage];
    rows.push(say(stage, {far: whole(now.far), was: whole(was.far), p90: km(now.p90_m), max: km(now.max_m)}));
    if (now.unknown > 0) rows.push(say(`unknown_${stage}`, {n: whole(now.unknown)}));
  }
  if (tick.shortfall > 0) rows.push(say("shortfall", {n: whole(tick.shortfall)}));
  if (!tick.proven) rows.push(say("unproven", {}));
  return rows;
}

function draw(tick, state) {
  const shut = new Set(tick.closed), codes = new Uint8Array(data.map.schools.length);
  data.map.schools.forEach((id, i) => { codes[i] = +shut.has(id); });
  const lines = new Map();
  for (const flow of tick.flows) {
    if (flow.to < 0) continue;
    const start = flow.village >= 0 ? villageAt.get(board.villages[flow.village])
      : shifted(schoolAt.get(board.schools[flow.from])), end = schoolAt.get(board.schools[flow.to]);
    if (start === undefined || end === undefined) continue;
    const limit = state[flow.band === 2 ? "walk_junior_m" : "walk_primary_m"];
    const line = lines.get(`${start},${end}`) ?? {start, end, pupils: 0, broken: 0};
    line.pupils += flow.pupils;
    line.broken |= flow.over > 0 || (flow.after > limit && flow.pupils > flow.boards);
    lines.set(`${start},${end}`, line);
  }
  const drawn = [...lines.values()].sort((a, b) => a.broken - b.broken);
  model.set("legend", data.map.looks);
  model.set("value_label", data.map.label);
  model.set("has_values", false);
  model.set("_notes", []);
  model.set("_classes", view(codes));
  model.set("link_legend", data.map.links);
  model.set("link_label", data.map.link_label);
  model.set("_link_pupils", view(Float32Array.from(drawn, (line) => line.pupils)));
  model.set("_link_classes", view(Uint8Array.from(drawn, (line) => line.broken)));
  model.set("_links", view(Uint32Array.from(drawn.flatMap((line) => [line.start, line.end]))));
  model.set("radius_km", [...new Set([state.walk_primary_m, state.walk_junior_m].map((m) => m / 1000))]);
}

/** A link may start at a school: schools are counted behind the villages. */
function shifted(i) { return i === undefined ? undefined : i + data.map.villages.length; }

const untouched = board.tick(stateOf());

function answer(moved = true) {
  const state = stateOf(), tick = board.tick(state);
  const list = document.getElementById("answer");
  list.replaceChildren(...facts(tick, untouched).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  if (moved) draw(tick, state);
}

for (const slider of sliders) slider.addEventListener("input", () => answer());
model.on("change:clicked", () => {
  const {kind, id} = model.get("clicked");
  if (kind !== "school" || !board.may_close[board.schoolAt.get(id)]) return;
  closed[closed.has(id) ? "delete" : "add"](id);
  answer();
});
document.getElementById("reset").addEventListener("click", () => {
  closed.clear();
  for (const slider of sliders) slider.value = slider.defaultValue;
  answer();
});
document.getElementById("print").addEventListener("click", () => window.print());
answer(false);
document.documentElement.dataset.ready = "1";
