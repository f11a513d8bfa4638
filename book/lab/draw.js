// Numbers to pictures: maps in the book's colours, pictures to what a network sees, and what can be said of a map.
(function () {
  const INFERNO = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
  const FOR_AND_AGAINST = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]]; // blue against, red for

  // 256 colours from 0 to 1, between the given ones.
  const table = (steps) => Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (steps.length - 1);
    const before = Math.min(Math.floor(at), steps.length - 2);
    return steps[before].map((c, j) => c + (steps[before + 1][j] - c) * (at - before));
  });
  const [WARM, BOTH] = [table(INFERNO), table(FOR_AND_AGAINST)];
  const colour = (colours, value) => colours[Math.round(255 * Math.min(1, Math.max(0, value)))];

  // What three planes become at each pixel: their largest magnitude, or their sum.
  Lab.reduced = function (map, size, signed) {
    const plane = size * size;
    const planes = map.length / plane;
    return Float64Array.from({ length: plane }, (_, i) => {
      let [most, sum] = [0, 0];
      for (let c = 0; c < planes; c++) {
        most = Math.max(most, Math.abs(map[c * plane + i]));
        sum += map[c * plane + i];
      }
      return signed ? sum : most;
    });
  };

  // The upper end of the colours: so few pixels lie above that they don't darken the rest.
  function upperEnd(values, share = 0.995) {
    const sorted = Float64Array.from(values, Math.abs).sort();
    return sorted[Math.round(share * (sorted.length - 1))] || sorted.at(-1) || 1;
  }

  Lab.paint = function (canvas, size, pixel) {
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    for (let i = 0; i < size * size; i++) {
      const [red, green, blue] = pixel(i);
      image.data[4 * i] = red;
      image.data[4 * i + 1] = green;
      image.data[4 * i + 2] = blue;
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };

  Lab.paintPicture = (canvas, picture, size) =>
    Lab.paint(canvas, size, (i) => [255 * picture[i], 255 * picture[size * size + i], 255 * picture[2 * size * size + i]]);

  // A map; a coarse one lies over the picture in grey.
  Lab.paintMap = function (canvas, map, size, { signed = false, under = null } = {}) {
    const values = Lab.reduced(map, size, signed);
    const top = upperEnd(values);
    const grey = (i) => 255 * (0.3 * under[i] + 0.59 * under[size * size + i] + 0.11 * under[2 * size * size + i]);
    Lab.paint(canvas, size, (i) => {
      const value = values[i] / top;
      const own = signed ? colour(BOTH, (value + 1) / 2) : colour(WARM, value);
      if (!under) return own;
      const share = signed ? 0.65 : 0.25 + 0.55 * Math.min(1, Math.max(0, value));
      const below = (1 - share) * grey(i);
      return [share * own[0] + below, share * own[1] + below, share * own[2] + below];
    });
  };

  // The mean of each square of pixels, from the laboratory's 128 to what a network takes.
  Lab.shrunk = function (picture, from, to) {
    const step = from / to;
    const out = new Float32Array(3 * to * to);
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < to; y++)
        for (let x = 0; x < to; x++) {
          let sum = 0;
          for (let v = 0; v < step; v++)
            for (let u = 0; u < step; u++) sum += picture[(c * from + y * step + v) * from + x * step + u];
          out[(c * to + y) * to + x] = sum / (step * step);
        }
    return out;
  };

  // The middle square of a drawn source as numbers in [0, 1]; what is transparent is laid on white.
  Lab.pixels = function (source, width, height, size = 128) {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const side = Math.min(width, height);
    // By halves: a browser that shrinks much at once leaves pixels out.
    let [from, left, top, now] = [source, (width - side) / 2, (height - side) / 2, side];
    let small = Math.min(side, size * 2 ** Math.max(0, Math.ceil(Math.log2(side / size)) - 1));
    for (;;) {
      const next = document.createElement("canvas");
      next.width = next.height = small;
      const pen = next.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, small, small);
      pen.drawImage(from, left, top, now, now, 0, 0, small, small);
      [from, left, top, now] = [next, 0, 0, small];
      if (small <= size) break;
      small = Math.max(size, small / 2);
    }
    canvas.width = canvas.height = size;
    context.drawImage(from, 0, 0, now, now, 0, 0, size, size);
    const { data } = context.getImageData(0, 0, size, size);
    const picture = new Float32Array(3 * size * size);
    for (let i = 0; i < size * size; i++) for (let c = 0; c < 3; c++) picture[c * size * size + i] = data[4 * i + c] / 255;
    return picture;
  };

  Lab.image = (address) => new Promise((loaded, failed) => {
    const image = new Image();
    image.onload = () => loaded(image);
    image.onerror = () => failed(new Error("This file is not a picture that the browser can read. Take a JPEG, PNG or WebP."));
    image.src = address;
  });

  Lab.picture = async function ({ data, mask }) {
    const image = await Lab.image(data);
    const bits = mask && Lab.decode(mask);
    return {
      picture: Lab.pixels(image, image.naturalWidth, image.naturalHeight),
      mask: bits && Uint8Array.from({ length: 128 * 128 }, (_, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1),
    };
  };

  // How well two maps agree on what is strong and what is weak: Spearman's correlation of their ranks, ties shared.
  Lab.rankCorrelation = function (a, b) {
    const ranks = (values) => {
      const order = Array.from(values.keys()).sort((i, j) => values[i] - values[j]);
      const out = new Float64Array(values.length);
      for (let start = 0; start < order.length; ) {
        let end = start;
        while (end < order.length && values[order[end]] === values[order[start]]) end++;
        for (let i = start; i < end; i++) out[order[i]] = (start + end - 1) / 2;
        start = end;
      }
      return out;
    };
    const [p, q] = [ranks(a), ranks(b)];
    const mean = (a.length - 1) / 2;
    let [pq, pp, qq] = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      pq += (p[i] - mean) * (q[i] - mean);
      pp += (p[i] - mean) ** 2;
      qq += (q[i] - mean) ** 2;
    }
    return pp && qq ? pq / Math.sqrt(pp * qq) : NaN;
  };

  // The share of a map's strength that lies on a mask of 128 pixels.
  Lab.shareOn = function (values, size, mask) {
    const step = 128 / size;
    let [on, all] = [0, 0];
    for (let i = 0; i < 128 * 128; i++) {
      const value = Math.abs(values[Math.floor(Math.floor(i / 128) / step) * size + Math.floor((i % 128) / step)]);
      all += value;
      if (mask[i]) on += value;
    }
    return all ? on / all : NaN;
  };

  Lab.number = (value) => {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text = size && (size < 0.001 || size >= 10000) ? value.toExponential(1) : value.toPrecision(3);
    return text.replace(/^-/, "−").replace("e-", "e−").replace("e+", "e");
  };
  Lab.percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}\u00a0%`;
  Lab.megabytes = (bytes) => (bytes ? `${(bytes / 1e6).toFixed(1)} MB` : "nothing to load");

  // Elements with attributes and children: h("button", { class: "x", onclick }, "Text").
  Lab.h = function (tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (typeof value === "boolean") element.toggleAttribute(name, value);
      else if (value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
})();
