import { blockFormats, full, packedTensor, quantize4bit, reference } from "@lowrank/core";

/** Makes a tensor of each packed format on the reference backend, which registers the formats. */
export function knowFormats(): void {
  const backend = reference();
  const bytes = blockFormats.q8_0.pack(new Float32Array(32), "w");
  packedTensor(bytes, { shape: [1, 32], dtype: "q8_0", backend }).dispose();
  for (const quantType of ["nf4", "fp4"] as const) quantize4bit(full([1, 64], 1, { backend }), { quantType }).dispose();
}
