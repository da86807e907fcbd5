import { init } from "@lowrank/core";
import { generate, loadModel } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import type { ChildOptions, Parts } from "./subject.ts";

const promptTokens = 128;
const newTokens = 48;
const rounds = 3;

const sampling = { doSample: true, temperature: 0.8, topK: 40, topP: 0.95 } as const;

/**
 * Times a prompt and its greedy and sampled continuations with SmolLM2-135M on one thread. The weights of a GGUF file
 * stay packed.
 */
export async function decode({ m135 }: ChildOptions): Promise<Parts> {
  await init(wasm());
  const { model } = await loadModel(m135, m135.endsWith(".gguf") ? { weights: "packed", activations: "int8" } : {});
  const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 7919) % model.vocabSize);
  const times: Record<string, number[]> = { prompt: [], greedy: [], sampled: [] };
  for (let round = -1; round < rounds; round++) {
    for (const [name, options] of Object.entries({ greedy: {}, sampled: sampling })) {
      const start = performance.now();
      let first = 0;
      const onToken = () => {
        first ||= performance.now();
      };
      const [tokens] = await generate(model, [prompt], {
        ...options,
        maxNewTokens: newTokens,
        generationConfig: null,
        onToken,
      });
      const end = performance.now();
      if (tokens!.length !== newTokens) throw new Error(`decode: ${tokens!.length} new tokens, not ${newTokens}`);
      if (round < 0) continue;
      times.prompt!.push(first - start);
      times[name]!.push(end - first);
    }
  }
  const middle = (all: number[]) => all.toSorted((x, y) => x - y)[all.length >> 1]!;
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, middle(all)]));
}
