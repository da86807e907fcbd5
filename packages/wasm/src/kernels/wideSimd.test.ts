import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Kernels } from "./kernelTypes.gen.ts";
import { checkWideSimd, enableWideSimd, type WideSimdError, wideCheckBytes } from "./wideSimd.ts";

const refused: WideSimdError = (problem) => new Error(`wasm: ${problem("wideSimd")}`);

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("the process that wide SIMD is asked for in", () => {
  const flags = vi.fn();
  beforeEach(() => flags.mockClear());
  const here = (node: string, arch: string, ask: () => void, hasV8 = true): void => {
    const getBuiltinModule = (name: string) =>
      hasV8 && name === "node:v8" ? { setFlagsFromString: flags } : undefined;
    vi.stubGlobal("process", { versions: { node }, arch, getBuiltinModule });
    try {
      ask();
    } finally {
      vi.unstubAllGlobals();
    }
  };

  it("is Node 26 or later on x64, whose V8 is given the flag", () => {
    for (const node of ["26.0.0", "27.1.0", "100.0.0"]) {
      here(node, "x64", () => enableWideSimd(false, refused));
      expect(flags.mock.calls, node).toEqual([["--experimental-wasm-revectorize"]]);
      flags.mockClear();
    }
  });

  it.each([
    ["25.9.0", "x64", true, "Node 25.9.0 on x64"],
    ["26.0.0", "arm64", true, "Node 26.0.0 on arm64"],
    ["26.0.0", "x64", false, "a browser"],
  ])("else is refused: Node %s on %s, with V8's flags: %s", (node, arch, hasV8, words) => {
    const message = `wasm: wideSimd needs Node 26 or later on x64, and this is ${words}; leave wideSimd out`;
    expect(() => here(node, arch, () => enableWideSimd(false, refused), hasV8)).toThrow(message);
    expect(flags).not.toHaveBeenCalled();
  });

  it("is refused after another backend", () => {
    const ask = () => here("26.0.0", "x64", () => enableWideSimd(true, refused));
    expect(ask).toThrow(
      "wasm: this process has already created a backend without wideSimd; set wideSimd in the first call of wasm()",
    );
    expect(flags).not.toHaveBeenCalled();
  });
});

describe("the check of wide SIMD", () => {
  const at = 256;
  /** Sizes of a product, and an error in one element for one layout of its operands. */
  interface Fault {
    readonly error: number;
    readonly transposed?: readonly [number, number];
    readonly element?: (count: number) => number;
    /** Milliseconds from one reading of the clock to the next. */
    readonly tick?: number;
  }

  /** Runs the check on a product by plain loops, with a fault. Returns the calls of the product. */
  const check = ({ error, transposed, element = () => 0, tick = 100 }: Fault): number[][] => {
    // The clock advances fast, so that the warm-up is short.
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => {
      now += tick;
      return now;
    });
    const memory = new WebAssembly.Memory({ initial: 4 });
    const bytes = new Uint8Array(memory.buffer);
    bytes.fill(0xff);
    const calls: number[][] = [];
    const gemm = (...args: number[]): void => {
      calls.push(args);
      const [a, b, c, m, n, k, lda, ldb, ldc, transA, transB, alpha, accumulate] = args;
      expect([alpha, accumulate]).toEqual([1, 0]);
      const floats = new Float32Array(memory.buffer);
      const bad = transposed === undefined || (transposed[0] === transA && transposed[1] === transB);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < k; p++) {
            const left = floats[a / 4 + (transA ? p * lda + i : i * lda + p)];
            sum += left * floats[b / 4 + (transB ? j * ldb + p : p * ldb + j)];
          }
          floats[c / 4 + i * ldc + j] = sum + (bad && i * n + j === element(m * n) ? error : 0);
        }
      }
    };
    try {
      checkWideSimd({ gemm } as unknown as Kernels, memory, at, refused);
    } finally {
      vi.restoreAllMocks();
      // Only the memory of the check is written.
      expect(bytes.subarray(0, at).every((byte) => byte === 0xff)).toBe(true);
      expect(bytes.subarray(at + wideCheckBytes).every((byte) => byte === 0xff)).toBe(true);
    }
    return calls;
  };

  it("takes right products, and small errors of rounding", () => {
    const calls = check({ error: 0, tick: 40 });
    // Some products run before the checked ones.
    expect(calls.length).toBeGreaterThan(4);
    expect([...new Set(calls.map((args) => `${args[9]}${args[10]}`))]).toEqual(["00", "01", "10", "11"]);
    const [, , c, m, n] = calls[0];
    expect(c + 4 * m * n).toBe(at + wideCheckBytes);
    expect(() => check({ error: 5e-4 })).not.toThrow();
  });

  it("refuses a wrong number in any place of a product of any kind", () => {
    const message = /^wasm: wideSimd computes -?[\d.e-]+ instead of -?[\d.e-]+ on this machine; leave it out$/;
    for (const transA of [0, 1]) {
      for (const transB of [0, 1]) {
        const transposed = [transA, transB] as const;
        for (const element of [() => 0, (count: number) => count - 1, (count: number) => count >> 1]) {
          expect(() => check({ error: 2e-3, transposed, element }), `${transposed}`).toThrow(message);
        }
      }
    }
    expect(() => check({ error: -2e-3 })).toThrow(message);
    expect(() => check({ error: Number.NaN })).toThrow("wasm: wideSimd computes NaN instead of");
  });
});
