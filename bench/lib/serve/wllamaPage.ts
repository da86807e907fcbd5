// Runs in a web page: loads wllama and decodes its sequences on request.
import { wllamaSequences } from "../../peers/wllamaSequences.ts";

let decode: ((newTokens: number) => Promise<number>) | undefined;

/** The functions of the page that the benchmark calls. */
export interface WllamaPage {
  load(prompts: readonly string[]): Promise<void>;
  run(newTokens: number): Promise<number>;
}

const page: WllamaPage = {
  async load(prompts) {
    decode = await wllamaSequences(await (await fetch("/model.gguf")).blob(), prompts);
  },
  run: (newTokens) => decode!(newTokens),
};

Object.assign(globalThis, { wllamaPage: page });
