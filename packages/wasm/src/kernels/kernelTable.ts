import type { BackendOp } from "@lowrank/core/backend";
import { kernels as ownKernels } from "./index.ts";
import type { KernelCode, WasmKernel } from "./kernel.ts";

/**
 * Ops without a kernel whose reference loop (JavaScript) runs directly on the WebAssembly memory. For these ops, the
 * loop is faster and more accurate than the composition of other ops.
 */
const loops: ReadonlySet<string> = new Set(["expm1", "flip", "log1p", "oneHot", "solve", "topk", "triangle"]);

/** The kernels of a backend, by op name. */
export interface KernelTable {
  /** Returns the code of an op's kernel, or undefined if it has none. */
  codeOf<P>(op: BackendOp<P>): KernelCode<P, BackendOp<P>> | undefined;
  /** Returns how the op's kernel prepares groups of constant inputs, or undefined if it does not. */
  groupsOf<P>(op: BackendOp<P>): WasmKernel["groups"];
  /**
   * Returns true if this backend can run the op itself, by a kernel or its reference loop, and not as a composition of
   * other ops.
   */
  supports<P>(op: BackendOp<P>): boolean;
}

/** Makes a table of this package's kernels and those in `more`. Throws if an op has two kernels. */
export function kernelTable(more: readonly WasmKernel[]): KernelTable {
  const table = new Map<string, KernelCode<never, never, never>>();
  const words = new Map<string, WasmKernel["groups"]>();
  for (const { op, run, groups } of [...ownKernels, ...more]) {
    if (table.has(op)) throw new Error(`wasm: the op "${op}" has two kernels; leave one of them out`);
    table.set(op, run);
    if (groups) words.set(op, groups);
  }
  return {
    codeOf: <P>({ name }: BackendOp<P>) => table.get(name) as KernelCode<P, BackendOp<P>> | undefined,
    groupsOf: ({ name }) => words.get(name),
    supports: ({ name, ref, compose }) =>
      table.has(name) || (ref !== undefined && (compose === undefined || loops.has(name))),
  };
}
