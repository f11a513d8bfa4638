// What a page with a laboratory loads at first: it waits until somebody starts one. Then come the scripts beside this
// one, and with them the pictures; the weights of a network come when it is asked for. Scripts alone can be loaded by a
// page that was opened from a folder.
var Lab = { parts: [], files: {}, base: document.currentScript.src.replace(/[^/]*$/, "") };

Lab.script = (name) =>
  (Lab.files[name] ??= new Promise((loaded, failed) => {
    const script = document.createElement("script");
    script.src = Lab.base + name;
    script.onload = loaded;
    script.onerror = () => {
      delete Lab.files[name]; // so that it can be asked for again
      script.remove();
      failed(new Error("A part of the laboratory could not be loaded. Are you offline?"));
    };
    document.head.append(script);
  }));

Lab.start = async function (place) {
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${Lab.base}lab.css` });
  if (!document.querySelector('link[href$="/lab.css"]')) document.head.append(style);
  for (const name of ["random.js", "network.js", "methods.js", "worker.js", "client.js", "pictures.js", "draw.js"]) await Lab.script(name);
  await Lab.script(`${place.dataset.lab}.js`);
  await Lab.open[place.dataset.lab](place);
};

document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-lab]")) {
    const button = place.querySelector("button.lab-start");
    const said = place.querySelector(".lab-said");
    const start = async () => {
      button.disabled = true;
      said.textContent = "Loading …";
      try {
        await Lab.start(place);
      } catch (error) {
        button.disabled = false;
        said.textContent = error.message;
      }
    };
    place.classList.add("lab-ready");
    button.addEventListener("click", start);
    // A link that carries a state is followed by somebody who wants to see it.
    if (place.dataset.lab === "laboratory" && location.hash.startsWith("#lab:")) start();
  }
});
