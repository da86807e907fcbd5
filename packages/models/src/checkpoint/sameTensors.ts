import type { SafetensorsFile } from "@lowrank/core";

/** Number of bytes of each tensor that are compared at a time. */
const partBytes = 1 << 22;

/** Returns true if two tensors of a file have the same dtype, shape and bytes. */
export async function sameTensors(file: SafetensorsFile, name: string, other: string): Promise<boolean> {
  const [a, b] = [name, other].map((one) => file.info(one));
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [name, other].map((one) => file.readParts(one, new Uint8Array(partBytes)).parts);
  const rest = right[Symbol.asyncIterator]();
  for await (const part of left) {
    const { value } = await rest.next();
    if (part.some((byte, i) => byte !== value?.[i])) return false;
  }
  return true;
}
