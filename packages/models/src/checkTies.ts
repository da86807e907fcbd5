import type { SafetensorsFile } from "@lowrank/core";

/** A name under which a parameter stands a second time, and the one that it stands under first. */
interface Tie {
  readonly name: string;
  readonly of: string;
}

/** Bytes of each tensor that are compared at a time. */
const partBytes = 1 << 22;

/**
 * Throws if a checkpoint holds a tied tensor that differs from the one it is tied to; `advice` says
 * so in words. Leaving it out, as a repeated one is left out, would change answers.
 */
export async function checkTies(
  file: SafetensorsFile,
  ties: readonly Tie[],
  advice: (tie: Tie) => string,
): Promise<void> {
  for (const { name, of } of ties) {
    if (!file.has(name) || !file.has(of) || (await same(file, name, of))) continue;
    throw new Error(`${file.label}: ${advice({ name, of })}`);
  }
}

async function same(file: SafetensorsFile, name: string, other: string): Promise<boolean> {
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
