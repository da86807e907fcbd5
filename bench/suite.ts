// Measures a suite of tests of an adapter on SmolLM2-135M in Q4_1, with two threads: 50 chats of at most 64 tokens with
// at most 32 new ones, 2,000 tokens of held-out text, and 2,000 tokens of general text for forgetting and drift. Once
// alone, and once against a second adapter.
import { readFileSync } from "node:fs";
import { init } from "@lowrank/core";
import { loadModel, type Tokenizer } from "@lowrank/models";
import { sharedPath } from "@lowrank/test-support/folders";
import { type PromptTest, runSuite, type Suite, type SuiteReport } from "@lowrank/testing";
import { wasm } from "@lowrank/wasm";
import { machine, printTable } from "./lib/measure.ts";

const PROMPTS = 50;
const PROMPT_TOKENS = 64;
const TEXT_TOKENS = 2000;

/** Returns the first questions whose chats have at most `PROMPT_TOKENS` tokens. */
async function promptsOf(file: string, tokenizer: Tokenizer): Promise<PromptTest[]> {
  const found: PromptTest[] = [];
  for (const { instruction } of JSON.parse(readFileSync(file, "utf8")) as { instruction: string }[]) {
    const messages = [{ role: "user", content: instruction }];
    const text = await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    if (tokenizer.encode(text, { addSpecialTokens: false }).length <= PROMPT_TOKENS) {
      found.push({ messages, matches: "" });
    }
    if (found.length === PROMPTS) return found;
  }
  throw new Error(`${file} has ${found.length} short questions, fewer than ${PROMPTS}`);
}

/** Prints the times of both runs and one line of JSON: the seconds of the first, and the ratio of the second to it. */
export async function bench(): Promise<void> {
  const folder = sharedPath("models/smollm2-135m-instruct", "the suite benchmark");
  const data = sharedPath("data", "the suite benchmark");
  if (!folder || !data) return console.log(JSON.stringify({ suite: {} }));
  await init(wasm({ threads: 2 }));
  const loaded = await loadModel(`${folder}/SmolLM2-135M-Instruct.Q4_1.gguf`, { weights: "packed" });
  const { model } = loaded;
  const tokenizer = loaded.tokenizer as Tokenizer;
  const suite: Suite = {
    prompts: await promptsOf(`${data}/instruction-data.json`, tokenizer),
    heldOut: { data: `${data}/tinyshakespeare.txt`, maxTokens: TEXT_TOKENS, maxLoss: 100 },
    forgetting: { text: fables(`${data}/aesop_fables.json`), maxTokens: TEXT_TOKENS, maxLossIncrease: 100 },
    drift: { maxChangedTokens: 1, maxKl: 100 },
  };
  const adapter = `${folder}/lora-20`;
  const alone = await timed(() => runSuite(suite, { model, tokenizer, adapter }));
  const both = await timed(() => runSuite(suite, { model, tokenizer, adapter, against: `${folder}/lora-init` }));
  console.log(`${machine()}\nSmolLM2-135M Q4_1, 2 threads; ${PROMPTS} prompts, ${TEXT_TOKENS} tokens of each text\n`);
  printTable(
    ["seconds", "wall", "processor"],
    [
      ["one adapter", alone.wall.toFixed(1), alone.processor.toFixed(1)],
      ["against another", both.wall.toFixed(1), both.processor.toFixed(1)],
    ],
  );
  const figures = {
    seconds: Number(alone.wall.toFixed(1)),
    againstRatio: Number((both.wall / alone.wall).toFixed(2)),
    processorSeconds: Number(alone.processor.toFixed(1)),
    againstProcessorRatio: Number((both.processor / alone.processor).toFixed(2)),
  };
  console.log(`\n${JSON.stringify({ suite: figures })}`);
}

/** Returns the fables as one text. */
function fables(file: string): string {
  return JSON.stringify(JSON.parse(readFileSync(file, "utf8")), null, 1).replaceAll('"', "");
}

/** Runs a suite and returns its wall time, and the processor time of all threads, in seconds. */
async function timed(run: () => Promise<SuiteReport>): Promise<{ wall: number; processor: number }> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const { checks } = await run();
  // The adapters differ, so that their comparison may fail. All other limits are out of reach.
  const failed = checks.find(({ passed, group }) => !passed && group !== "against");
  if (failed) throw new Error(`suite: ${failed.name}: ${failed.message}`);
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - start) / 1000, processor: (user + system) / 1e6 };
}
