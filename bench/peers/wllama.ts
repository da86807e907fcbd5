// Runs in a web page.
import { Wllama } from "@wllama/wllama";
import wasmUrl from "@wllama/wllama/esm/wasm/wllama.wasm?url";
import type { DecodePeer, DecodeTask } from "./decodePeer.ts";

/**
 * Loads llama.cpp compiled to WebAssembly, on one thread and without WebGPU. The times are the ones that it reports.
 */
export async function wllama(model: Blob, task: DecodeTask): Promise<DecodePeer> {
  const instance = new Wllama({ default: wasmUrl }, { suppressNativeLog: true, allowOffline: true });
  // Otherwise it would fetch a build for other browsers from a CDN.
  instance.setCompat(null);
  await instance.loadModel([model], { n_threads: 1, n_gpu_layers: 0, n_ctx: 256, n_batch: 256, n_ubatch: 256 });
  return {
    name: "wllama",
    async decode() {
      const request = { prompt: task.prompt, max_tokens: task.newTokens, temperature: 0, ignore_eos: true };
      // createCompletion passes all options of llama.cpp's server; this one is missing in its type.
      const { choices, timings } = await instance.createCompletion({ ...request, ...{ cache_prompt: false } });
      const { prompt_n: read, prompt_ms: promptMs, predicted_n: written, predicted_ms: decodeMs } = timings!;
      if (read !== task.promptTokens || written !== task.newTokens) {
        throw new Error(
          `wllama read ${read} tokens and wrote ${written}, not ${task.promptTokens} and ${task.newTokens}`,
        );
      }
      return { promptMs, decodeMs, text: choices[0]!.text };
    },
  };
}
