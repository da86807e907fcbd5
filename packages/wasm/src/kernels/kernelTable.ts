import type { BackendOp } from "@lowrank/core/backend";
import { kernels as ownKernels } from "./index.ts";
import type { KernelCode, WasmKernel } from "./kernel.ts";

/**
 * Ops that run their reference loops on the backend's memory although they may have a composition:
 * in one pass, and more exact, in cases where a composition takes many.
 */
const loops: ReadonlySet<string> = new Set(["expm1", "flip", "log1p", "oneHot", "solve", "topk", "triangle"]);

/** The kernels of a backend by the names of their ops. */
export interface KernelTable {
  /** Returns the code of an op's kernel; none where the op has no kernel. */
  codeOf<P>(op: BackendOp<P>): KernelCode<P, BackendOp<P>> | undefined;
  /** Returns the words that an op's kernel takes of groups of constants, if it takes such. */
  groupsOf<P>(op: BackendOp<P>): WasmKernel["groups"];
  /**
   * True where the op has a kernel, or where its loops run: some ops named here, and
   * those without a composition.
   */
  supports<P>(op: BackendOp<P>): boolean;
}

/** Makes the table of this package's kernels and of `more`. Throws where an op has two. */
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
