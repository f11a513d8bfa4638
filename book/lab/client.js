// The page's side of the worker: networks that are fetched when they are asked for, and requests that newer ones cancel.
for (const part of Lab.parts) part(Lab);
Lab.open = {};

(function () {
  // A page from a folder may start no worker from a file, but one from a text.
  const source = `const lab = {}; ${Lab.parts.map((part) => `(${part})(lab);`).join("\n")} lab.serve(self);`;
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const waiting = new Map(); // what is to be done with the answers, by panel
  const networks = {};
  const arrived = {};
  let number = 0;

  worker.onmessage = ({ data }) => {
    if (data.network) return arrived[data.network](data.error);
    const asked = waiting.get(data.panel);
    if (asked?.id !== data.id) return; // of a request that a newer one has replaced
    for (const kind of ["scores", "progress", "result", "error"]) if (data[kind]) asked.answer[kind]?.(data[kind]);
    if (data.result || data.error) waiting.delete(data.panel);
  };

  // The script of a network's weights calls this.
  Lab.weights = (name, text) => { Lab.texts[name] = text; };
  Lab.texts = {};

  // The network is ready in the worker once this has been waited for. Where that fails it can be tried again.
  Lab.network = (name) =>
    (networks[name] ??= fetched(name).catch((error) => {
      delete networks[name];
      throw error;
    }));

  async function fetched(name) {
    const { file, plan } = Lab.networks.find((one) => one.name === name);
    if (file) {
      await Lab.script(file);
      if (!Lab.texts[name]) {
        delete Lab.files[file];
        throw new Error("The file of this network came incomplete. Try again, or take another network.");
      }
    }
    const text = Lab.texts[name];
    delete Lab.texts[name]; // it is the worker's now
    const error = await new Promise((done) => {
      arrived[name] = done;
      worker.postMessage({ network: name, text, plan });
    });
    if (error) {
      delete Lab.files[file];
      throw new Error(`${error} Try again, or take another network.`);
    }
  }

  // `answer` has functions for `scores`, `progress`, `result` and `error`, each of which is called if it is there.
  Lab.ask = function (panel, job, answer) {
    const id = ++number;
    waiting.set(panel, { id, answer });
    worker.postMessage({ panel, id, job });
  };

  Lab.cancel = function (panel) {
    waiting.delete(panel);
    worker.postMessage({ panel });
  };

  Lab.explained = (panel, job) => new Promise((result, failed) => {
    Lab.ask(panel, job, { result, error: (message) => failed(new Error(message)) });
  });
})();
