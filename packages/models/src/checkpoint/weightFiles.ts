import { type SafetensorsTensor, writeSafetensors } from "@lowrank/core";

const single = "model.safetensors";

/**
 * Returns the files that store a model's tensors: one file, or shards of at most `most` bytes with an index, split as
 * transformers does. All tensors of a (quantised) parameter are in the same shard. A parameter larger than `most` gets
 * its own shard.
 */
export function weightFiles(
  parameters: readonly (readonly SafetensorsTensor[])[],
  most: number,
): [name: string, content: Uint8Array | string][] {
  const shards: SafetensorsTensor[][] = [];
  let room = Number.NEGATIVE_INFINITY;
  for (const tensors of parameters) {
    const size = bytesOf(tensors);
    if (size > room) {
      shards.push([]);
      room = most;
    }
    shards[shards.length - 1].push(...tensors);
    room -= size;
  }
  if (shards.length < 2) return [[single, writeSafetensors(shards.flat(), { format: "pt" })]];
  const digits = (number: number) => String(number).padStart(5, "0");
  const nameOf = (shard: number) => `model-${digits(shard + 1)}-of-${digits(shards.length)}.safetensors`;
  const places = shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, nameOf(i)] as const));
  const index = {
    metadata: { total_size: bytesOf(shards.flat()) },
    weight_map: Object.fromEntries(places.sort()),
  };
  return [
    ...shards.map((tensors, i): [string, Uint8Array] => [nameOf(i), writeSafetensors(tensors, { format: "pt" })]),
    [`${single}.index.json`, `${JSON.stringify(index, null, 2)}\n`],
  ];
}

const bytesOf = (tensors: readonly SafetensorsTensor[]): number =>
  tensors.reduce((sum, { bytes }) => sum + bytes.length, 0);
