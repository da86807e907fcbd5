import { isPacked, OptionError, tensor, truncatedQr, truncatedSvd, zeros } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { type Draw, draws } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import { checkRank, fullWeight } from "./factors.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";

/**
 * Returns MiCA's initialisers of A and B: A is zero, and B [out, r] consists of the left singular vectors of the weight
 * [out, in] with the r smallest singular values. An embedding's table counts as [in, out]. 2026,
 * https://arxiv.org/abs/2604.01694
 */
export async function minorFactors(context: LayerContext<LoraConfig>): Promise<{ a: Draw; b: Draw }> {
  const { base, kind, config, path } = context;
  const { weight } = base as Linear;
  const { r } = rankAndScaling(config, path);
  if (isPacked(weight.dtype)) {
    const problem = `needs base weights that are not quantised, but ${path} is ${weight.dtype}: load the model without quantize, and call quantizeBase after getPeftModel`;
    throw new OptionError("", "initLoraWeights", "mica", `"mica" ${problem}`);
  }
  using w = fullWeight(weight, kind !== "linear");
  const [rows, columns] = w.shape;
  checkRank("mica", r, [rows, columns]);
  const a = draws(context).zero;
  const { backend } = weight.storage;
  if (backend.dataless) return { a, b: (shape) => zeros(shape, { backend }) };
  const most = Math.min(rows, columns);
  const { left } = truncatedSvd((await w.data()) as Float32Array, rows, columns, most);
  const vectors = Float64Array.from({ length: rows * most }, (_, i) => left[(i % most) * rows + Math.floor(i / most)]);
  // Singular values of zero leave columns of zeros, which this decomposition replaces by orthogonal vectors.
  const { q } = truncatedQr(vectors, rows, most, most);
  const last = Float32Array.from({ length: rows * r }, (_, i) => q[Math.floor(i / r) * most + (most - r) + (i % r)]);
  return { a, b: (shape) => tensor(last, { shape: [...shape], backend }) };
}
