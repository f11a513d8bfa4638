// The course's small_cnn, forwards and backwards: convolutions of 3x3 with batch normalisation and a rectifier, the mean
// over the grid, one linear layer. All numbers have 64 bits, so that they can be compared with PyTorch's.
Lab.parts.push(function network(lab) {
  const EPSILON = 1e-5; // of batch normalisation

  lab.decode = function (text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  };

  function half(word) {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >> 10) & 31;
    const fraction = word & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }

  const READERS = {
    F16: [2, (view, at) => half(view.getUint16(at, true))],
    F32: [4, (view, at) => view.getFloat32(at, true)],
  };

  // A file of safetensors: the length of its header, the header, which says where each tensor lies, and the tensors.
  lab.readTensors = function (bytes) {
    const cut = () => new Error("The file of this network is incomplete.");
    if (bytes.length < 8) throw cut();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = 8 + view.getUint32(0, true);
    if (bytes.length < start) throw cut();
    const { __metadata__: said, ...places } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const tensors = {};
    for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(places)) {
      if (start + to > bytes.length) throw cut();
      if (!READERS[dtype]) continue; // the number of batches that batch normalisation has seen
      const [width, read] = READERS[dtype];
      const values = Float64Array.from({ length: (to - from) / width }, (_, i) => read(view, start + from + i * width));
      tensors[name] = { shape, values };
    }
    return { record: JSON.parse(said.salkit), tensors };
  };

  // The network in such a file.
  lab.readNetwork = function (bytes) {
    const { record, tensors } = lab.readTensors(bytes);
    const of = (name) => tensors[name].values;
    const strides = record.kwargs.strides ?? [1, 2, 1, 2, 1];
    const layers = strides.map((stride, i) => {
      const [conv, norm] = [`net.features.${3 * i}`, `net.features.${3 * i + 1}`];
      const { shape, values } = tensors[`${conv}.weight`];
      const scale = of(`${norm}.weight`).map((g, k) => g / Math.sqrt(of(`${norm}.running_var`)[k] + EPSILON));
      const bias = of(`${norm}.bias`).map((b, k) => b - of(`${norm}.running_mean`)[k] * scale[k]);
      const inner = values.length / shape[0];
      return layer(shape[1], shape[0], stride, values.map((w, at) => w * scale[Math.floor(at / inner)]), bias);
    });
    const head = { weights: of("net.classifier.weight"), bias: of("net.classifier.bias") };
    return new Network(layers, head, of("normalize.mean"), of("normalize.std"), record.classes);
  };

  // One that has learnt nothing: all of its weights are drawn.
  lab.untrained = function ({ classes, mean, std, width = 32, strides = [1, 2, 1, 2, 1] }, seed) {
    const channels = [3, ...[1, 2, 4, 4, 8].map((times) => times * width)];
    const layers = strides.map((stride, i) => {
      const [before, after] = [channels[i], channels[i + 1]];
      return layer(before, after, stride, new Float64Array(before * after * 9), new Float64Array(after));
    });
    const head = { weights: new Float64Array(channels[5] * classes.length), bias: new Float64Array(classes.length) };
    return new Network(layers, head, mean, std, classes).scrambled(layers.length + 1, seed);
  };

  // `rows` x `inner` numbers in blocks of four rows, as `multiply` reads them; `at` says where each number stands.
  function packed(rows, inner, at) {
    const blocks = new Float64Array(4 * Math.ceil(rows / 4) * inner);
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < inner; i++) blocks[((row >> 2) * inner + i) * 4 + (row & 3)] = at(row, i);
    return blocks;
  }

  function layer(before, after, stride, weights, bias) {
    const inner = 9 * before;
    return {
      before,
      after,
      stride,
      bias,
      forward: packed(after, inner, (row, i) => weights[row * inner + i]),
      backward: packed(inner, after, (row, i) => weights[i * inner + row]),
    };
  }

  // The product of two matrices, `rows` x `inner` in blocks and `inner` x `columns`, plus a number for each row. Sixteen
  // sums at a time stay in the processor's registers, which makes it twice as fast as the plain three loops.
  function multiply(blocks, rows, inner, right, columns, bias) {
    const out = new Float64Array(rows * columns);
    const four = new Float64Array(4 * inner);
    for (let column = 0; column < columns; column += 4) {
      const wide = Math.min(4, columns - column);
      for (let i = 0; i < inner; i++)
        for (let j = 0; j < 4; j++) four[4 * i + j] = j < wide ? right[i * columns + column + j] : 0;
      for (let row = 0; row < rows; row += 4) {
        let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
        let c0 = 0, c1 = 0, c2 = 0, c3 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0;
        for (let i = 0, at = row * inner; i < 4 * inner; i += 4, at += 4) {
          const x0 = four[i], x1 = four[i + 1], x2 = four[i + 2], x3 = four[i + 3];
          const a = blocks[at], b = blocks[at + 1], c = blocks[at + 2], d = blocks[at + 3];
          a0 += a * x0; a1 += a * x1; a2 += a * x2; a3 += a * x3;
          b0 += b * x0; b1 += b * x1; b2 += b * x2; b3 += b * x3;
          c0 += c * x0; c1 += c * x1; c2 += c * x2; c3 += c * x3;
          d0 += d * x0; d1 += d * x1; d2 += d * x2; d3 += d * x3;
        }
        const sums = [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3];
        for (let r = 0; r < 4 && row + r < rows; r++)
          for (let j = 0; j < wide; j++)
            out[(row + r) * columns + column + j] = sums[4 * r + j] + (bias ? bias[row + r] : 0);
      }
    }
    return out;
  }

  const after = (size, stride) => Math.floor((size - 1) / stride) + 1;

  // Calls `visit(row, column, pixel)` for each number of the matrix whose columns are the 3x3 surroundings of the places
  // of a layer's output, and whose rows are their nine pixels in each channel; what lies outside the picture is left out.
  function surroundings({ before, stride }, size, visit) {
    const out = after(size, stride);
    for (let channel = 0; channel < before; channel++)
      for (let u = 0; u < 3; u++)
        for (let v = 0; v < 3; v++) {
          const row = (channel * 9 + u * 3 + v) * out * out;
          for (let y = 0; y < out; y++) {
            const line = y * stride + u - 1;
            if (line < 0 || line >= size) continue;
            const start = (channel * size + line) * size - 1 + v;
            const first = v === 0 ? 1 : 0; // where the picture begins
            for (let x = first; x < out && x * stride + v - 1 < size; x++) visit(row + y * out + x, start + x * stride);
          }
        }
  }

  function unfold(values, one, size) {
    const matrix = new Float64Array(9 * one.before * after(size, one.stride) ** 2);
    surroundings(one, size, (at, pixel) => { matrix[at] = values[pixel]; });
    return matrix;
  }

  function fold(matrix, one, size) {
    const values = new Float64Array(one.before * size * size);
    surroundings(one, size, (at, pixel) => { values[pixel] += matrix[at]; });
    return values;
  }

  // What a rectifier passes back of the gradient that arrives, `g`, if its output was `y`.
  const RULES = {
    gradient: (g, y) => (y > 0 ? g : 0),
    guided: (g, y) => (y > 0 && g > 0 ? g : 0),
    deconvnet: (g) => (g > 0 ? g : 0),
  };

  class Network {
    constructor(layers, head, mean, std, classes) {
      Object.assign(this, { layers, head, mean, std, classes });
    }

    // The network with its last `count` layers drawn anew: the linear one, then the convolutions from the last to the
    // first, with their normalisation back at the start of all training.
    scrambled(count, seed) {
      const last = this.layers.length;
      const draw = (n, index, inputs, gain) => lab.normal(seed, index, n).map((value) => value * Math.sqrt(gain / inputs));
      const layers = this.layers.map((one, i) => {
        if (last - i >= count) return one;
        const { before, after: channels, stride } = one;
        const weights = draw(9 * before * channels, i, 9 * before, 2).map((w) => w / Math.sqrt(1 + EPSILON));
        return layer(before, channels, stride, weights, new Float64Array(channels));
      });
      const features = this.layers[last - 1].after;
      const head = count < 1 ? this.head : {
        weights: draw(features * this.classes.length, last, features, 1),
        bias: new Float64Array(this.classes.length),
      };
      return new Network(layers, head, this.mean, this.std, this.classes);
    }

    // The logits of a picture, red, green and blue one after the other, in [0, 1]. What the layers gave is kept for the
    // way back.
    forward(picture, size) {
      const plane = size * size;
      let values = Float64Array.from(picture, (v, i) => (v - this.mean[Math.floor(i / plane)]) / this.std[Math.floor(i / plane)]);
      this.size = size;
      this.passed = [];
      for (const one of this.layers) {
        const out = after(size, one.stride);
        const sums = multiply(one.forward, one.after, 9 * one.before, unfold(values, one, size), out * out, one.bias);
        for (let i = 0; i < sums.length; i++) if (!(sums[i] > 0)) sums[i] = 0;
        [values, size] = [sums, out];
        this.passed.push({ values, size });
      }
      const features = this.layers.at(-1).after;
      const pooled = new Float64Array(features);
      for (let i = 0; i < values.length; i++) pooled[Math.floor(i / (size * size))] += values[i] / (size * size);
      return Float64Array.from(this.classes, (_, k) =>
        pooled.reduce((sum, value, c) => sum + value * this.head.weights[k * features + c], this.head.bias[k]));
    }

    // The gradient of a sum of logits, each with a weight, by the picture of the last `forward`, or by what the layer
    // number `layer` gave there.
    backward(weights, { rule = "gradient", layer: goal = -1 } = {}) {
      const { size } = this.passed.at(-1);
      const features = this.layers.at(-1).after;
      let gradient = new Float64Array(features * size * size);
      for (let c = 0; c < features; c++) {
        let slope = 0;
        weights.forEach((weight, k) => { slope += weight * this.head.weights[k * features + c]; });
        gradient.fill(slope / (size * size), c * size * size, (c + 1) * size * size);
      }
      for (let i = this.layers.length - 1; i > goal; i--) {
        const one = this.layers[i];
        const below = i ? this.passed[i - 1].size : this.size;
        const { values, size: side } = this.passed[i];
        const pass = RULES[rule];
        for (let j = 0; j < gradient.length; j++) gradient[j] = pass(gradient[j], values[j]);
        gradient = fold(multiply(one.backward, 9 * one.before, one.after, gradient, side * side), one, below);
      }
      if (goal < 0) gradient = gradient.map((g, i) => g / this.std[Math.floor(i / this.size ** 2)]);
      return gradient;
    }
  }
});
