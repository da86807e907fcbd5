import { byteLength, isPacked, type Tensor, to } from "@lowrank/core";
import { canQuantizeAs } from "@lowrank/core/internal";
import type { QuantizationReport, QuantizeOptions } from "@lowrank/nn";
import { layersToSkip, packWeight } from "@lowrank/nn/internal";
import type { ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import { describeBuilt } from "../../registry/build/describeBuilt.ts";
import { loadArchitecture } from "../../registry/loadArchitecture.ts";
import type { ModelWeights } from "../modelWeights.ts";

/**
 * Returns a model's tensors, quantising the weights of linear layers as they are read. Conv1D weights are first
 * transposed to [out, in]. Each read adds to `report`. Throws for entries of `skipModules` that match no layer.
 */
export async function quantizedWeights(
  weights: ModelWeights,
  config: ModelConfig | ClassifierConfig,
  { skipModules, ...options }: QuantizeOptions,
): Promise<{ weights: ModelWeights; report: QuantizationReport }> {
  const { layers, ties, head } = describeBuilt(await loadArchitecture(config), config);
  const linear = layers.filter(({ kind }) => kind === "linear" || kind === "conv1d");
  const tied = new Map(ties.map(({ name, of }) => [modulePath(name), modulePath(of)]));
  const places = linear.map(({ path }) => ({ path, tiedTo: tied.get(path), isOutput: path === head }));
  const skipped = layersToSkip(places, skipModules);
  const chosen = new Map(linear.flatMap(({ path, kind }) => (skipped.has(path) ? [] : [[`${path}.weight`, kind]])));
  const report: QuantizationReport = {
    quantized: [],
    skipped: [...skipped].map(([path, reason]) => ({ path, reason })),
    bytesBefore: 0,
    bytesAfter: 0,
  };
  const pack = (weight: Tensor, transposed: boolean, where: string): Tensor => {
    try {
      return packWeight(weight, options, transposed);
    } catch (cause) {
      throw new Error(`${where}: ${(cause as Error).message}`, { cause });
    }
  };
  const read = async (name: string): Promise<Tensor> => {
    const tensor = await weights.read(name);
    const kind = chosen.get(name);
    if (kind === undefined) return tensor;
    using stored = tensor;
    if (canQuantizeAs(stored.dtype)) {
      throw new Error(`${weights.label}: ${name} is quantised already (${stored.dtype}); load it without quantize`);
    }
    using full = isPacked(stored.dtype) ? to(stored, { dtype: "f32" }) : stored.detach();
    const packed = pack(full, kind === "conv1d" && !isPacked(stored.dtype), `${weights.label}: ${name}`);
    const [bytesBefore, bytesAfter] = [byteLength(full), byteLength(packed)];
    report.quantized.push({ path: modulePath(name), shape: packed.shape, bytesBefore, bytesAfter });
    report.bytesBefore += bytesBefore;
    report.bytesAfter += bytesAfter;
    return packed;
  };
  return { weights: { ...weights, read }, report };
}

const modulePath = (name: string): string => name.slice(0, name.lastIndexOf("."));
