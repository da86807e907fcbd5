import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import type { Check } from "../check/compare.ts";
import { type ExpectedGguf, type ExpectedGreedy, readExpected } from "./expected.ts";
import { forward } from "./forward.ts";
import { ggufFile } from "./ggufFile.ts";
import { greedy } from "./greedy.ts";
import { fourBitIntegers, integers, packed } from "./packed.ts";
import { answersUnderHigh, logitsUnderHigh, precisions } from "./precision.ts";
import { qlora } from "./qlora.ts";
import { serving } from "./serving.ts";
import { tokens } from "./tokens.ts";
import { training } from "./training.ts";

/** Options of `realModel`. */
export interface RealModelOptions {
  /** The model's file, if the folder does not contain it. */
  gguf?: string;
  /** True to train all recorded steps, which takes minutes longer. Default false: 20 steps. */
  long?: boolean;
}

/**
 * Returns true if a folder has the layout of models/smollm2-135m-instruct: expected results for a published GGUF file.
 */
export function isRealModel(dir: string): boolean {
  return existsSync(join(dir, "expected", "gguf.json"));
}

/**
 * Checks a published GGUF file: its bytes, tokens, logits, answers and training against recordings of transformers and
 * PEFT.
 */
export async function* realModel(dir: string, { gguf, long = false }: RealModelOptions): AsyncGenerator<Check> {
  const path = gguf ?? join(dir, readExpected<ExpectedGguf>(dir, "gguf").file);
  if (!existsSync(path)) {
    yield { name: "the model", skipped: `there is no ${path}; name the file by --gguf` };
    return;
  }
  const { model, tokenizer, config } = await loadModel(path);
  const { eosTokenIds } = config;
  yield* ggufFile(dir, path, model);
  if (tokenizer) yield* tokens(dir, tokenizer);
  else yield { name: "tokens", error: "the file has no tokenizer" };
  yield* forward(dir, model);
  yield* greedy("greedy", model, readExpected<ExpectedGreedy>(dir, "greedy").cases, eosTokenIds);
  yield* logitsUnderHigh("f32 weights", dir, model);
  yield* answersUnderHigh("f32 weights", dir, model, eosTokenIds);
  yield* precisions("f32 weights", dir, model, { long });
  yield* training(dir, model, { long, eosTokenIds });
  for (const parameter of model.parameters()) parameter.dispose();
  yield* packed(dir, path, { long, eosTokenIds });
  yield* integers(dir, path, eosTokenIds);
  yield* fourBitIntegers(dir, path);
  yield* qlora(dir, path);
  yield* serving(dir, path);
}
