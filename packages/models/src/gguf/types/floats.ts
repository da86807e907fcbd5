import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "@lowrank/core";
import type { WritableGgmlType } from "./ggmlType.ts";

/** Returns a view of bytes as 16-bit codes. If the byte offset is odd, the bytes are copied first. */
function codes(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(even.buffer, even.byteOffset, even.length / 2);
}

/** F32: stored unchanged. */
export const f32: WritableGgmlType = {
  id: 0,
  name: "F32",
  block: { elements: 1, bytes: 4 },
  decode: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, bytes.length).set(bytes),
  encode: (values) => new Uint8Array(values.slice().buffer),
};

/** F16: IEEE half precision. Encoding throws for values beyond its range. */
export const f16: WritableGgmlType = {
  id: 1,
  name: "F16",
  block: { elements: 1, bytes: 2 },
  decode: (bytes, out) => f16ToF32(codes(bytes), out),
  encode: (values, what) => {
    const halves = new Uint16Array(values.length);
    f32ToF16(values, halves);
    const lost = halves.findIndex((code, i) => (code & 0x7fff) === 0x7c00 && Number.isFinite(values[i]));
    if (lost >= 0) throw new Error(`${what} holds ${values[lost]}, beyond f16's 65504; write bf16 or f32`);
    return new Uint8Array(halves.buffer);
  },
};

/** BF16: the upper 16 bits of an f32. */
export const bf16: WritableGgmlType = {
  id: 30,
  name: "BF16",
  block: { elements: 1, bytes: 2 },
  decode: (bytes, out) => bf16ToF32(codes(bytes), out),
  encode: (values) => {
    const halves = new Uint16Array(values.length);
    f32ToBf16(values, halves);
    return new Uint8Array(halves.buffer);
  },
};
