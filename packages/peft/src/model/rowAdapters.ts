import { AttentionLayer, type Module } from "@lowrank/nn";
import { UnsupportedError } from "../config/checks.ts";
import type { Adapter } from "./adapter/adapter.ts";
import { runBetween } from "./evaluating.ts";
import type { Tuner } from "./tuner.ts";

/**
 * Adapters that can be limited to some rows of a batch, according to `checkActsByRow`. They are not checked again,
 * since the result of the check cannot change.
 */
const actsByRow = new WeakSet<Adapter>();

/**
 * Runs `fn`, which may be async, on batches whose row i uses adapter `rows[i]`; null is the base model. The named
 * adapters are trainable during the call, except adapters in inference mode. Throws for an adapter that cannot be
 * limited to some rows of a batch.
 */
export function withRows<T>(tuner: Tuner<Module>, rows: readonly (string | null)[], fn: () => T): T {
  tuner.checkWhole("name adapters for rows", { adding: true });
  if (tuner.mergedNames.length > 0) {
    throw new Error(`${tuner.mergedNames.join(", ")} is merged; call unmergeAdapter before you name adapters for rows`);
  }
  if (rows.length === 0) throw new Error("withAdapterNames: no name is given; name an adapter for each row");
  const batch = tuner.batchOf(rows, (name) => checkActsByRow(tuner, name));
  return runBetween(
    () => tuner.actOnRows(batch),
    fn,
    () => tuner.actOnRows(null),
  );
}

function checkActsByRow(tuner: Tuner<Module>, name: string): void {
  const adapter = tuner.adapter(name);
  if (actsByRow.has(adapter)) return;
  const { method, prompt, swaps } = adapter;
  const refuse = (reason: string) => {
    const what = `withAdapterNames: adapter "${name}" (${method.peftType})`;
    throw new UnsupportedError("not_by_row", `${what} ${reason}; use it for whole batches, with setAdapter`);
  };
  if (prompt) refuse("puts virtual tokens before all sequences of a batch");
  if (method.runsAlone) refuse(method.runsAlone);
  if (method.mixesRows) refuse("has outputs that depend on the other rows of the batch");
  if (swaps.size > 0) refuse("has its own biases or tables, which all rows share");
  for (const [path, wrapper] of tuner.wrappers) {
    if (wrapper.has(name) && wrapper.wrapped instanceof AttentionLayer) {
      refuse(`wraps the attention of ${path}, which takes the whole batch`);
    }
  }
  actsByRow.add(adapter);
}
