import type { Tensor } from "@lowrank/core";
import { largestDifference, positionOf, short } from "./differences.ts";

/** Tensors as bytes, by name. */
export type Snapshot = ReadonlyMap<string, { readonly dtype: string; readonly bytes: Uint8Array }>;

/** Copies the bytes of tensors. */
export async function snapshot(tensors: ReadonlyMap<string, Tensor>): Promise<Snapshot> {
  const entries = Array.from(tensors, async ([name, tensor]) => {
    return [name, { dtype: tensor.dtype, bytes: await tensor.bytes() }] as const;
  });
  return new Map(await Promise.all(entries));
}

/** A tensor whose bits differ. */
export interface BitMismatch {
  name: string;
  /** Null if the dtypes differ or values cannot be compared. */
  difference: number | null;
  position: number[] | null;
  text: string;
}

/** Returns the first tensor whose bits, dtype or presence differ between two snapshots; null if all are equal. */
export function firstBitMismatch(before: Snapshot, after: Snapshot): BitMismatch | null {
  for (const [name, old] of before) {
    const now = after.get(name);
    if (!now) return { name, difference: null, position: null, text: `${name} is missing afterwards` };
    if (old.dtype !== now.dtype) {
      return { name, difference: null, position: null, text: `${name} is ${now.dtype} and was ${old.dtype}` };
    }
    const at = old.bytes.findIndex((byte, i) => byte !== now.bytes[i]);
    if (at < 0 && old.bytes.length === now.bytes.length) continue;
    return old.dtype === "f32" ? inValues(name, old.bytes, now.bytes) : inBytes(name, at);
  }
  const extra = [...after.keys()].find((name) => !before.has(name));
  return extra === undefined ? null : { name: extra, difference: null, position: null, text: `${extra} is new` };
}

function inBytes(name: string, at: number): BitMismatch {
  return { name, difference: null, position: null, text: `${name} has other bits, first in byte ${at}` };
}

function inValues(name: string, old: Uint8Array, now: Uint8Array): BitMismatch {
  const [a, b] = [old, now].map((bytes) => new Float32Array(bytes.slice().buffer));
  const { difference, index, a: was, b: is } = largestDifference(a, b);
  const text = `${name} is the first tensor with other bits: element ${index} is ${short(is)} and was ${short(was)}, a difference of ${short(difference)}`;
  return { name, difference, position: positionOf(index, [a.length]), text };
}
