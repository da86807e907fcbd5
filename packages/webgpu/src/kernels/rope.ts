import type { rope } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { f32, last } from "../selfCheck/shrink.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";

const shader = elements({
  name: "rope",
  inputs: { x: "f32", cosines: "f32", sines: "f32" },
  out: "f32",
  uniforms: { heads: "u32", width: "u32", half: "u32", offset: "u32", period: "u32", sign: "f32" },
  element: `let c = i % u.width;
if (c >= 2u * u.half) { return load_x(i); }
let row = i / u.width / u.heads;
let upper = c >= u.half;
let at = (u.offset + row % u.period) * u.half + select(c, c - u.half, upper);
let turned = load_x(select(i + u.half, i - u.half, upper)) * (u.sign * load_sines(at));
return load_x(i) * load_cosines(at) + select(-turned, turned, upper);`,
});

export const ropeKernel: WebGpuKernel = kernel<typeof rope>(
  "rope",
  ([x, cosines, sines], [out], params) => {
    const { offset = 0, inverse = false } = params;
    const [batch, tokens, heads, width] = x.shape;
    const half = cosines.shape[cosines.shape.length - 1];
    // Cos and sin tables [B, T, ...] have a row for each token of each sequence; other tables have a row for each token
    // position.
    const period = cosines.shape.length === 3 ? batch * tokens : tokens;
    const values = { heads, width, half, offset, period, sign: inverse ? -1 : 1, size: out.size };
    return [shader.dispatch({ x, cosines, sines, out }, values, elementGroups("f32", out.size))];
  },
  {
    example: ([x, cosines], params) => {
      const [, , heads, size] = x.shape;
      const half = last(cosines.shape);
      const table = cosines.shape.length === 3 ? f32(2, 3, half) : f32(3, half);
      return { inputs: [f32(2, 3, Math.min(heads, 2), size), table, table], params: { ...params, offset: 0 } };
    },
  },
);
