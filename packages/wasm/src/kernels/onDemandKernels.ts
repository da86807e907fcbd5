/** The kernels of the on-demand module; assembly/onDemand.ts describes them. */
export interface OnDemandKernels {
  unpackLater(format: number, base: number, start: number, count: number, dst: number): void;
  rowsLater(
    ...args: [
      ...[format: number, x: number, w: number, start: number, c: number],
      ...[n: number, k: number, alpha: number, add: number, room: number],
    ]
  ): number;
  linearLater(
    ...args: [
      ...[inShort: number, x: number, planes: number, w: number, format: number, c: number],
      ...[m: number, n: number, k: number, first: number, last: number, scratch: number],
    ]
  ): void;
  nibblesLater(
    ...args: [
      ...[x: number, w: number, format: number, c: number, m: number, n: number, k: number],
      ...[first: number, last: number, scratch: number],
    ]
  ): void;
  quantizeInt15(x: number, out: number, rows: number, k: number, inWords: number): number;
  quantizeBytes(x: number, out: number, rows: number, k: number): number;
  quantizeMixed(x: number, out: number, rows: number, k: number, inWords: number): number;
  mixedRowsBytes(rows: number, k: number): number;
  quantizeBytesInWords(x: number, out: number, rows: number, k: number): number;
  quantizeInt11(x: number, out: number, rows: number, k: number): number;
  int11RowsBytes(rows: number, k: number): number;
  nibbleProductScratch(): number;
}

/** Functions of the on-demand module that the main module imports. */
const names = ["unpackLater", "rowsLater", "linearLater", "nibblesLater"] as const;

/**
 * Returns the imports of the main module. Each imported function calls `later()` to get the on-demand module, because
 * that module may be loaded after the main module.
 */
export function kernelImports(memory: WebAssembly.Memory, later: () => OnDemandKernels): WebAssembly.Imports {
  const call =
    (name: (typeof names)[number]) =>
    (...args: never) =>
      (later()[name] as (...args: never) => number)(...args);
  return { env: { memory, ...Object.fromEntries(names.map((name) => [name, call(name)])) } };
}
