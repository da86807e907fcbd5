import type { Program } from "./fakeDevice.ts";

// Kernels as JavaScript functions, for a fake device. Each computes the same results as the WGSL kernel of its name,
// and accesses only the workgroups and buffer ranges of the dispatch.

type Named = Readonly<Record<string, number>>;
type Groups = readonly [x: number, y: number, z: number];
type Load = (i: number) => number;

const threads = 64;

const groupsOf = ([x, y]: Groups): number => x * y;

const floats = (words: Uint32Array): Float32Array => new Float32Array(words.buffer, words.byteOffset, words.length);

const views = {
  word: (words: Uint32Array) => words,
  half: ({ buffer, byteOffset, byteLength }: Uint32Array) => new Uint16Array(buffer, byteOffset, byteLength / 2),
  byte: ({ buffer, byteOffset, byteLength }: Uint32Array) => new Uint8Array(buffer, byteOffset, byteLength),
};

/** Returns a function that reads an element of a buffer range, and throws outside the range. */
const loaderOf = (view: ArrayLike<number>): Load => {
  return (i) => {
    if (!(i >= 0 && i < view.length)) throw new Error(`element ${i} of a view of ${view.length}`);
    return view[i];
  };
};

/**
 * Returns a program for a kernel made by `elements`, with `inputs` inputs. `element` computes element i; `keeps` is
 * true for elements to leave unchanged.
 */
function elements(
  kind: keyof typeof views,
  inputs: 1 | 2,
  element: (i: number, u: Named, loads: readonly Load[]) => number,
  keeps: (i: number, u: Named) => boolean = () => false,
): Program {
  const each = { word: 1, half: 2, byte: 4 }[kind];
  return (_data, tensors, groups, u) => {
    const loads = tensors.slice(0, inputs).map((words, k) => loaderOf(k === 0 ? views[kind](words) : words));
    const out = views[kind](tensors[inputs]);
    for (let index = 0; index < threads * groupsOf(groups); index++) {
      for (let i = each * index; i < each * (index + 1) && i < u.size; i++) {
        if (i >= out.length) throw new Error(`element ${i} of a result of ${out.length}`);
        if (!keeps(i, u)) out[i] = element(i, u, loads);
      }
    }
  };
}

/** Returns the offset of an operand's element at a position of a traversal, like the WGSL of `walk`. */
function walked(u: Named, operand: string, tag: string, position: number): number {
  let rank = 0;
  while (`${operand}${tag}${rank}` in u) rank++;
  let [rest, offset] = [position, 0];
  for (let d = rank - 1; d >= 0; d--) {
    const size = d > 0 ? u[`size${tag}${d}`] : Number.POSITIVE_INFINITY;
    offset += (d > 0 ? rest % size : rest) * u[`${operand}${tag}${d}`];
    if (d > 0) rest = Math.floor(rest / size);
  }
  return offset;
}

const kinds = ["word", "half", "byte"] as const;
const eachKind = (made: (kind: (typeof kinds)[number]) => Record<string, Program>) =>
  Object.assign({}, ...kinds.map(made)) as Record<string, Program>;

const moves = eachKind((kind) => ({
  [`strided ${kind}`]: elements(kind, 1, (i, u, [x]) => x(walked(u, "at", "", i))),
  [`slice ${kind}`]: elements(kind, 1, (i, u, [x]) => {
    const row = Math.floor(i / u.inner);
    const from = Math.floor(row / u.count) * u.n + u.start + (row % u.count) * u.step;
    return x(u.first + from * u.inner + (i % u.inner));
  }),
  [`cat ${kind}`]: elements(
    kind,
    1,
    (i, u, [x]) => x(Math.floor(i / u.row) * u.run + (i % u.row) - u.start),
    (i, u) => i % u.row < u.start || (i % u.row) - u.start >= u.run,
  ),
  [`embedding ${kind}`]: elements(kind, 2, (i, u, [weight, ids]) => {
    return weight((ids(Math.floor(i / u.width)) - u.first) * u.width + (i % u.width));
  }),
  [`indexSelect ${kind}`]: elements(kind, 2, (i, u, [x, indices]) => {
    const row = Math.floor(i / u.inner);
    const from = Math.floor(row / u.count) * u.n + indices(row % u.count);
    return x(from * u.inner + (i % u.inner));
  }),
}));

const valueBits = (value: number, isFloat: boolean): number =>
  isFloat ? new Uint32Array(Float32Array.of(value).buffer)[0] : value;

const placed = (isFloat: boolean): Program =>
  elements("word", 1, (i, u, [x]) => {
    const row = Math.floor(i / u.inner);
    const at = u.row + (row % u.whole);
    const step = (at - u.start) / u.step;
    if (at < u.start || !Number.isInteger(step) || step >= u.n) return valueBits(u.value, isFloat);
    return x((Math.floor(row / u.whole) * u.n + step) * u.inner + (i % u.inner) - u.first);
  });

