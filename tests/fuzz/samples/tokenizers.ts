import { type Sample, sampleOf } from "../sample.ts";
import { chatTemplate, tokenizerConfig, tokenizerJsons } from "./tokenizerJson.ts";

/** Makes tokenizers of each kind, with the chat template in their config or in a separate file. */
export function* tokenizerSamples(): Generator<Sample> {
  for (const [i, [name, json]] of Object.entries(tokenizerJsons).entries()) {
    const inConfig = i % 2 === 0;
    yield sampleOf("tokenizer", name, [
      ["tokenizer.json", JSON.stringify(json)],
      ["tokenizer_config.json", JSON.stringify(tokenizerConfig(inConfig ? { chat_template: chatTemplate } : {}))],
      ...(inConfig ? [] : [["chat_template.jinja", chatTemplate] as const]),
    ]);
  }
}
