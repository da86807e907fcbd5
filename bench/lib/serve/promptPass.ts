import { Generator, init, noGrad, scope, sync, tensor } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import type { Racer } from "./race.ts";
import { packed } from "./smolEngine.ts";

/** Returns a contestant that runs a prompt of `rows` tokens and computes the logits of all of them. */
export async function promptPass(name: string, model: string, rows: number): Promise<Racer> {
  const backend = await init(wasm({ batchInvariant: true }));
  const loaded = await loadModel(model, packed);
  const causal = loaded.model.eval() as CausalLM;
  const tokens = new Int32Array(rows);
  new Generator(2).fillInt(tokens, 0, causal.vocabSize);
  const run = async () => {
    const start = performance.now();
    noGrad(() => scope(() => void causal.forward({ inputIds: tensor(tokens, { shape: [1, rows], backend }) })));
    await sync(backend);
    return (1000 * rows) / (performance.now() - start);
  };
  return { name, run };
}
