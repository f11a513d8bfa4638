// The first page's stage: one photograph, two maps of it, and a button that scrambles the network, layer by layer.
Lab.open.stage = async function (place) {
  const { h } = Lab;
  const NETWORK = "small_cnn";
  const SIZE = 64;
  const MAPS = { gradient: "Map A", guided_backprop: "Map B" };
  const { classes } = Lab.networks.find((one) => one.name === NETWORK);
  const LAYERS = 6;

  await Lab.network(NETWORK);
  const { picture: whole } = await Lab.picture(Lab.pictures.find((one) => one.name === "chelsea"));
  const picture = Lab.shrunk(whole, 128, SIZE);

  const canvases = {};
  const notes = {};
  const frames = [["photograph", "Photograph"], ...Object.entries(MAPS)].map(([name, title]) => {
    canvases[name] = h("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": title });
    notes[name] = h("span", { class: "stage-note" });
    return h("figure", {}, canvases[name], h("figcaption", {}, h("b", {}, title), notes[name]));
  });
  const said = h("p", { class: "stage-said", role: "status" });
  const scramble = h("button", { type: "button", class: "stage-scramble", onclick: () => show(at + 1) }, "Scramble the network");
  const again = h("button", { type: "button", class: "stage-again", onclick: () => { seed++; show(0); } }, "Start again");
  const more = h("a", { href: "laboratory.html" }, "More in the laboratory");
  place.replaceChildren(h("div", { class: "stage-row" }, ...frames), said, h("p", { class: "stage-buttons" }, scramble, again, more));
  Lab.paintPicture(canvases.photograph, picture, SIZE);

  let at = 0;
  let seed = 1;
  let target = null;
  const first = {};

  const likeness = (name, values) => {
    const same = Lab.rankCorrelation(first[name], values);
    notes[name].textContent = at ? `likeness to before: ${same.toFixed(2)}` : "";
    return same;
  };

  async function show(count) {
    at = count;
    again.hidden = at === 0;
    scramble.disabled = at >= LAYERS;
    const asked = at;
    const found = {};
    await Promise.all(Object.keys(MAPS).map(async (method) => {
      const job = { network: NETWORK, scramble: at, seed, picture, size: SIZE, target, method, options: {} };
      found[method] = await Lab.explained(method, job);
    }));
    if (asked !== at) return;
    target ??= found.gradient.k; // what the whole network answers stays the question
    const same = {};
    for (const method of Object.keys(MAPS)) {
      const values = Lab.reduced(found[method].map, SIZE, false);
      if (at === 0) first[method] ??= values;
      same[method] = likeness(method, values);
      Lab.paintMap(canvases[method], found[method].map, SIZE);
      canvases[method].setAttribute("aria-label", at
        ? `${MAPS[method]}, with ${at} of ${LAYERS} layers scrambled: its pixels' ranks correlate by ${same[method].toFixed(2)} with the map before`
        : `${MAPS[method]} of the network as it learnt`);
    }
    const { probabilities } = found.gradient;
    const best = probabilities.indexOf(Math.max(...probabilities));
    notes.photograph.textContent = `called “${classes[best]}”, ${Lab.percent(probabilities[best])}`;
    scramble.textContent = at === 0 ? "Scramble the network" : at < LAYERS ? "Scramble one more layer" : "All is scrambled";
    said.textContent = words(same);
  }

  function words({ gradient, guided_backprop: guided }) {
    if (at === 0) return "A network calls this a cat. Both maps show what its answer depends on, or so it is said. Which one would you believe?";
    const what = at === LAYERS ? "All six layers are scrambled now" : at === 1 ? "The last of six layers is random numbers now" : `The last ${at} of six layers are random numbers now`;
    const kept = guided - gradient > 0.2
      ? "Map A has changed with it. Map B hardly cares: whatever it shows, it is not what these layers had learnt."
      : "Both maps have changed.";
    const names = at > 1 ? " Map A is the gradient, map B guided backprop." : "";
    return `${what}. ${kept}${names}`;
  }

  await show(0);
};
