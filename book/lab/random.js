// Random numbers that depend on nothing but a seed, a stream and a count, so that a page, a test and a reader who
// follows a link draw the same ones. The generator is Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3"); tests/book/counter.py has it in Python.
Lab.parts.push(function random(lab) {
  const TURNS = [13, 15, 26, 6, 17, 29, 16, 24];

  // Two words of 32 bits for a key and a counter of two words each.
  lab.threefry = function (key0, key1, counter0, counter1) {
    const keys = [key0, key1, 0x1bd11bda ^ key0 ^ key1];
    let a = (counter0 + key0) | 0;
    let b = (counter1 + key1) | 0;
    for (let round = 1; round <= 20; round++) {
      const turn = TURNS[(round - 1) % 8];
      a = (a + b) | 0;
      b = ((b << turn) | (b >>> (32 - turn))) ^ a;
      if (round % 4 === 0) {
        const n = round / 4;
        a = (a + keys[n % 3]) | 0;
        b = (b + keys[(n + 1) % 3] + n) | 0;
      }
    }
    return [a >>> 0, b >>> 0];
  };

  function inPairs(seed, stream, n, pair) {
    const values = new Float64Array(n);
    for (let i = 0; i < n; i += 2) {
      const [first, second] = pair(...lab.threefry(seed, stream, i / 2, 0));
      values[i] = first;
      if (i + 1 < n) values[i + 1] = second;
    }
    return values;
  }

  // Evenly in [0, 1).
  lab.uniform = (seed, stream, n) => inPairs(seed, stream, n, (a, b) => [a / 2 ** 32, b / 2 ** 32]);

  // From the normal distribution, by Box and Muller.
  lab.normal = (seed, stream, n) =>
    inPairs(seed, stream, n, (a, b) => {
      const length = Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32));
      const angle = (2 * Math.PI * b) / 2 ** 32;
      return [length * Math.cos(angle), length * Math.sin(angle)];
    });

  // A word of 32 bits for some bytes (FNV-1a): which stream belongs to a picture.
  lab.digest = function (bytes) {
    let hash = 0x811c9dc5;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    return hash >>> 0;
  };
});
