// Load plotly once per page: from our server, which the browser caches; elsewhere from the kernel, in one message.

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

// A figure drawn under a tab that was not shown yet has no width to go by; plotly listens to the window alone.
function follow(element) {
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now === width) return;
    width = now;
    globalThis.dispatchEvent(new Event("resize"));
  }).observe(element);
}

export default () => {
  let ready;
  return {
    // Not awaited: while a model initialises, no other message of the kernel is read, the bundle's neither.
    initialize(context) {
      globalThis.__balance_plotly ??= load(context.model);
      ready = globalThis.__balance_plotly.then(async ({ default: made }) => {
        const widget = typeof made === "function" ? await made() : made;
        await widget.initialize?.(context);
        return widget;
      });
    },
    async render(context) {
      const done = await (await ready).render(context);
      follow(context.el);
      return done;
    },
  };
};
