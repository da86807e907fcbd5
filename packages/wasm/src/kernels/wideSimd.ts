import type { Kernels } from "./kernelTypes.gen.ts";

/** The first major version of Node whose engine fuses pairs of 128-bit operations well. */
const leastNode = 26;

/**
 * Makes the error for a problem with the option `wideSimd`. `problem` returns the error's message; its argument is the
 * option's name as the message should show it.
 */
export type WideSimdError = (problem: (wideSimd: string) => string) => Error;

/**
 * Lets V8 fuse pairs of 128-bit operations into 256-bit ones in all WebAssembly that this process compiles from now on.
 * Throws if the engine cannot do that, or if `late` is true: the process has already compiled the kernels without it.
 */
export function enableWideSimd(late: boolean, wideSimdError: WideSimdError): void {
  const { versions, arch } = globalThis.process ?? {};
  const v8 = globalThis.process?.getBuiltinModule?.("node:v8");
  if (!v8 || Number.parseInt(versions.node, 10) < leastNode || arch !== "x64") {
    const here = v8 ? `Node ${versions.node} on ${arch}` : "a browser";
    throw wideSimdError((wideSimd) => {
      return `${wideSimd} needs Node ${leastNode} or later on x64, and this is ${here}; leave ${wideSimd} out`;
    });
  }
  if (late) {
    throw wideSimdError((wideSimd) => {
      return `this process has already created a backend without ${wideSimd}; set ${wideSimd} in the first call of wasm()`;
    });
  }
  v8.setFlagsFromString("--experimental-wasm-revectorize");
}

/**
 * Number of milliseconds for which matrix products run as a warm-up, before their results are checked. Within this time
 * the engine recompiles them with its optimising compiler. Only code of that compiler fuses operations, so only that
 * code can give wrong results.
 */
const warmUpMilliseconds = 60;

const [m, n, k] = [37, 70, 300];
const [aAt, bAt, cAt] = [0, m * k, m * k + k * n];

/** Bytes of memory that `checkWideSimd` needs. */
export const wideCheckBytes: number = 4 * (cAt + m * n);

/** Multiplies matrices until the engine has optimised the code. Throws if the result differs from plain loops. */
export function checkWideSimd(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  at: number,
  wideSimdError: WideSimdError,
): void {
  const floats = new Float32Array(memory.buffer, at, cAt + m * n);
  for (let i = 0; i < cAt; i++) floats[i] = ((i * 7919) % 1009) / 504 - 1;
  const multiply = (transA: number, transB: number): void => {
    const [a, b, c] = [aAt, bAt, cAt].map((offset) => at + 4 * offset);
    kernels.gemm(a, b, c, m, n, k, transA ? m : k, transB ? k : n, n, transA, transB, 1, 0);
  };
  const modes = [0, 1].flatMap((transA) => [0, 1].map((transB) => [transA, transB] as const));
  const end = performance.now() + warmUpMilliseconds;
  while (performance.now() < end) for (const mode of modes) multiply(...mode);
  for (const [transA, transB] of modes) {
    multiply(transA, transB);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum += floats[aAt + (transA ? p * m + i : i * k + p)] * floats[bAt + (transB ? j * k + p : p * n + j)];
        }
        const got = floats[cAt + i * n + j];
        if (!(Math.abs(got - sum) < 1e-3)) {
          throw wideSimdError(
            (wideSimd) => `${wideSimd} computes ${got} instead of ${sum} on this machine; leave it out`,
          );
        }
      }
    }
  }
}
