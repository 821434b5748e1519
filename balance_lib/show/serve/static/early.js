// Voila's main waits for the page's last byte, which the kernel sends when it has computed. All main needs at first is
// the kernel's number, and that stands in the page before this script: what would wait for "load" is done at once.
(() => {
  const { addEventListener } = window;
  window.addEventListener = function (kind, act, ...more) {
    if (kind !== "load" || document.readyState === "complete") return addEventListener.call(this, kind, act, ...more);
    queueMicrotask(() => act.call(this, new Event("load")));
  };
})();
