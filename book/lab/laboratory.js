// The laboratory's page: a picture that can be covered or drawn on, and two panels, each with a network, a class and a
// method. All of it is one state, which a link carries.
Lab.open.laboratory = async function (place) {
  const { h } = Lab;
  const SIZE = 128;
  const CELL = 8; // pixels of a side of what one touch covers
  const ACROSS = SIZE / CELL;
  const MOST = 40e6; // pixels of a file: more may be too much for a phone
  const OWN = "own";
  const FILLS = { grey: "grey", blur: "a blur", ...Object.fromEntries(Lab.backgrounds.map(({ name }) => [name, name])) };

  const state = {
    picture: "scene-cat",
    cells: new Set(),
    region: "",
    fill: "grey",
    panels: { a: panel("gradient"), b: panel("guided_backprop") },
  };
  let base = null; // the picture as it came, and its mask if one is known
  let mask = null;
  let shown = null; // with what covers it
  const backgrounds = {};

  function panel(method) {
    return { network: "scenes-small_cnn_128", target: null, method, options: {}, scramble: 0, signed: false };
  }

  // ------------------------------------------------------------------------------------------------ the state as a link

  function link() {
    const said = new URLSearchParams({ picture: state.picture, fill: state.fill });
    if (state.region) said.set("region", state.region);
    if (state.cells.size) said.set("cells", [...state.cells].sort((a, b) => a - b).join("."));
    for (const [name, { network, target, method, options, scramble, signed }] of Object.entries(state.panels)) {
      const own = Object.entries(options).map(([option, value]) => `${option}=${value}`);
      said.set(name, [network, target ?? "", method, scramble, signed ? 1 : 0, ...own].join("~"));
    }
    return `#lab:${said}`;
  }

  // What a link says, as far as it makes sense: somebody may have shortened it.
  function follow(hash) {
    const said = new URLSearchParams(hash.replace(/^#lab:/, ""));
    if (Lab.pictures.some(({ name }) => name === said.get("picture"))) state.picture = said.get("picture");
    if (said.get("fill") in FILLS) state.fill = said.get("fill");
    state.region = ["object", "rest"].includes(said.get("region")) ? said.get("region") : "";
    state.cells = new Set((said.get("cells") ?? "").split(".").filter(Boolean).map(Number).filter((cell) => cell >= 0 && cell < ACROSS ** 2));
    for (const name of ["a", "b"]) {
      const [network, target, method, scramble, signed, ...own] = (said.get(name) ?? "").split("~");
      const known = Lab.networks.find((one) => one.name === network);
      if (!known || !(method in Lab.METHODS)) continue;
      const options = {};
      for (const text of own) {
        const [option, value] = text.split("=");
        const about = Lab.METHODS[method].options[option];
        if (about?.choices && value in about.choices) options[option] = typeof about.value === "number" ? Number(value) : value;
        else if (about && !about.choices && value >= about.min && value <= about.max) options[option] = Number(value);
      }
      const k = target !== "" && known.classes[target] ? Number(target) : null;
      state.panels[name] = { network, target: k, method, options, scramble: Math.min(6, Math.max(0, scramble | 0)), signed: signed === "1" };
    }
  }

  function remember() {
    const now = link();
    keep.href = now;
    keep.textContent = state.picture === OWN ? "A link to these settings (your picture stays with you)" : "A link to all of this";
    history.replaceState(null, "", now);
  }

  // ---------------------------------------------------------------------------------------------------- the picture

  const said = h("p", { class: "lab-said", role: "status" });
  const tell = (words) => { said.textContent = words; };
  const canvas = h("canvas", { width: SIZE, height: SIZE, tabindex: "0", role: "application" });
  const keep = h("a", { class: "lab-link" });
  const cursor = { x: 7, y: 7 };

  const select = (label, options, value, change) => {
    const box = h("select", { onchange: () => change(box.value) },
      ...(Array.isArray(options) ? options : Object.entries(options)).map(([name, title]) => h("option", { value: name }, title)));
    box.value = value;
    return h("label", {}, h("span", {}, label), box);
  };
  const button = (text, press) => h("button", { type: "button", onclick: press }, text);

  const pictures = select("Picture", Object.fromEntries(Lab.pictures.map(({ name, title }) => [name, title])), state.picture, (name) => {
    state.picture = name;
    state.cells.clear();
    state.region = "";
    open();
  });
  const fill = select("Cover with", FILLS, state.fill, (name) => { state.fill = name; cover(); });
  const drag = select("Dragging", { covers: "covers", draws: "draws", clears: "uncovers" }, "covers", (how) => { colour.hidden = how !== "draws"; });
  const colour = h("label", { hidden: true }, h("span", {}, "Colour"), h("input", { type: "color", value: "#a03030" }));
  const regions = h("span", { class: "lab-regions" },
    button("Cover the object", () => { state.region = "object"; cover(); }),
    button("Cover all but the object", () => { state.region = "rest"; cover(); }));
  const by = h("p", { class: "lab-by" });
  const file = h("input", { type: "file", accept: "image/*", onchange: () => { if (file.files[0]) read(file.files[0]); file.value = ""; } });

  async function open() {
    const one = Lab.pictures.find(({ name }) => name === state.picture);
    ({ picture: base, mask } = await Lab.picture(one));
    by.textContent = one.by ? `Photograph: ${one.by}.` : "Drawn by code; the pixels of its object are known.";
    await cover();
  }

  function own(picture) {
    base = picture;
    mask = null;
    state.picture = OWN;
    state.cells.clear();
    state.region = "";
    by.textContent = "Your own picture. It stays on this device.";
    tell("");
    cover();
  }

  // A file that somebody chose or dropped. Whatever it is, the page goes on with the picture that it had.
  async function read(chosen) {
    const head = new Uint8Array(await chosen.slice(0, 12).arrayBuffer());
    const brand = String.fromCharCode(...head.subarray(4));
    if (!chosen.size) return tell("This file is empty.");
    const address = URL.createObjectURL(chosen);
    try {
      const image = await Lab.image(address);
      const [width, height] = [image.naturalWidth, image.naturalHeight];
      if (!width || !height) return tell("This picture has no size. Take a JPEG, PNG or WebP.");
      if (width * height > MOST)
        return tell(`This picture has ${Math.round((width * height) / 1e6)} million pixels, more than a page can hold. Make it smaller first; 128 × 128 are enough.`);
      own(Lab.pixels(image, width, height));
    } catch (error) {
      tell(/^ftyp(hei|hev|mif|msf)/.test(brand) ? "This is a HEIC picture, which this browser can't read. Save it as a JPEG first." : error.message);
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  async function camera() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
      const video = h("video", { autoplay: true, muted: true, playsinline: true });
      video.srcObject = stream;
      const close = () => { stream.getTracks().forEach((track) => track.stop()); live.replaceChildren(); };
      const take = button("Take the picture", () => { own(Lab.pixels(video, video.videoWidth, video.videoHeight)); close(); });
      live.replaceChildren(video, take, button("Close the camera", close));
      await video.play();
      take.focus();
    } catch {
      tell("There is no camera, or this page may not use it. A photograph in a file does as well.");
    }
  }
  const live = h("div", { class: "lab-live" });

  async function filling() {
    const out = new Float32Array(3 * SIZE * SIZE).fill(0.5);
    if (state.fill === "blur") { // twice the mean over a square of 25 pixels, along lines and then columns
      let [from, to] = [base, out];
      for (const [across, down] of [[1, 0], [0, 1], [1, 0], [0, 1]]) {
        to = new Float32Array(from.length);
        for (let c = 0; c < 3; c++)
          for (let y = 0; y < SIZE; y++)
            for (let x = 0; x < SIZE; x++) {
              let [sum, count] = [0, 0];
              for (let d = -12; d <= 12; d++) {
                const [u, v] = [x + d * across, y + d * down];
                if (u >= 0 && v >= 0 && u < SIZE && v < SIZE) { sum += from[(c * SIZE + v) * SIZE + u]; count++; }
              }
              to[(c * SIZE + y) * SIZE + x] = sum / count;
            }
        from = to;
      }
      return to;
    }
    if (state.fill === "grey") return out;
    return (backgrounds[state.fill] ??= (await Lab.picture(Lab.backgrounds.find(({ name }) => name === state.fill))).picture);
  }

  const cellOf = (i) => Math.floor(i / SIZE / CELL) * ACROSS + Math.floor((i % SIZE) / CELL);

  async function cover() {
    if (!base) return;
    pictures.querySelector("select").value = state.picture;
    fill.querySelector("select").value = state.fill;
    regions.hidden = !mask;
    const anything = state.cells.size > 0 || (mask && state.region);
    const over = anything ? await filling() : base;
    shown = base.slice();
    for (let i = 0; i < SIZE * SIZE; i++) {
      const inRegion = mask && ((state.region === "object" && mask[i]) || (state.region === "rest" && !mask[i]));
      if (inRegion || state.cells.has(cellOf(i))) for (let c = 0; c < 3; c++) shown[c * SIZE * SIZE + i] = over[c * SIZE * SIZE + i];
    }
    draw();
    remember();
    for (const name of Object.keys(views)) explain(name);
  }

  function draw() {
    Lab.paintPicture(canvas, shown, SIZE);
    const share = Math.round((100 * state.cells.size) / ACROSS ** 2);
    canvas.setAttribute("aria-label", `The picture. ${share} % of it is covered by hand. Arrow keys move a square, Space ${drag.querySelector("select").value} it.`);
    if (document.activeElement !== canvas || !canvas.matches(":focus-visible")) return;
    const pen = canvas.getContext("2d");
    for (const [style, inset] of [["#fff", 0.5], ["#000", 1.5]]) {
      pen.strokeStyle = style;
      pen.strokeRect(cursor.x * CELL + inset, cursor.y * CELL + inset, CELL - 2 * inset, CELL - 2 * inset);
    }
  }

  // Covers, uncovers or paints around a place, in pixels of the picture.
  function touch(x, y) {
    const how = drag.querySelector("select").value;
    if (how === "draws") {
      const [, ...parts] = colour.querySelector("input").value.match(/#(..)(..)(..)/);
      base = base.slice();
      for (let v = Math.max(0, y - 4); v < Math.min(SIZE, y + 5); v++)
        for (let u = Math.max(0, x - 4); u < Math.min(SIZE, x + 5); u++)
          if ((u - x) ** 2 + (v - y) ** 2 <= 20) parts.forEach((part, c) => { base[(c * SIZE + v) * SIZE + u] = parseInt(part, 16) / 255; });
      mask = null;
      state.picture = OWN;
      by.textContent = "Your own picture. It stays on this device.";
    } else {
      const cell = Math.floor(y / CELL) * ACROSS + Math.floor(x / CELL);
      if (how === "covers") state.cells.add(cell);
      else state.cells.delete(cell);
    }
  }

  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; cover(); });
  };

  function pointed(event) {
    if (event.type === "pointerdown") canvas.setPointerCapture(event.pointerId);
    else if (!event.buttons) return;
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share) => Math.floor(share * SIZE));
    if (x < 0 || y < 0 || x >= SIZE || y >= SIZE) return;
    touch(x, y);
    soon();
  }
  canvas.addEventListener("pointerdown", pointed);
  canvas.addEventListener("pointermove", pointed);
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    if (step) {
      cursor.x = Math.min(ACROSS - 1, Math.max(0, cursor.x + step[0]));
      cursor.y = Math.min(ACROSS - 1, Math.max(0, cursor.y + step[1]));
    } else {
      const cell = cursor.y * ACROSS + cursor.x;
      const covers = drag.querySelector("select").value === "covers" && state.cells.has(cell);
      if (covers) state.cells.delete(cell); // a second press takes it away again
      else touch(cursor.x * CELL + 4, cursor.y * CELL + 4);
      soon();
    }
    const covered = state.cells.has(cursor.y * ACROSS + cursor.x);
    tell(`Row ${cursor.y + 1}, column ${cursor.x + 1}${covered ? ", covered" : ""}`);
    draw();
  });

  // ---------------------------------------------------------------------------------------------------- the panels

  const networksBySize = Object.fromEntries(Lab.networks.map(({ name, title, bytes }) => [name, `${title} (${Lab.megabytes(bytes)})`]));
  const methodTitles = Object.fromEntries(Object.entries(Lab.METHODS).map(([name, { title }]) => [name, title]));
  const views = { a: view("a"), b: view("b") };

  function view(name) {
    const made = {
      canvas: h("canvas", { width: SIZE, height: SIZE, role: "img" }),
      said: h("p", { class: "lab-progress", role: "status" }),
      about: h("p", { class: "lab-about" }),
      controls: h("div", { class: "lab-controls" }),
      bars: h("ol", { class: "lab-bars" }),
      facts: h("dl", { class: "lab-facts" }),
    };
    const save = button("Save as a picture", () => saved(name));
    made.place = h("section", { class: "lab-panel", "aria-label": `Map ${name.toUpperCase()}` },
      h("h3", {}, `Map ${name.toUpperCase()}`), made.controls, made.canvas, made.said, made.facts,
      h("details", { open: true }, h("summary", {}, "What the network says"), made.about, made.bars), save);
    return made;
  }

  function controls(name) {
    const own = state.panels[name];
    const { classes, about } = Lab.networks.find((one) => one.name === own.network);
    const change = (part, value) => { Object.assign(own, { [part]: value }); explain(name); remember(); };
    const parts = [
      select("Network", networksBySize, own.network, (value) => { own.target = null; own.network = value; controls(name); explain(name); remember(); }),
      select("Class", [["", "the one it predicts"], ...classes.map((title, k) => [k, title])], own.target ?? "", (value) => change("target", value === "" ? null : Number(value))),
      select("Method", methodTitles, own.method, (value) => { own.method = value; own.options = {}; controls(name); explain(name); remember(); }),
    ];
    for (const [option, { title, value, min, max, step, choices }] of Object.entries(Lab.METHODS[own.method].options)) {
      const given = own.options[option] ?? value;
      const set = (chosen) => change("options", { ...own.options, [option]: typeof value === "number" ? Number(chosen) : chosen });
      parts.push(choices ? select(title, choices, given, set) : slider(title, given, min, max, step, set));
    }
    if (!Lab.METHODS[own.method].control)
      parts.push(slider("scrambled layers, from the last on", own.scramble, 0, 6, 1, (value) => change("scramble", Number(value))));
    parts.push(select("Colours", { "": "strength", signed: "sign: red for, blue against" }, own.signed ? "signed" : "", (value) => change("signed", value !== "")));
    views[name].controls.replaceChildren(...parts);
    views[name].about.textContent = `${about[0].toUpperCase()}${about.slice(1)}.`;
  }

  function slider(title, value, min, max, step, set) {
    const told = h("b", { class: "lab-value" }, value);
    const input = h("input", { type: "range", min, max, step, value, oninput: () => { told.textContent = input.value; set(input.value); } });
    return h("label", {}, h("span", {}, title, " ", told), input);
  }

  async function explain(name) {
    const own = state.panels[name];
    const { said: progress } = views[name];
    const { size } = Lab.networks.find((one) => one.name === own.network);
    progress.textContent = "…";
    try {
      await Lab.network(own.network);
    } catch (error) {
      progress.textContent = error.message;
      return;
    }
    if (own !== state.panels[name] || !shown) return;
    const picture = size === SIZE ? shown : Lab.shrunk(shown, SIZE, size);
    const { network, target, method, options, scramble, signed } = own;
    const began = performance.now();
    Lab.ask(name, { network, target, method, options, scramble, seed: 1, picture, size }, {
      scores: (scores) => bars(name, scores),
      progress({ done, of, map }) {
        progress.textContent = `${done} of ${of} …`;
        if (map) paint(name, map, picture, size);
      },
      result(found) {
        progress.textContent = `${Math.round(performance.now() - began)} ms, on your device`;
        if (found.moved) attacked(name, found, picture, size);
        else paint(name, found.map, picture, size);
        facts(name, found, size, signed);
      },
      error: (message) => { progress.textContent = message; },
    });
  }

  function paint(name, map, picture, size) {
    const { method, signed } = state.panels[name];
    const under = Lab.METHODS[method].coarse ? picture : null;
    Lab.paintMap(views[name].canvas, map, size, { signed, under });
  }

  function attacked(name, { moved }, picture, size) {
    Lab.paintPicture(views[name].canvas, moved, size);
  }

  function bars(name, { probabilities, k }) {
    const own = state.panels[name];
    const { classes } = Lab.networks.find((one) => one.name === own.network);
    const items = classes.map((title, i) => [title, probabilities[i], i]).sort((a, b) => b[1] - a[1]).slice(0, 5);
    views[name].bars.replaceChildren(...items.map(([title, share, i]) => {
      const bar = h("span", { class: "lab-bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", share);
      return h("li", { class: i === k ? "lab-asked" : "" }, h("span", {}, title), bar, h("span", {}, Lab.percent(share)));
    }));
  }

  function facts(name, { map, k, score, adds, moved, after, probabilities }, size, signed) {
    const own = state.panels[name];
    const { classes } = Lab.networks.find((one) => one.name === own.network);
    const { title } = Lab.METHODS[own.method];
    const [low, high] = map.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const found = [];
    if (moved) {
      const now = Lab.softmax(after);
      const best = now.indexOf(Math.max(...now));
      found.push(["After the attack", `“${classes[best]}”, ${Lab.percent(now[best])}`], [`“${classes[k]}”`, `${Lab.percent(probabilities[k])} before, ${Lab.percent(now[k])} after`]);
    } else {
      found.push([`Score of “${classes[k]}”`, Lab.number(score)], ["Values of the map", `${Lab.number(low)} to ${Lab.number(high)}`]);
      if (mask) {
        const area = mask.reduce((sum, bit) => sum + bit, 0) / mask.length;
        const share = Lab.shareOn(Lab.reduced(map, size, signed), size, mask);
        found.push(["On the object", Number.isNaN(share) ? "the map is zero" : `${Lab.percent(share)} of the map; it is ${Lab.percent(area)} of the picture`]);
      }
      if (adds) {
        const to = { product: "the score is", change: "the score changes by", mean: "the score less its bias is" }[adds.means];
        found.push([adds.means === "mean" ? "Mean of its grid" : "Sum of the map", `${Lab.number(adds.sum)}; ${to} ${Lab.number(adds.to)}`]);
      }
    }
    views[name].facts.replaceChildren(...found.flatMap(([term, words]) => [h("dt", {}, term), h("dd", {}, words)]));
    views[name].canvas.setAttribute("aria-label",
      `${title} for ${classes[k]}: ${found.map(([term, words]) => `${term}: ${words}`).join(". ")}`);
  }

  // The picture, the map and what was asked, as a file.
  function saved(name) {
    const own = state.panels[name];
    const sheet = h("canvas", { width: 1064, height: 600 });
    const pen = sheet.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, 1064, 600);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(canvas, 20, 20, 502, 502);
    pen.drawImage(views[name].canvas, 542, 20, 502, 502);
    pen.fillStyle = "#1a1a1a";
    pen.font = "20px Georgia, serif";
    pen.fillText(`${Lab.METHODS[own.method].title}; network: ${Lab.networks.find((one) => one.name === own.network).title}`, 20, 556);
    pen.fillText([...views[name].facts.querySelectorAll("dt")].slice(0, 2).map((dt) => `${dt.textContent}: ${dt.nextSibling.textContent}`).join("; "), 20, 584);
    sheet.toBlob((blob) => {
      const address = URL.createObjectURL(blob);
      h("a", { href: address, download: `${own.method}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    });
  }

  // ------------------------------------------------------------------------------------------------------- the page

  const blank = () => {
    own(new Float32Array(3 * SIZE * SIZE).fill(1));
    drag.querySelector("select").value = "draws";
    colour.hidden = false;
  };
  const left = h("section", { class: "lab-picture", "aria-label": "The picture" },
    h("div", { class: "lab-controls" }, pictures), canvas, by,
    h("div", { class: "lab-controls" }, drag, colour, fill), regions,
    h("p", { class: "lab-buttons" }, button("Uncover all", () => { state.cells.clear(); state.region = ""; cover(); }), button("Draw one", blank),
      navigator.mediaDevices?.getUserMedia ? button("Camera", camera) : ""),
    h("label", { class: "lab-file" }, h("span", {}, "Your own picture, chosen or dropped here"), file), live, said, keep);
  place.replaceChildren(h("div", { class: "lab-bench" }, left, views.a.place, views.b.place));

  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped) read(dropped);
  });
  addEventListener("hashchange", () => {
    if (!location.hash.startsWith("#lab:") || location.hash === link()) return;
    follow(location.hash);
    begin();
  });

  function begin() {
    for (const name of Object.keys(views)) controls(name);
    return open();
  }
  if (location.hash.startsWith("#lab:")) follow(location.hash);
  await begin();
};