const reduced =
  (alone: boolean, start: number, join: (a: number, b: number) => number): Program =>
  (_data, [words, results], groups, u) => {
    const [x, out] = [loaderOf(floats(words)), floats(results)];
    const most = alone ? threads * groupsOf(groups) : groupsOf(groups);
    for (let which = 0; which < most && which < u.size; which++) {
      const item = Math.floor(which / u.parts);
      const first = (which % u.parts) * u.part;
      let sum = start;
      const at = walked(u, "at", "K", item);
      for (let j = first; j < Math.min(first + u.part, u.count); j++) sum = join(sum, x(at + walked(u, "to", "R", j)));
      if (which >= out.length) throw new Error(`result ${which} of ${out.length}`);
      out[which] = sum;
    }
  };

const add = (a: number, b: number): number => a + b;

/** Returns a program that runs `work` for each element index. */
const numbers =
  (work: (index: number, u: Named, tensors: readonly Float32Array[]) => void): Program =>
  (_data, tensors, groups, u) => {
    const all = tensors.map(floats);
    for (let index = 0; index < threads * groupsOf(groups) && index < u.size; index++) {
      if (index >= all[0].length) throw new Error(`number ${index} of ${all[0].length}`);
      work(index, u, all);
    }
  };

/** Matrix products with any tile: the shader's name gives the operands' layout, and its WGSL how sums are stored. */
const product: Program = (_data, [left, right, results], groups, u, { label, code }) => {
  const [a, w, out] = [loaderOf(floats(left)), loaderOf(floats(right)), floats(results)];
  const [transposeA, transposeB] = ["transposeA", "transposeB"].map((word) => label.includes(word));
  const [, added, scaled] = /out\[first \+ 0u\] (\+?)= (u\.scale \* )?/.exec(code) ?? [];
  const blocks = code.includes("begin < u.k; begin += u.each");
  if (groupsOf(groups) === 0) return;
  for (let slice = 0; slice < u.batches * u.parts; slice++) {
    const batch = slice % u.batches;
    const [atA, atW] = [u.startA + walked(u, "atA", "", batch), u.startW + walked(u, "atW", "", batch)];
    const begin = blocks ? 0 : Math.floor(slice / u.batches) * u.each;
    const end = blocks ? u.k : Math.min(u.k, begin + u.each);
    for (let row = 0; row < u.m; row++) {
      for (let column = 0; column < u.n; column++) {
        let sum = 0;
        for (let p = begin; p < end; p++) {
          const x = a(atA + (transposeA ? p * u.strideA + row : row * u.strideA + p));
          sum += x * w(atW + (transposeB ? column * u.strideW + p : p * u.strideW + column));
        }
        const place = u.startOut + (slice * u.m + row) * u.strideOut + column;
        if (place >= out.length) throw new Error(`result ${place} of ${out.length}`);
        if (scaled) sum *= u.scale;
        out[place] = added ? out[place] + sum : sum;
      }
    }
  }
};

const parts =
  (added: boolean, scaled: boolean): Program =>
  (_data, [words, results], groups, u) => {
    const [x, out] = [loaderOf(floats(words)), floats(results)];
    for (let index = 0; index < threads * groupsOf(groups) && index < u.size; index++) {
      let sum = 0;
      for (let part = 0; part < u.parts; part++) sum += x(part * u.size + index);
      const at = u.start + Math.floor(index / u.n) * u.stride + (index % u.n);
      if (scaled) sum *= u.scale;
      out[at] = added ? out[at] + sum : sum;
    }
  };

