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

  window._JUPYTERLAB.balance = {
    init(found) { scope = found; },
    async get() {
      const listed = JSON.parse(document.getElementById("jupyter-config-data").textContent).bundledExtensions;
      for (const { name } of listed) await window._JUPYTERLAB[name].init(scope);  // what one shares, the next may use
      const found = await Promise.all([...listed.map(plugins), formulas()]);
      await read;  // Voila shows the outputs it finds when it starts
      return () => ({ __esModule: true, default: found.flat() });
    },
  };
})();
