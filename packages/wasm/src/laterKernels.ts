/** The kernels of the module with the formats on demand; assembly/onDemand.ts says what they do. */
export interface LaterKernels {
  unpackLater(format: number, base: number, start: number, count: number, dst: number): void;
  rowsLater(
    ...args: [
      ...[format: number, x: number, w: number, start: number, c: number],
      ...[n: number, k: number, alpha: number, add: number, room: number],
    ]
  ): number;
}

/** Returns what a module of kernels imports; `later` finds those on demand when they are called. */
export function kernelImports(memory: WebAssembly.Memory, later: () => LaterKernels): WebAssembly.Imports {
  const env = {
    memory,
    unpackLater: (format: number, base: number, start: number, count: number, dst: number) =>
      later().unpackLater(format, base, start, count, dst),
    rowsLater: (...args: Parameters<LaterKernels["rowsLater"]>) => later().rowsLater(...args),
  };
  return { env };
}
