import { scope } from "@lowrank/core";
import { PeftModel } from "@lowrank/peft";
import { tinyBatch } from "@lowrank/peft/testing";
import { baseOf } from "../samples/adapters.ts";
import type { Attempt } from "./attempt.ts";

/** Loads an adapter's folder onto its model and runs it. */
export const adapter: Attempt = async ({ files, name, accepted }) => {
  const base = baseOf(name);
  const peft = await PeftModel.fromPretrained(base, files, { onWarning: () => {} });
  accepted();
  const { logits } = scope(() => peft.forward(tinyBatch()));
  await logits.data();
  logits.dispose();
};