/** The programs by shader name. */
export const plainPrograms: Readonly<Record<string, Program>> = {
  ...moves,
  product,
  "product, parts, sum": parts(false, false),
  "product, parts, scaled": parts(false, true),
  "product, parts, added": parts(true, false),
  "product, parts, added scaled": parts(true, true),
  lowRankRows: elements("word", 1, (i, _u, [y]) => y(i)),
  "place f32": placed(true),
  "place i32": placed(false),
  copyInto: elements("word", 1, (i, _u, [x]) => x(i)),
  sum: reduced(false, 0, add),
  "sum, one thread a result": reduced(true, 0, add),
  amax: reduced(false, Number.NEGATIVE_INFINITY, Math.max),
  "amax, one thread a result": reduced(true, Number.NEGATIVE_INFINITY, Math.max),
  gather: elements("word", 2, (i, u, [x, indices]) => x(indices(i) * u.stride + walked(u, "at", "", i))),
  scatterAdd: (_data, [words, indices, results], groups, u) => {
    const [x, out] = [loaderOf(floats(words)), floats(results)];
    for (let index = 0; index < threads * groupsOf(groups) && index < u.lanes; index++) {
      for (let k = 0; k < u.count; k++) {
        const at = walked(u, "base", "", index) + k * u.step;
        out[walked(u, "to", "", index) + indices[at] * u.stride] += x(at);
      }
    }
  },
  cacheWrite: (_data, [rows, cache], groups, u) => {
    for (let index = 0; index < threads * groupsOf(groups) && index < u.size; index++) {
      cache[u.start + Math.floor(index / u.run) * u.step + (index % u.run)] = loaderOf(rows)(u.first + index);
    }
  },
  gradNorm: (_data, [words, results], groups, u) => {
    const [x, out] = [floats(words), floats(results)];
    for (let row = 0; row < groupsOf(groups) && row < u.rows; row++) {
      let sum = 0;
      for (let i = 16384 * row; i < Math.min(16384 * (row + 1), u.n); i++) sum += x[i] * x[i];
      out[3 * (u.first + row) + 1] = sum;
    }
  },
  "gradNorm, root": (_data, [words, results], _groups, u) => {
    let sum = 0;
    for (let i = 0; i < u.n; i++) sum += loaderOf(floats(words))(3 * i + 1);
    floats(results)[0] = Math.sqrt(sum);
  },
  clipToNorm: numbers((i, u, [x, [norm]]) => {
    x[i] *= Math.min(1, u.most / (norm + 1e-6));
  }),
  scaleInPlace: numbers((i, u, [x]) => {
    x[i] *= u.factor;
  }),
  addInto: numbers((i, u, [x, y]) => {
    x[i] += u.alpha * y[i];
  }),
  adamStep: numbers((i, u, [p, grad, m, v]) => {
    const g = grad[i] + u.decay * p[i];
    m[i] = u.beta1 * m[i] + u.rest1 * g;
    v[i] = u.beta2 * v[i] + u.rest2 * g * g;
    p[i] = p[i] * u.shrink - (u.stepSize * m[i]) / (Math.sqrt(v[i]) * u.rootFactor + u.eps);
  }),
  sgdStep: numbers((i, u, [p, grad]) => {
    p[i] -= u.lr * (grad[i] + u.decay * p[i]);
  }),
  "sgdStep, momentum": numbers((i, u, [p, grad, buffer]) => {
    const g = grad[i] + u.decay * p[i];
    buffer[i] = u.first === 0 ? u.momentum * buffer[i] + u.rest * g : g;
    p[i] -= u.lr * (u.nesterov === 0 ? buffer[i] : g + u.momentum * buffer[i]);
  }),
  rope: (_data, [words, cosines, sines, results], groups, u) => {
    const [x, cos, sin, out] = [words, cosines, sines, results].map(floats);
    for (let i = 0; i < threads * groupsOf(groups) && i < u.size; i++) {
      const c = i % u.width;
      if (c >= 2 * u.half) {
        out[i] = x[i];
        continue;
      }
      const row = Math.floor(i / u.width / u.heads);
      const upper = c >= u.half;
      const at = (u.offset + (row % u.period)) * u.half + (upper ? c - u.half : c);
      const turned = loaderOf(x)(upper ? i - u.half : i + u.half) * u.sign * loaderOf(sin)(at);
      out[i] = x[i] * loaderOf(cos)(at) + (upper ? turned : -turned);
    }
  },
  "indexAdd, chains": (_data, [indices, next, later], groups, u) => {
    for (let index = 0; index < threads * groupsOf(groups) && index < u.count; index++) {
      let at = index + 1;
      while (at < u.count && indices[at] !== indices[index]) at++;
      next[index] = at;
      if (at < u.count) later[at] = 1;
    }
  },
  indexAdd: (_data, [words, indices, next, later, results], groups, u) => {
    const [x, out] = [loaderOf(floats(words)), floats(results)];
    for (let index = 0; index < threads * groupsOf(groups) && index < u.size; index++) {
      const first = Math.floor(index / u.inner) % u.count;
      const id = indices[first] - u.first;
      if (id < 0 || id >= u.n || later[first] !== 0) continue;
      const outer = Math.floor(index / u.inner / u.count);
      let sum = 0;
      for (let at = first; at < u.count; at = next[at]) sum += x((outer * u.count + at) * u.inner + (index % u.inner));
      out[(outer * u.n + id) * u.inner + (index % u.inner)] = sum;
    }
  },
  "embedding word, part": (data, tensors, groups, u, text) => {
    const id = (i: number): number => tensors[1][Math.floor(i / u.width)];
    elements(
      "word",
      2,
      (i, _u, [weight]) => weight((id(i) - u.first) * u.width + (i % u.width)),
      (i) => id(i) < u.first || id(i) - u.first >= u.rows,
    )(data, tensors, groups, u, text);
  },
};
