import type { Dataset } from "../data/dataset.ts";
import { bestFit, joined, type PackedExample } from "../data/packing/packExamples.ts";
import type { TokenizedExample } from "../data/tokens/tokenize.ts";

/** Returns a dataset of the examples from index `start` up to but excluding `end`, without reading them. */
export function takeExamples<Example>(dataset: Dataset<Example>, start: number, end: number): Dataset<Example> {
  return {
    length: end - start,
    lengths: dataset.lengths.subarray(start, end),
    digest: `${dataset.digest} ${start}-${end}`,
    read: (numbers) => dataset.read(Uint32Array.from(numbers, (i) => start + i)),
  };
}

/** Returns a dataset of the examples of several datasets, one dataset after the other. */
export function concatenateDatasets<Example>(parts: readonly Dataset<Example>[]): Dataset<Example> {
  if (parts.length === 1) return parts[0];
  const ends: number[] = [];
  for (const { length } of parts) ends.push((ends.at(-1) ?? 0) + length);
  const length = ends.at(-1) ?? 0;
  const lengths = new Uint32Array(length);
  for (const [i, part] of parts.entries()) lengths.set(part.lengths, ends[i] - part.length);
  return {
    length,
    lengths,
    digest: parts.map(({ digest }) => digest).join(", "),
    read: async (numbers) => {
      const found: Example[] = [];
      for (const number of Array.from(numbers)) {
        const i = ends.findIndex((end) => number < end);
        found.push(...(await parts[i].read([number - (ends[i] - parts[i].length)])));
      }
      return found;
    },
  };
}

/**
 * Packs a dataset's examples into rows of up to `blockSize` tokens, as `packExamples` does for an array. The dataset's
 * `lengths` must be counts of tokens.
 */
export function packDataset(dataset: Dataset<TokenizedExample>, blockSize: number): Dataset<PackedExample> {
  const { lengths } = dataset;
  const bins = bestFit(lengths, blockSize);
  return {
    length: bins.length,
    lengths: Uint32Array.from(bins, (bin) => bin.reduce((sum, i) => sum + lengths[i], 0)),
    digest: `${dataset.digest} in blocks of ${blockSize}`,
    read: (numbers) => Promise.all(Array.from(numbers, async (i) => joined(await dataset.read(bins[i])))),
  };
}
