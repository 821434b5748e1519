// The brief's own script: gives the map a model that lives in the file, and answers the sliders with the board.

const data = JSON.parse(document.getElementById("data").textContent);
const board = new Board(unpack(data.board));
const live = new Live(board, data.map, data.words, data.lang);

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

const model = new FileModel(data.map.state);
map.render({model, el: document.getElementById("map")});

const sliders = [...document.querySelectorAll("#sliders input[type=range]")];
const closed = new Set();

function stateOf() {
  const state = {closed: [...closed]};
  for (const slider of sliders) {
    const value = Number(slider.value) * Number(slider.dataset.times ?? 1);
    state[slider.name] = slider.name === "bus_minutes" && value === 0 ? null : value;
    slider.nextElementSibling.textContent = `${live.format.format(Number(slider.value))} ${slider.dataset.unit}`;
  }
  return state;
}

const untouched = board.tick(stateOf());

function answer(moved = true) {
  const state = stateOf(), tick = board.tick(state);
  const list = document.getElementById("answer");
  list.replaceChildren(...live.facts(tick, untouched).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  if (moved) for (const [name, value] of Object.entries(live.picture(tick, state))) model.set(name, value);
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
