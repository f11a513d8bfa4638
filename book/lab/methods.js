// The methods, each a generator: it yields after every pass through the network, with the map as far as it has come, so
// that whoever runs it can show that, or stop. A map is signed and has one or three planes.
Lab.parts.push(function methods(lab) {
  const range = (title, value, min, max, step = 1) => ({ title, value, min, max, step });
  const choice = (title, value, choices) => ({ title, value, choices });
  const one = (net, k) => net.classes.map((_, i) => (i === k ? 1 : 0));
  const add = (total, part, weight) => { for (let i = 0; i < total.length; i++) total[i] += weight * part[i]; };
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  // A method gets the network, which has just seen the picture; the class; what was chosen; and the class's score.
  const plain = (rule) => function* ({ net, k }) {
    return { map: net.backward(one(net, k), { rule }) };
  };

  function* inputTimesGradient({ net, picture, k, score }) {
    const map = net.backward(one(net, k)).map((g, i) => g * picture[i]);
    return { map, adds: { sum: sum(map), to: score, means: "product" } };
  }

  function* smoothGrad({ net, picture, size, k, options: { n, noise, seed } }) {
    const [low, high] = picture.reduce(([least, most], v) => [Math.min(least, v), Math.max(most, v)], [1, 0]);
    const total = new Float64Array(picture.length);
    for (let copy = 0; copy < n; copy++) {
      const draws = lab.normal(seed, copy, picture.length);
      net.forward(picture.map((v, i) => v + noise * (high - low) * draws[i]), size);
      add(total, net.backward(one(net, k)), 1);
      yield { done: copy + 1, of: n, map: () => total.map((v) => v / (copy + 1)) };
    }
    return { map: total.map((v) => v / n) };
  }

  // Where Gauss and Legendre look on [0, 1], and the weights: the roots of a polynomial, by Newton's method.
  lab.gaussLegendre = function (n) {
    return Array.from({ length: n }, (_, i) => {
      let x = -Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
      let slope = 1;
      for (let step = 0; step < 100; step++) {
        let [before, value] = [1, x];
        for (let m = 2; m <= n; m++) [before, value] = [value, ((2 * m - 1) * x * value - (m - 1) * before) / m];
        slope = (n * (x * value - before)) / (x * x - 1);
        const move = value / slope;
        x -= move;
        if (Math.abs(move) < 1e-15) break;
      }
      return [(x + 1) / 2, 1 / ((1 - x * x) * slope * slope)];
    });
  };

  function* integratedGradients({ net, picture, size, k, score, options: { n, baseline } }) {
    const begin = net.forward(picture.map(() => baseline), size)[k];
    const total = new Float64Array(picture.length);
    const way = picture.map((v) => v - baseline);
    let [done, walked] = [0, 0];
    for (const [place, weight] of lab.gaussLegendre(n)) {
      net.forward(way.map((v) => baseline + place * v), size);
      add(total, net.backward(one(net, k)), weight);
      walked += weight;
      yield { done: ++done, of: n, map: () => total.map((v, i) => (v * way[i]) / walked) };
    }
    const map = total.map((v, i) => v * way[i]);
    return { map, adds: { sum: sum(map), to: score - begin, means: "change" } };
  }

  // Bilinear, with the corners of both grids' pixels in the same places.
  lab.enlarge = function (grid, from, to) {
    const places = Array.from({ length: to }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const before = Math.min(Math.floor(at), from - 1);
      return [before, Math.min(before + 1, from - 1), at - before];
    });
    const out = new Float64Array(to * to);
    places.forEach(([top, bottom, down], y) => places.forEach(([left, right, across], x) => {
      const line = (row) => grid[row * from + left] * (1 - across) + grid[row * from + right] * across;
      out[y * to + x] = line(top) * (1 - down) + line(bottom) * down;
    }));
    return out;
  };

  function weighed({ values, size }, weights) {
    const grid = new Float64Array(size * size);
    weights.forEach((weight, c) => add(grid, values.subarray(c * size * size, (c + 1) * size * size), weight));
    return grid;
  }

  function* cam({ net, size, k, score }) {
    const last = net.passed.at(-1);
    const features = net.layers.at(-1).after;
    const grid = weighed(last, Array.from(net.head.weights.subarray(k * features, (k + 1) * features)));
    const adds = { sum: sum(grid) / grid.length, to: score - net.head.bias[k], means: "mean" };
    return { map: lab.enlarge(grid, last.size, size), adds, grid: last.size };
  }

  function* gradCam({ net, size, k, options: { layer, sign } }) {
    const place = net.passed[layer - 1];
    const plane = place.size ** 2;
    const gradient = net.backward(one(net, k), { layer: layer - 1 });
    const weights = Array.from({ length: gradient.length / plane }, (_, c) => sum(gradient.subarray(c * plane, (c + 1) * plane)) / plane);
    const grid = weighed(place, weights);
    const map = sign === "for" ? grid.map((v) => Math.max(0, v)) : grid;
    return { map: lab.enlarge(map, place.size, size), grid: place.size };
  }

  function* occlusion({ net, picture, size, k, score, options: { window, stride, cover } }) {
    const side = Math.max(1, Math.round((window * size) / 32)); // both are given for a picture of 32 pixels
    const step = Math.min(side, Math.max(1, Math.round((stride * size) / 32)));
    const starts = Array.from({ length: Math.ceil((size - side) / step) + 1 }, (_, i) => i * step);
    const [drops, counts] = [new Float64Array(size * size), new Float64Array(size * size)];
    const mean = () => drops.map((v, i) => (counts[i] ? v / counts[i] : 0));
    let done = 0;
    for (const top of starts)
      for (const left of starts) {
        const hidden = picture.slice();
        const inside = [];
        for (let y = top; y < Math.min(top + side, size); y++)
          for (let x = left; x < Math.min(left + side, size); x++) inside.push(y * size + x);
        for (const at of inside) for (let c = 0; c < 3; c++) hidden[c * size * size + at] = cover;
        const drop = score - net.forward(hidden, size)[k];
        for (const at of inside) { drops[at] += drop; counts[at]++; }
        yield { done: ++done, of: starts.length ** 2, map: mean };
      }
    return { map: mean() };
  }

  lab.softmax = function (logits) {
    const top = Math.max(...logits);
    const powers = Array.from(logits, (z) => Math.exp(z - top));
    const total = sum(powers);
    return powers.map((p) => p / total);
  };

  function* attack({ net, picture, size, k, options: { eps, steps = 1, goal, seed } }) {
    const most = eps / 255;
    // FGSM is one whole step from the picture; PGD begins at random, and its steps are those of Madry et al.
    const stride = ((goal === "towards" ? -1 : 1) * (seed === undefined ? most : 2.5 * most)) / steps;
    const keep = (v, low, high) => Math.min(high, Math.max(low, v));
    let moved = Float64Array.from(picture);
    if (seed !== undefined) {
      const draws = lab.uniform(seed, 0, picture.length);
      moved = moved.map((v, i) => keep(v + most * (2 * draws[i] - 1), 0, 1));
    }
    for (let step = 0; step < steps; step++) {
      const probabilities = lab.softmax(net.forward(moved, size));
      const slope = net.backward(probabilities.map((p, i) => p - (i === k ? 1 : 0))); // of the cross-entropy
      moved = moved.map((v, i) => {
        const there = keep(v + stride * Math.sign(slope[i]), picture[i] - most, picture[i] + most);
        return keep(there, 0, 1);
      });
      yield { done: step + 1, of: steps };
    }
    return { map: moved.map((v, i) => v - picture[i]), moved, after: net.forward(moved, size) };
  }

  // The Sobel filter in each channel; the border is continued outwards.
  function* edges({ picture, size }) {
    const map = new Float64Array(picture.length);
    const inside = (i) => Math.min(size - 1, Math.max(0, i));
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const at = (down, across) => picture[(c * size + inside(y + down)) * size + inside(x + across)];
          const across = [-1, 0, 1].map((row) => (at(row, 1) - at(row, -1)) / 2);
          const down = [-1, 0, 1].map((column) => (at(1, column) - at(-1, column)) / 2);
          const smooth = ([before, here, behind]) => (before + 2 * here + behind) / 4;
          map[(c * size + y) * size + x] = Math.hypot(smooth(across), smooth(down));
        }
    return { map };
  }

  // Noise: another one for each picture and each network.
  function* noise({ picture, name, options: { seed } }) {
    const pixels = new Uint8Array(Float32Array.from(picture).buffer);
    const stream = lab.digest([...new TextEncoder().encode(name), ...pixels]);
    return { map: lab.normal(seed, stream, picture.length) };
  }

  const seed = range("seed", 0, 0, 99);
  const goal = choice("direction", "away", { away: "away from the class", towards: "towards the class" });
  const eps = range("largest change, in grey levels of 255", 8, 0, 32, 0.5);
  // Titles, what they cost and take, and `coarse` for what lies over the picture.
  lab.METHODS = {
    gradient: { title: "Gradient", run: plain("gradient"), options: {} },
    input_x_gradient: { title: "Input × gradient", run: inputTimesGradient, options: {} },
    smoothgrad: {
      title: "SmoothGrad",
      run: smoothGrad,
      options: { n: range("noisy copies", 25, 1, 100), noise: range("noise, as a share of the range", 0.15, 0, 0.5, 0.01), seed },
    },
    integrated_gradients: {
      title: "Integrated gradients",
      run: integratedGradients,
      options: { n: range("steps", 32, 2, 100), baseline: choice("from", 0, { 0: "black", 1: "white", 0.5: "grey" }) },
    },
    guided_backprop: { title: "Guided backprop", run: plain("guided"), options: {} },
    deconvnet: { title: "Deconvnet", run: plain("deconvnet"), options: {} },
    cam: { title: "CAM", run: cam, coarse: true, options: {} },
    gradcam: {
      title: "Grad-CAM",
      run: gradCam,
      coarse: true,
      options: {
        layer: range("behind the convolution", 5, 1, 5),
        sign: choice("show", "for", { for: "what speaks for the class", both: "for and against" }),
      },
    },
    occlusion: {
      title: "Occlusion",
      run: occlusion,
      coarse: true,
      options: {
        window: range("window, in 32nds of the picture", 8, 1, 16),
        stride: range("stride, in 32nds", 4, 1, 16),
        cover: choice("cover with", 0.5, { 0: "black", 1: "white", 0.5: "grey" }),
      },
    },
    fgsm: { title: "FGSM, an attack", run: attack, attack: true, options: { eps, goal } },
    pgd: { title: "PGD, an attack in steps", run: attack, attack: true, options: { eps, steps: range("steps", 10, 1, 40), goal, seed } },
    edge_map: { title: "Edges: no network", run: edges, control: true, options: {} },
    random_map: { title: "Noise: no network", run: noise, control: true, options: { seed } },
  };

  lab.defaults = (method) =>
    Object.fromEntries(Object.entries(lab.METHODS[method].options).map(([name, { value }]) => [name, value]));

  // One request, from the picture to the map.
  lab.explain = function* ({ net, name, picture, size, target, method, options }) {
    const logits = net.forward(picture, size);
    const k = target ?? logits.indexOf(Math.max(...logits));
    const scores = { logits, probabilities: lab.softmax(logits), k, score: logits[k] };
    yield { scores };
    const given = { net, name, picture, size, k, score: logits[k], options: { ...lab.defaults(method), ...options } };
    return { ...scores, ...(yield* lab.METHODS[method].run(given)) };
  };
});
