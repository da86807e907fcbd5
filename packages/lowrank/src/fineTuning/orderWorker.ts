// Script of the Worker that checks orders of fine-tuning jobs. A check can take long: it builds a model without
// weights, and runs regular expressions from clients, which may never end.
import { parentPort, workerData } from "node:worker_threads";
import { type JobError, JobRefused } from "@lowrank/serve/jobs";
import { loadPlugins } from "../cli/options/plugins.ts";
import { checkOrder, type OrderToCheck, type ServedLimits } from "./checkOrder.ts";

/** Message from the Worker: it is ready for orders, or the result of a check. */
export type OrderAnswer =
  | { readonly ready: true }
  | { readonly fine: true }
  | { readonly refused: JobError }
  | { readonly failed: string };

const { served, plugins } = workerData as { served: ServedLimits; plugins: readonly string[] };
const answer = (message: OrderAnswer) => parentPort?.postMessage(message);

await loadPlugins(plugins);
parentPort?.on("message", async (order: OrderToCheck) => {
  try {
    await checkOrder(order, served);
    answer({ fine: true });
  } catch (error) {
    answer(error instanceof JobRefused ? { refused: error.detail } : { failed: (error as Error).message });
  }
});
answer({ ready: true });
