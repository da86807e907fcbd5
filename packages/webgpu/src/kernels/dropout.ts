import type { dropoutOp } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { entry, shader, spread } from "../kernel/shader.ts";
import { byElement } from "../kernel/split.ts";
import { state as exampleState, f32 } from "../selfCheck/shrink.ts";
import { dropCode, philoxCode, philoxUniforms, philoxValues } from "../wgsl/philox.ts";

const threads = 64;

/** Kernel in which each thread draws four random words at once and processes the four elements that use them. */
const dropped = shader({
  name: "dropout",
  bindings: { x: "read f32", out: "write f32" },
  uniforms: { ...philoxUniforms, threshold: "u32", scale: "f32", size: "u32" },
  // The first four words may include some before the first element; their positions wrap around to more than `size`,
  // and are skipped.
  code: `${philoxCode}
${dropCode}
${entry(
  threads,
  `  if (4u * index >= u.size + u.skipped) { return; }
  let words = philox(index);
  for (var k = 0u; k < 4u; k++) {
    let place = 4u * index + k;
    let i = place - u.skipped;
    if (i >= u.size) { continue; }
    var y = 0.0;
    if (!isDropped(words[k])) { y = x[i] * u.scale; }
    out[i] = y;
  }`,
)}`,
});

export const dropoutKernel: WebGpuKernel = kernel<typeof dropoutOp>(
  "dropout",
  ([x], [out], { p, state }) => {
    const values = philoxValues(state);
    const groups = spread(Math.ceil((out.size + values.skipped) / 4), threads);
    const numbers = { ...values, threshold: Math.ceil(p * 2 ** 24), scale: 1 / (1 - p), size: out.size };
    return [dropped.dispatch({ x, out }, numbers, groups)];
  },
  {
    example: (_inputs, params) => ({ inputs: [f32(37)], params: { ...params, state: exampleState } }),
    split: (inputs, outputs, params) => ({
      ...byElement(inputs, outputs),
      paramsFrom: (row) => ({ ...params, state: { ...params.state, offset: params.state.offset + row } }),
    }),
  },
);
