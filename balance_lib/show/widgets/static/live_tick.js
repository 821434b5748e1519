// Listen to the sliders while they are dragged, and let the map and the sentences follow without asking the kernel.

const TIMES = {minimum_enrolment: 1, walk_primary_m: 1000, walk_junior_m: 1000, bus_minutes: 1, class_cap_primary: 1,
  class_cap_junior: 1};
const KERNEL_ONLY = "births_percent";  // another county: only the kernel can project it

export default {
  render({model, el}) {
    const list = document.createElement("ul");
    list.className = "bl-live";
    list.hidden = true;
    el.appendChild(list);
    let live = null, chart = null;

    async function load() {
      const board = model.get("_board"), id = (model.get("chart") ?? "").replace("IPY_MODEL_", "");
      live = board.schools && id ? new Live(new Board(unpack(board)), model.get("_map"), model.get("_words"), model.get("_lang")) : null;
      chart = live && (await model.widget_manager.get_model(id));
      list.hidden = true;
      attach();
    }

    function slider(name) { return document.querySelector(`.bl-live-${name} .noUi-target`)?.noUiSlider; }

    function attach() {
      for (const name of [...Object.keys(TIMES), KERNEL_ONLY]) {
        const handle = slider(name);
        if (!handle) continue;
        handle.off("slide.live");
        // At once, not in the next frame: the map itself waits for the frame, and pointers move once a frame.
        handle.on("slide.live", () => (name === KERNEL_ONLY ? say([live?.words.waiting]) : answer(name)));
      }
    }

    function say(lines) {
      list.replaceChildren(...lines.filter(Boolean).map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }));
      list.hidden = false;
    }

    function state() {
      const out = {};
      for (const [name, times] of Object.entries(TIMES)) {
        const handle = slider(name);
        if (handle && !handle.target.closest("[disabled]")) out[name] = Math.round(Number([handle.get(true)].flat()[0]) * times);
      }
      if (!model.get("bus")) delete out.bus_minutes;
      return out;
    }

    function answer(control) {
      if (!live || !chart) return;
      const now = state(), tick = live.board.tick(now);
      if (tick.full) {
        say([live.say("closed", {n: tick.closed.length}), live.words.full, live.words.waiting]);
        model.set("asked", {control, state: now});
        model.save_changes();
        return;
      }
      // As if the kernel had sent it: what only the page knows is not sent back.
      chart.set_state(live.picture(tick, now, model.get("decided")));
      say(live.facts(tick, {cover: model.get("today")}));
    }

    model.on("change:_board", load);
    model.on("change:rested", () => { list.hidden = true; });
    document.addEventListener("pointerdown", attach, true);
    document.addEventListener("keydown", attach, true);
    load();
    return () => {
      document.removeEventListener("pointerdown", attach, true);
      document.removeEventListener("keydown", attach, true);
    };
  },
};
