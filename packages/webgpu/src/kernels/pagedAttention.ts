import type { pagedAttention, pagedWrite } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { entry, shader, spread, variants } from "../kernel/shader.ts";
import { f32 } from "../selfCheck/shrink.ts";
import { attentionRows } from "../wgsl/attentionRows.ts";
import { mathCode } from "../wgsl/math.ts";
import { rowGroups } from "../wgsl/rows.ts";

const threads = 64;

/**
 * Kernel that collects for each row (a token) its sequence, its position and its sequence's pages. Pages to which the
 * row does not attend are written as 0. Checks these values and reports the first invalid one, in the order that the op
 * documents.
 */
const entriesOf = shader({
  name: "pagedAttention, entries",
  bindings: { tables: "read i32", places: "read i32", entries: "write i32" },
  uniforms: { count: "u32", sequences: "u32", width: "u32", pages: "u32", pageSize: "u32", window: "u32" },
  faults: true,
  code: entry(
    threads,
    `  if (index >= u.count) { return; }
  let n = index / (2u + u.width);
  let e = index % (2u + u.width);
  let sequence = places[2u * n];
  let position = places[2u * n + 1u];
  var value = 0;
  var below = 1u;
  if (e == 0u) {
    value = sequence;
    below = u.sequences;
  } else if (e == 1u) {
    value = position;
    below = u.width * u.pageSize;
  } else if (u32(sequence) < u.sequences && u32(position) < u.width * u.pageSize) {
    let first = (e - 2u) * u.pageSize;
    let last = first + u.pageSize - 1u;
    if (first <= u32(position) && (u.window == 0u || last + u.window > u32(position))) {
      value = tables[u32(sequence) * u.width + e - 2u];
      below = u.pages;
    }
  }
  entries[index] = value;
  if (u32(value) >= below) { fault(i32(index)); }`,
  ),
});

/** WGSL that declares a row's token `n`, its head `h`, and the offset `entryAt` of the token's collected values. */
const rowCode = `let n = row / u.heads;
  let h = row % u.heads;
  let entryAt = n * (2u + u.width);`;

const attended = variants((size: number) =>
  attentionRows({
    name: "pagedAttention",
    bindings: { q: "read f32", k: "read f32", v: "read f32", entries: "read i32", out: "write f32" },
    uniforms: {
      ...({ heads: "u32", kvHeads: "u32", group: "u32", size: "u32", sequences: "u32", width: "u32" } as const),
      ...({ pages: "u32", pageSize: "u32", window: "u32", scale: "f32", softcap: "f32" } as const),
    },
    size,
    helpers: `${mathCode("exp", "tanh")}
const lowest = -3.4028234e38;
fn scoreOf(product: f32) -> f32 {
  let s = product * u.scale;
  if (u.softcap > 0.0) { return u.softcap * tanhOf(s / u.softcap); }
  return s;
}`,
    begin: `${rowCode}
  let qAt = row * u.size;
  let position = u32(entries[entryAt + 1u]);
  var first = 0u;
  var end = position + 1u;
  if (u.window > 0u && end > u.window) { first = end - u.window; }
  if (u32(entries[entryAt]) >= u.sequences || position >= u.width * u.pageSize) { end = 0u; }`,
    place: `  ${rowCode}
  let page = u32(entries[entryAt + 2u + j / u.pageSize]);
  if (page >= u.pages) { return -1; }
  return i32(((page * u.pageSize + j % u.pageSize) * u.kvHeads + h / u.group) * u.size);`,
    end: "",
  }),
);

/** Maximum number of elements in a head. */
const mostNumbers = 256;

export const pagedAttentionKernel: WebGpuKernel = kernel<typeof pagedAttention>(
  "pagedAttention",
  (inputs, [out], params, gpu, { plan }) => {
    const [q, k, v, tables, places] = inputs;
    const { rows: count, heads, kvHeads, group, size, ...g } = plan(inputs, [out], params);
    const { tables: sequences, tablePages: width, pages, pageSize, window, scale, softcap } = g;
    const entries = gpu.scratch({ shape: [count, 2 + width], dtype: "i32" });
    const reach = { sequences, width, pages, pageSize, window };
    const checks = { count: entries.size, ...reach };
    const rows = count * heads;
    const values = { rows, heads, kvHeads, group, size, scale, softcap, ...reach };
    const groups = rowGroups(rows, false);
    return [
      entriesOf.dispatch({ tables, places, entries }, checks, spread(entries.size, threads), entries),
      attended(Math.ceil(size / 64) * 64).dispatch({ q, k, v, entries, out }, values, groups),
    ];
  },
  {
    supports: ([q]) => q.shape[2] <= mostNumbers,
    example: ([q, k], params) => {
      const [heads, size] = q.shape.slice(1);
      const [pageSize, kvHeads] = k.shape.slice(1);
      const pool = f32(3, pageSize, kvHeads, size);
      const places = [0, 2 * pageSize - 1, 1, Math.floor(pageSize / 2)];
      const chosen = { shape: [2, 2], dtype: "i32", values: [2, 0, 1, 2] } as const;
      return { inputs: [f32(2, heads, size), pool, pool, chosen, { ...chosen, values: places }], params };
    },
  },
);

const written = shader({
  name: "pagedWrite",
  bindings: { rows: "read u32", slots: "read i32", pool: "write u32" },
  uniforms: { size: "u32", width: "u32", count: "u32" },
  faults: true,
  code: entry(
    threads,
    `  if (index >= u.size) { return; }
  let n = index / u.width;
  let slot = u32(slots[n]);
  if (slot >= u.count) { fault(i32(n)); return; }
  pool[slot * u.width + index % u.width] = rows[index];`,
  ),
});

export const pagedWriteKernel: WebGpuKernel = kernel<typeof pagedWrite>(
  "pagedWrite",
  ([pool, rows, slots]) => {
    if (rows.size === 0) return [];
    const values = { size: rows.size, width: rows.size / slots.size, count: pool.shape[0] * pool.shape[1] };
    return [written.dispatch({ rows, slots, pool }, values, spread(rows.size, threads), slots)];
  },
  {
    example: ([pool], params) => {
      const [pageSize, ...rest] = pool.shape.slice(1);
      const slots = { shape: [2], dtype: "i32", values: [2 * pageSize - 1, 0] } as const;
      return { inputs: [f32(2, pageSize, ...rest), f32(2, ...rest), slots], params };
    },
  },
);
