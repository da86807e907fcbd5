import { expect, it } from "vitest";
import { dynamicMap } from "../../index.ts";

/** Returns the FNV-1a hash of the little-endian bytes. */
function hash(values: Float32Array): number {
  return new Uint8Array(values.buffer).reduce((h, byte) => Math.imul(h ^ byte, 16777619), 2166136261) >>> 0;
}

it.each([
  [true, 0x6b337d44, 127, [-0.992968738079071, -0.9789062738418579, -0.96484375]],
  [false, 0xeb71ed1e, 0, [0, 3.2500003044333425e-7, 7.749999895168003e-7]],
])("dynamicMap, signed: %s, is bitsandbytes' to the bit", (signed, expected, zeroAt, first) => {
  const map = dynamicMap({ signed });
  expect(map.length).toBe(256);
  expect(map[zeroAt]).toBe(0);
  expect(map[255]).toBe(1);
  expect(Array.from(map.subarray(0, 3))).toEqual(first);
  expect(map.every((v, i) => i === 0 || v > map[i - 1])).toBe(true);
  // The hash of create_dynamic_map of bitsandbytes 0.50.2 with PyTorch 2.15.
  expect(hash(map)).toBe(expected);
});
