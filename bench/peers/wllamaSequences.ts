// Runs in a web page.
import { Wllama } from "@wllama/wllama";
import wasmUrl from "@wllama/wllama/esm/wasm/wllama.wasm?url";

/**
 * Loads llama.cpp compiled to WebAssembly, on one thread and without WebGPU, with one server slot per sequence. Returns
 * a function that decodes `newTokens` tokens after each prompt concurrently. It returns the total milliseconds, because
 * wllama reports single tokens late. The prompts have run before.
 */
export async function wllamaSequences(
  model: Blob,
  prompts: readonly string[],
): Promise<(newTokens: number) => Promise<number>> {
  const instance = new Wllama({ default: wasmUrl }, { suppressNativeLog: true, allowOffline: true });
  // Otherwise it would fetch a build for other browsers from a CDN.
  instance.setCompat(null);
  await instance.loadModel([model], {
    ...{ n_threads: 1, n_gpu_layers: 0, n_batch: 256, n_ubatch: 256 },
    ...{ n_parallel: prompts.length, n_ctx: 128 * prompts.length },
  });
  const decode = async (prompt: string, slot: number, newTokens: number): Promise<number> => {
    // createCompletion passes all options of llama.cpp's server; these are missing in its type.
    const ofServer = { cache_prompt: true, id_slot: slot };
    const request = { ...ofServer, prompt, max_tokens: newTokens, temperature: 0, ignore_eos: true };
    const { prompt_n: read, predicted_n: written } = (await instance.createCompletion(request)).timings!;
    if (written !== newTokens) throw new Error(`wllama wrote ${written} tokens, not ${newTokens}`);
    return read;
  };
  const decodeAll = (newTokens: number) => Promise.all(prompts.map((prompt, i) => decode(prompt, i, newTokens)));
  await decodeAll(1);
  return async (newTokens) => {
    const start = performance.now();
    const read = await decodeAll(newTokens);
    const end = performance.now();
    // The last token of a prompt runs again to produce the first new token.
    if (read.some((tokens) => tokens !== 1)) throw new Error(`wllama read ${read} tokens of prompts that it had read`);
    return end - start;
  };
}
