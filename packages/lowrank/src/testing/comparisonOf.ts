import type { MethodComparison, MethodRow } from "../report/comparison/methodComparison.ts";

/** Returns a row with round costs. */
export function rowOf(name: string, more: Partial<MethodRow> = {}): MethodRow {
  return {
    ...{ name, peftType: "LORA", settings: "r=8", rank: 8, quantization: null, trainable: 1000, total: 101_000 },
    ...{ percent: 0.99, bytesSaved: 4000, bytesTrained: 4000, gradientBytes: 4000, optimizerBytes: 8000 },
    ...{ activationBytes: 50_000, baseBytes: 400_000, trainingBytes: 456_000, flopsPerToken: 2000 },
    ...{ baseFlopsPerToken: 200_000, inferenceParameters: 1000, mergeable: true, fits: null, warnings: [], ...more },
  };
}

/** Returns a comparison with these rows. */
export function comparisonOf(rows: readonly MethodRow[], more: Partial<MethodComparison> = {}): MethodComparison {
  return {
    ...{ source: "tiny", modelType: "llama", baseParameters: 100_000, dtype: "f32", optimizer: "adamw", batchSize: 1 },
    ...{ sequenceLength: 16, memory: null, settings: null, rows, failed: [], ...more },
  };
}
