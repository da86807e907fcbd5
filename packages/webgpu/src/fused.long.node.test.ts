import { Generator } from "@lowrank/core";
import { attentionBackward } from "@lowrank/core/internal";
import { inputValues, makeInput } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { edgeCases } from "./testing/edgeCases.ts";
import { checkFused, fusedCases } from "./testing/fusedCases.ts";

describe.skipIf(noWebGpu)("fused kernels against the reference", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu();
  });
  afterAll(() => backend?.dispose());

  for (const one of [...fusedCases, ...edgeCases]) it(one.name, () => checkFused(backend, one));

  it("attentionBackward gives the same bits twice", async () => {
    const generator = new Generator(1);
    const [q, keys, lse] = [
      [2, 70, 4, 40],
      [2, 70, 2, 40],
      [2, 4, 70],
    ];
    const inputs = [q, q, keys, keys, q, lse].map((shape) => ({ shape }));
    const tensors = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
    const twice = [0, 1].map(() => attentionBackward(...tensors, { causal: true }));
    for (const [i, t] of twice[0].entries()) expect(await twice[1][i].data()).toEqual(await t.data());
  });
});
