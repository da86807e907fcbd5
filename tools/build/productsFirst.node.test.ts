import binaryen from "assemblyscript/binaryen";
import { describe, expect, it } from "vitest";
import { productsFirst } from "./productsFirst.ts";

/** A module with two sums of products in locals a and b; the second product uses `other`. */
function module(other: string, locals = ""): Uint8Array<ArrayBuffer> {
  const parsed = binaryen.parseText(`(module
    (memory (export "memory") 1)
    (func (export "run") ${locals} (local $a v128) (local $b v128) (local $x v128)
      (local.set $a (v128.load offset=64 (i32.const 0)))
      (local.set $b (v128.load offset=80 (i32.const 0)))
      (local.set $a (i32x4.add (local.get $a)
        (i32x4.dot_i16x8_s (local.tee $x (v128.load (i32.const 0))) (v128.load offset=16 (i32.const 0)))))
      (local.set $b (i32x4.add (local.get $b) (i32x4.dot_i16x8_s (local.get $x) ${other})))
      (v128.store offset=64 (i32.const 0) (local.get $a))
      (v128.store offset=80 (i32.const 0) (local.get $b))))`);
  parsed.setFeatures(binaryen.Features.All);
  const bytes = Uint8Array.from(parsed.emitBinary());
  parsed.dispose();
  return bytes;
}

/** The sums after two runs over different values. */
function sums(bytes: Uint8Array<ArrayBuffer>): number[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const memory = (exports.memory as WebAssembly.Memory).buffer;
  new Int16Array(memory, 0, 32).forEach((_, i, words) => {
    words[i] = 37 * i * i - 911;
  });
  for (let run = 0; run < 2; run++) (exports.run as () => void)();
  return [...new Int32Array(memory, 64, 8)];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const product = "fdba01";
const addition = "fdae01";

describe("products before sums", () => {
  it("puts both products before both additions, with the same sums in as many bytes", () => {
    const bytes = module("(v128.load offset=32 (local.get $at))", "(local $at i32)");
    const before = sums(bytes);
    const size = bytes.length;
    expect(hex(bytes)).toMatch(new RegExp(`${product}${addition}21..20.*${product}${addition}21`));
    expect(productsFirst(bytes)).toBe(1);
    expect(bytes.length).toBe(size);
    expect(hex(bytes)).toMatch(new RegExp(`${product}20.*${product}${addition}21..${addition}21`));
    expect(sums(bytes)).toEqual(before);
  });

  it("leaves a product that takes the first sum", () => {
    const bytes = module("(local.get $a)");
    const before = hex(bytes);
    expect(productsFirst(bytes)).toBe(0);
    expect(hex(bytes)).toBe(before);
  });

  it("leaves sums between which something else is done", () => {
    const bytes = module("(i32x4.splat (i32.const 3))");
    expect(productsFirst(bytes)).toBe(0);
  });
});
