import { join } from "node:path";
import { noGrad, scope, tensor } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import {
  CartridgeConfig,
  composeCartridgeAdapters,
  getPeftModel,
  initializeKvPrefixFromPastKeyValues,
  initializeKvPrefixFromText,
  PeftModel,
  PrefixTuningConfig,
} from "@lowrank/peft";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings, type Results } from "./compare.ts";
import { logitsOf, type PackedTensors, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

const quiet = { onWarning: () => {} };

/**
 * Checks cartridges and prefix tuning that start from a text or from a cache, and joined cartridges, which PEFT and
 * Lowrank read from each other.
 */
export async function cartridges(
  python: Python,
  { base, batch, tokens }: { base: string; batch: Batch; tokens: readonly number[] },
): Promise<Findings> {
  const [count, frozen, out] = [5, 2, `${base}-cartridges`];
  const inputs = asTensors(batch);
  const request = { base, tokens, count, frozen, inputs: batch, out };
  const theirs = unpack((await python.ask<{ tensors: PackedTensors }>("cartridge_starts", request)).tensors);
  const ours: Results = new Map();
  const configs = {
    text: new CartridgeConfig({ numVirtualTokens: count, numFrozenTokens: frozen, taskType: "CAUSAL_LM" }),
    cache: new CartridgeConfig({ numVirtualTokens: count - 1, numFrozenTokens: 0, taskType: "CAUSAL_LM" }),
    prefix: new PrefixTuningConfig({ numVirtualTokens: count, taskType: "CAUSAL_LM" }),
  };
  const saved: Map<string, Uint8Array | string>[] = [];
  for (const [name, config] of Object.entries(configs)) {
    const { model } = await loadModel(base);
    const peft = await getPeftModel(model, config, quiet);
    if (name === "cache") {
      using cache = peft.disableAdapter(() => model.createCache(1, tokens.length));
      const inputIds = tensor([[...tokens]], { dtype: "i32" });
      peft.disableAdapter(() => noGrad(() => scope(() => void model.forward({ inputIds, cache }))));
      initializeKvPrefixFromPastKeyValues(peft, { pastKeyValues: cache });
    } else await initializeKvPrefixFromText(peft, { encode: () => tokens }, { text: "" });
    const rows = peft.adapterTensors().get("prompt_embeddings")!;
    ours.set(`grad.${name}`, (await rows.data()) as Float32Array);
    ours.set(`logits.${name}`, await logitsOf(peft, inputs));
    saved.push(await peft.adapterFiles());
  }
  const { differences, problems } = compare(ours, theirs);
  const adapter = join(out, "ours");
  await composeCartridgeAdapters(saved.slice(0, 2), { outputPath: adapter });
  for (const [label, folder] of [
    ["ours", adapter],
    ["theirs", join(out, "both")],
  ]) {
    const { model } = await loadModel(base);
    const own = new Map([["logits", await logitsOf(await PeftModel.fromPretrained(model, folder, quiet), inputs)]]);
    const asked = { base, adapter: folder, inputs: batch };
    const found = compare(
      own,
      unpack((await python.ask<{ tensors: PackedTensors }>("cartridge_logits", asked)).tensors),
    );
    for (const [name, difference] of found.differences) differences.set(`${name}.${label}`, difference);
    problems.push(...found.problems.map((problem) => `${label}: ${problem}`));
  }
  return { differences, problems };
}
