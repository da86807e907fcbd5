import type { Random } from "@lowrank/test-support/random";
import { type Mutation, mutateBytes, overwrite } from "./bytes.ts";
import { numbers } from "./values.ts";

/** The fields of a ZIP archive's records by their signature: name, offset, width. */
const records: Readonly<Record<number, readonly (readonly [name: string, at: number, width: number])[]>> = {
  67324752: [
    ["local name length", 26, 2],
    ["local extra length", 28, 2],
  ],
  33639248: [
    ["flags", 8, 2],
    ["method", 10, 2],
    ["packed size", 20, 4],
    ["size", 24, 4],
    ["name length", 28, 2],
    ["extra length", 30, 2],
    ["comment length", 32, 2],
    ["offset", 42, 4],
  ],
  101010256: [
    ["count", 10, 2],
    ["directory size", 12, 4],
    ["directory offset", 16, 4],
  ],
};

/** Changes a field of a ZIP archive's records, or bytes of it. */
export function mutateZip(bytes: Uint8Array, random: Random): Mutation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: { name: string; at: number; width: number }[] = [];
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (bytes[at] !== 0x50) continue;
    for (const [name, offset, width] of records[view.getUint32(at, true)] ?? []) {
      fields.push({ name: `${name} at ${at}`, at: at + offset, width });
    }
  }
  if (fields.length === 0 || random.next() < 0.5) return mutateBytes(bytes, random);
  const { name, at, width } = random.pick(fields);
  const value = random.pick(numbers);
  const changed = new Uint8Array(bytes);
  overwrite(changed, at, width, value);
  return { bytes: changed, what: `${name} = ${value}` };
}
