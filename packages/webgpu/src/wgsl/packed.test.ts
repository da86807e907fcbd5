import { blockFormats, packedTensor, quantize4bit, reference, tensor, toBackend } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { describe, expect, it } from "vitest";
import { webgpu } from "../index.ts";

/** Blocks of 64 whose largest magnitudes are 1e-6 to 1, so that their scales use codes of all sizes. */
const values = Float32Array.from({ length: 64 * 512 }, (_, i) => Math.sin(i) * 10 ** -((i >> 6) % 7));

describe.skipIf(noWebGpu)("packed weights on webgpu", () => {
  it.each(["nf4", "fp4"] as const)(
    "%s with nested scales has the reference's numbers, to the bit",
    async (quantType) => {
      const backend = await webgpu();
      const options = { quantType, blockSize: 64, doubleQuant: true };
      const packed = quantize4bit(tensor(values, { shape: [512, 64], backend: reference() }), options);
      const there = await toBackend(packed, backend);
      expect(await there.to("f32").bytes()).toEqual(await packed.to("f32").bytes());
      backend.dispose();
    },
  );

  it.each(Object.values(blockFormats))("$dtype has the reference's numbers, to the bit", async ({ dtype, pack }) => {
    const backend = await webgpu();
    const packed = packedTensor(pack(values.subarray(0, 4096), "w"), { shape: [8, 512], dtype, backend: reference() });
    const there = await toBackend(packed, backend);
    expect(await there.to("f32").bytes()).toEqual(await packed.to("f32").bytes());
    backend.dispose();
  });
});
