// The frame of every page: language, links that keep the query, waiting, and what to say when the server is gone.
(() => {
  const me = document.currentScript;
  const asked = new URLSearchParams(location.search).get("lang");
  const lang = asked === "en" || asked === "zh" ? asked : me.dataset.lang === "en" ? "en" : "zh";
  document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
  const base = me.dataset.base;
  const all = (selector) => [...document.querySelectorAll(selector)];

  // Voila calls these when a theme or a long cell asks for it; the page itself decides what is shown.
  window.voila_finish = window.voila_heartbeat = window.voila_process = () => {};

  function frame() {
    const title = document.querySelector("title");
    document.title = title.dataset[lang] || document.title;
    for (const time of all("[data-now]")) time.textContent = new Date().toLocaleString(document.documentElement.lang);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a");
    if (!link) return;
    if (link.matches("[data-reload]")) { event.preventDefault(); location.reload(); return; }
    const query = new URLSearchParams(location.search);
    if (link.matches("[data-lang-switch]")) query.set("lang", link.dataset.langSwitch);
    else if (!link.matches("[data-keep-query]")) return;
    link.search = query.toString();
  }, true);

  function waiting() {
    const box = document.getElementById("bl-loading");
    if (!box) return;
    const begun = performance.now();
    const lines = [...box.querySelectorAll("[data-after]")];
    const clock = setInterval(() => {
      const spent = (performance.now() - begun) / 1000;
      const last = lines.filter((line) => spent >= Number(line.dataset.after)).pop();
      for (const line of lines) line.hidden = line !== last;
    }, 500);
    // Something is there when a widget or another output stands in the page, or a cell has failed.
    const done = () => {
      if (!document.querySelector("#bl-cells .jupyter-widgets, #bl-cells .bl-failed, #bl-cells .jp-RenderedHTMLCommon, #bl-cells pre")) return;
      clearInterval(clock);
      watcher.disconnect();
      box.remove();
      document.documentElement.dataset.ready = "1";
    };
    const watcher = new MutationObserver(done);
    watcher.observe(document.getElementById("bl-cells"), { childList: true, subtree: true });
    done();
  }

  function connection() {
    if (!document.getElementById("bl-cells")) return;
    const lost = document.getElementById("bl-lost");
    const gone = document.getElementById("bl-gone");
    let down = false;
    const look = async (id) => {
      try {
        const answer = await fetch(`${base}api/kernels/${id}`, { cache: "no-store" });
        if (answer.status === 404) { lost.hidden = true; gone.hidden = false; return; }
        lost.hidden = !down;
      } catch { lost.hidden = false; }
      if (down) setTimeout(() => look(id), 3000);
    };
    const wait = setInterval(() => {
      const kernel = window.jupyterapp?.widgetManager?.kernel;
      if (!kernel) return;
      clearInterval(wait);
      kernel.connectionStatusChanged.connect((_, status) => {
        const was = down;
        down = status !== "connected";
        if (!down) lost.hidden = true;
        else if (!was) look(kernel.id);
      });
      // A kernel that died is started again by the server, but empty: this page's widgets answer to nobody.
      const ended = ["dead", "restarting", "autorestarting"];
      kernel.statusChanged.connect((_, status) => { if (ended.includes(status)) gone.hidden = false; });
    }, 300);
  }

  document.addEventListener("DOMContentLoaded", () => { frame(); connection(); });
  // The waiting box stands early in a page that may take seconds to arrive.
  const early = new MutationObserver(() => {
    if (document.getElementById("bl-cells")) { early.disconnect(); waiting(); }
  });
  early.observe(document.documentElement, { childList: true, subtree: true });
})();
