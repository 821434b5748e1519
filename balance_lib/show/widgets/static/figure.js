// Load plotly once per page, and not before a figure is seen: from our server, which the browser caches; elsewhere from
// the kernel, in one message.

function fromKernel(model) {
  return new Promise((resolve, reject) => {
    const receive = (message, buffers) => {
      if (message?.kind !== "bundle") return;
      model.off("msg:custom", receive);
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      import(url).then(resolve, reject).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", receive);
    model.send({ kind: "bundle" });
  });
}

async function load(model) {
  const path = model.get("_bundle");
  const base = document.body.dataset.baseUrl;
  if (path && base) {
    try { return await import(new URL(base.replace(/voila\/$/, "") + path, location.origin).href); }
    catch (error) { console.warn("plotly from the kernel instead:", error); }
  }
  return fromKernel(model);
}

// Under a tab or a fold that is closed an element has no width. One that is merely scrolled away has: it may be printed.
function seen(element, signal) {
  return new Promise((done) => {
    const watcher = new ResizeObserver(([entry]) => {
      if (!entry.contentRect.width) return;
      watcher.disconnect();
      done();
    });
    watcher.observe(element);
    signal.addEventListener("abort", () => watcher.disconnect());
  });
}

// Plotly's sizes are absolute: on a large screen the whole drawing grows as the page's type does.
const scale = (element) => parseFloat(getComputedStyle(element).getPropertyValue("--bl-px")) || 1;

function fit(element, drawn) {
  const times = scale(element);
  drawn.style.width = times === 1 ? "" : `${element.clientWidth / times}px`;
  drawn.style.transform = times === 1 ? "" : `scale(${times})`;
  element.style.minHeight = times === 1 ? "" : `${drawn.offsetHeight * times}px`;
}

// A figure drawn under a tab that is then closed and opened has another width; plotly listens to the window alone.
function follow(element, drawn, model, signal) {
  let width = 0, columns = 0;
  const watcher = new ResizeObserver(() => {
    fit(element, drawn);
    const now = Math.round(drawn.clientWidth);
    if (!now || now === width) return;
    width = now;
    columns = inColumns(model, width, columns);
    globalThis.dispatchEvent(new Event("resize"));
  });
  for (const each of [element, drawn]) watcher.observe(each);
  signal.addEventListener("abort", () => watcher.disconnect());
}

// Small multiples bring the places of their panels in fewer columns along, for pages on which more would be too narrow.
function inColumns(model, width, before) {
  const {columns, panel_px: least} = model.get("_widget_layout")?.meta ?? {};
  if (!columns) return before;
  const most = Object.keys(columns).length, now = Math.min(most, Math.max(1, Math.floor(width / least)));
  if (now !== (before || most))
    model.set("_py2js_relayout", { relayout_data: { ...columns[now] }, layout_edit_id: 0, source_view_id: "" });
  return now;
}

export default () => {
  let ready;
  const widget = (context) => (ready ??= (async () => {
    const { default: made } = await (globalThis.__balance_plotly ??= load(context.model));
    const found = typeof made === "function" ? await made() : made;
    await found.initialize?.(context);
    return found;
  })());
  return {
    // Not awaited by the page: it goes on while plotly, as big as all the rest, is loaded and drawn.
    render(context) {
      const gone = new AbortController();
      let done;
      (async () => {
        await seen(context.el, gone.signal);
        const found = await widget(context);
        if (gone.signal.aborted) return;
        const drawn = document.createElement("div");
        drawn.className = "bl-drawn";
        context.el.append(drawn);
        fit(context.el, drawn);
        done = await found.render({ ...context, el: drawn });
        if (gone.signal.aborted) done?.();
        else follow(context.el, drawn, context.model, gone.signal);
      })();
      return () => { gone.abort(); done?.(); };
    },
  };
};
