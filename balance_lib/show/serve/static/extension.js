// Stand for all extensions, whose scripts the engine holds; and put right what starting early needs.
(() => {
  let scope;
  const shared = async (name) => (await Object.values(scope[name])[0].get())();
  const read = new Promise((done) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", done);
    else done();
  });

  async function plugins({ name, extension, style }) {
    const container = window._JUPYTERLAB[name];
    const [made] = await Promise.all([extension, style].filter(Boolean).map((part) => container.get(part)));
    return [made().default].flat();
  }

  // Voila typesets an empty element on every page, and a megabyte of MathJax comes for it. It comes for a formula only.
  async function formulas() {
    const { ILatexTypesetter } = await shared("@jupyterlab/rendermime");
    let typesetter;
    const typeset = async (node) => {
      if (!/\$|\\\(|\\\[|\\begin/.test(node.textContent)) return;
      typesetter ??= shared("@jupyterlab/mathjax-extension").then(({ MathJaxTypesetter }) => new MathJaxTypesetter());
      (await typesetter).typeset(node);
    };
    return { id: "balance:formulas", autoStart: true, provides: ILatexTypesetter, activate: () => ({ typeset }) };
  }

  // A widget that names another one asks for it, and ipywidgets gives up after two seconds, for good: on a busy machine
  // the kernel's list of all widgets comes later, and the whole page then read "model not found".
  const PATIENCE_MS = 120000;
  function patient(manager) {
    const now = manager.get_model.bind(manager);
    manager.get_model = async (id) => {
      for (const begun = Date.now(); !manager.has_model(id) && Date.now() - begun < PATIENCE_MS;)
        await new Promise((done) => setTimeout(done, 50));
      return now(id);
    };
  }

  function patiently(plugin) {
    if (plugin.id !== "@voila-dashboards/voila:widget-manager8") return plugin;
    const activate = async (app, ...more) => {
      const registry = await plugin.activate(app, ...more);
      patient(app.widgetManager);
      return registry;
    };
    return { ...plugin, activate };
  }

  window._JUPYTERLAB.balance = {
    init(found) { scope = found; },
    async get() {
      const listed = JSON.parse(document.getElementById("jupyter-config-data").textContent).bundledExtensions;
      for (const { name } of listed) await window._JUPYTERLAB[name].init(scope);  // what one shares, the next may use
      const found = await Promise.all([...listed.map(plugins), formulas()]);
      await read;  // Voila shows the outputs it finds when it starts
      return () => ({ __esModule: true, default: found.flat().map(patiently) });
    },
  };
})();
