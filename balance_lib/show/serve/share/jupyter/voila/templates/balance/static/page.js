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
    document.querySelector(".bl-top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
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

  // A link is passed round whole. Browsers give the clipboard to pages under HTTPS only; elsewhere it is copied by hand.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button.bl-copy");
    if (!button) return;
    const link = button.parentElement.querySelector("a.bl-share");
    try { await navigator.clipboard.writeText(link.href); } catch {
      getSelection().selectAllChildren(link);
      if (!document.execCommand("copy")) return;
    }
    button.textContent = button.dataset.copied;
  });

  // A saved scenario stands in the address from then on: loading the page again brings it back.
  function address() {
    const link = document.querySelector("#bl-cells a.bl-share");
    if (link && link.textContent !== link.href) link.textContent = link.href;
    if (link && link.origin === location.origin && link.pathname === location.pathname && link.href !== location.href)
      history.replaceState(null, "", link.href);
  }

  // What ipywidgets leaves to the mouse alone: the heads of folds, and tables longer than their frame.
  function reachable() {
    for (const head of all(".jupyter-widget-Collapse-header:not([tabindex])")) {
      head.tabIndex = 0;
      head.setAttribute("role", "button");
    }
    for (const frame of all(".bl-scroll")) {
      const long = frame.scrollHeight > frame.clientHeight + 1 || frame.scrollWidth > frame.clientWidth + 1;
      if (long !== (frame.tabIndex === 0)) frame.tabIndex = long ? 0 : -1;
    }
  }

  // Find on the page: what is folded opens, and Enter goes from one place to the next.
  function aids() {
    const cells = document.getElementById("bl-cells"), form = document.querySelector(".bl-find");
    if (!cells || !form) return;
    for (const button of all("[data-aid]")) button.hidden = false;
    const [field, told] = [form.querySelector("input"), form.querySelector("output")];
    let places = [], at = -1, wanted = "";
    const clear = () => { for (const old of all(".bl-found")) old.classList.remove("bl-found"); };
    const look = () => {
      wanted = field.value.trim().toLowerCase();
      places = []; at = -1;
      const texts = document.createTreeWalker(cells, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); wanted && text; text = texts.nextNode()) {
        const holder = text.parentElement;
        if (text.textContent.toLowerCase().includes(wanted) && !holder.closest("script, style, option, [hidden]")) places.push(holder);
      }
    };
    const next = () => {
      clear();
      if (field.value.trim().toLowerCase() !== wanted || !places.every((place) => place.isConnected)) look();
      told.textContent = places.length ? `${(at = (at + 1) % places.length) + 1}/${places.length}` : wanted ? "0" : "";
      const place = places[at];
      if (!place) return;
      for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      place.classList.add("bl-found");
      place.scrollIntoView({ block: "center" });
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); next(); });
    field.addEventListener("keydown", (event) => { if (event.key === "Escape") { clear(); form.hidden = true; } });
    document.querySelector('[data-aid="find"]').addEventListener("click", () => {
      if (form.hidden || !field.value) { form.hidden = false; field.focus(); } else next();
    });
    document.querySelector('[data-aid="print"]').addEventListener("click", () => print());
  }

  const SHEET_PX = 1030;  // A4 across, without its margins

  function follow() {
    const cells = document.getElementById("bl-cells");
    if (!cells) return;
    addEventListener("beforeprint", () => {
      const zoom = Math.min(1, SHEET_PX / cells.clientWidth);
      document.documentElement.style.setProperty("--bl-zoom", zoom.toFixed(3));
    });
    let due = 0;
    const look = () => { due = 0; address(); reachable(); };
    new MutationObserver(() => { if (!due) due = setTimeout(look, 200); }).observe(cells, { childList: true, subtree: true });
    cells.addEventListener("keydown", (event) => {
      if (!event.target.matches(".jupyter-widget-Collapse-header") || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      event.target.click();
    });
  }

  // The socket alone does not tell when a cable is out: the server is asked every two seconds whether the page's kernel
  // still runs, so that whoever looks knows within five.
  const EVERY_MS = 2000, PATIENCE_MS = 2500;
  const LONG_MS = 1000;  // what takes longer than this is said to be under way

  function busy(kernel) {
    const sign = document.getElementById("bl-busy");
    let due = 0;
    kernel.statusChanged.connect((_, status) => {
      if (status === "busy") { if (!due) due = setTimeout(() => { sign.hidden = false; }, LONG_MS); return; }
      clearTimeout(due);
      due = 0;
      sign.hidden = true;
    });
  }

  function connection() {
    if (!document.getElementById("bl-cells")) return;
    const lost = document.getElementById("bl-lost");
    const gone = document.getElementById("bl-gone");
    let down = false, deaf = false, asking = false, unhappy = 0, kernel = null, timer = 0;
    const show = () => { lost.hidden = !(down || deaf) || !gone.hidden; };
    const over = () => { gone.hidden = false; clearTimeout(timer); show(); };
    const ask = async () => {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      const stop = new AbortController();
      const patience = setTimeout(() => stop.abort(), PATIENCE_MS);
      try {
        const answer = await fetch(`${base}api/kernels/${kernel.id}`, { cache: "no-store", redirect: "manual", signal: stop.signal });
        // After a restart the server knows neither this kernel nor, with a password, this visitor.
        if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) { over(); return; }
        if (!answer.ok) throw new Error(answer.status);
        // JupyterLab gives up after a while, or for good when its own question fails, and may hold a socket that is dead
        // without having been told.
        unhappy = down ? unhappy + 1 : 0;
        if (deaf || unhappy > 1) { unhappy = 0; kernel.reconnect().catch(() => {}); }
        deaf = false;
      } catch { deaf = true; } finally { asking = false; clearTimeout(patience); }
      show();
      if (gone.hidden) timer = setTimeout(ask, EVERY_MS);
    };
    const wait = setInterval(() => {
      kernel = window.jupyterapp?.widgetManager?.kernel;
      if (!kernel) return;
      clearInterval(wait);
      busy(kernel);
      kernel.connectionStatusChanged.connect((_, status) => { down = status !== "connected"; show(); });
      kernel.statusChanged.connect((_, status) => { if (status === "dead") over(); });
      addEventListener("offline", () => { deaf = true; show(); });
      addEventListener("online", ask);
      document.addEventListener("visibilitychange", () => { if (!document.hidden && gone.hidden) ask(); });
      ask();
    }, 300);
  }

  document.addEventListener("DOMContentLoaded", () => { frame(); aids(); follow(); connection(); });
  // The waiting box stands early in a page that may take seconds to arrive.
  const early = new MutationObserver(() => {
    if (document.getElementById("bl-cells")) { early.disconnect(); waiting(); }
  });
  early.observe(document.documentElement, { childList: true, subtree: true });
})();
