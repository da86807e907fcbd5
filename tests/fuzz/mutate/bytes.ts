import type { Random } from "@lowrank/test-support/random";
import { numbers } from "./values.ts";

/** Writes an integer of `width` bytes at `at`, little-endian, as far as it fits. */
export function overwrite(bytes: Uint8Array, at: number, width: number, value: number): void {
  const whole = BigInt.asUintN(64, BigInt(Math.trunc(Math.max(-(2 ** 63), Math.min(2 ** 64, value)))));
  for (let i = 0; i < width && at + i < bytes.length; i++) bytes[at + i] = Number((whole >> BigInt(8 * i)) & 0xffn);
}

/** Damages bytes as disks and networks do: flipped bits, cuts, gaps, repeats, wrong integers. */
export function mutateBytes(given: Uint8Array, random: Random): Mutation {
  const bytes = new Uint8Array(given);
  // Most critical bytes are at the start.
  const near = () => random.below(random.next() < 0.5 ? Math.min(bytes.length, 256) + 1 : bytes.length + 1);
  const at = near();
  switch (random.below(7)) {
    case 0: {
      const count = 1 + random.below(8);
      for (let i = 0; i < count && bytes.length > 0; i++) bytes[near() % bytes.length] ^= 1 << random.below(8);
      return { bytes, what: `${count} bits flipped` };
    }
    case 1:
      return { bytes: bytes.subarray(0, at), what: `cut at ${at}` };
    case 2: {
      const length = 1 + random.below(64);
      const rest = bytes.subarray(at + length);
      return { bytes: Buffer.concat([bytes.subarray(0, at), rest]), what: `${length} bytes at ${at} removed` };
    }
    case 3: {
      const length = 1 + random.below(64);
      const again = bytes.subarray(at, at + length);
      return { bytes: Buffer.concat([bytes.subarray(0, at), again, bytes.subarray(at)]), what: `bytes at ${at} twice` };
    }
    case 4: {
      const [width, value] = [random.pick([1, 2, 4, 8]), random.pick(numbers)];
      overwrite(bytes, at, width, value);
      return { bytes, what: `${value} over ${width} bytes at ${at}` };
    }
    case 5: {
      const length = Math.min(1 + random.below(256), bytes.length);
      bytes.fill(random.pick([0, 255, 0x20]), at, at + length);
      return { bytes, what: `${length} bytes at ${at} filled` };
    }
    default: {
      for (let i = 0; i < 16 && at + i < bytes.length; i++) bytes[at + i] = random.below(256);
      return { bytes, what: `noise at ${at}` };
    }
  }
}

/** A file after a mutation, and a description of the mutation. */
export interface Mutation {
  readonly bytes: Uint8Array;
  readonly what: string;
}
