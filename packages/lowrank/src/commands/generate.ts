import { text } from "node:stream/consumers";
import { generateText, type Tokenizer } from "@lowrank/models";
import { Command, Option } from "commander";
import { quantizedWords } from "../report/methods.ts";
import { integer, type LoadedWeights, number, threadsOption, weightsOption, wideSimdOption } from "./argument.ts";
import { backendOption, sayAdapter } from "./backends.ts";
import { loadWithTokenizer, useAdapter } from "./loading.ts";
import { addModelOption } from "./modelOption.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "./quantizeOptions.ts";

interface GenerateCommandOptions extends QuantizeCommandOptions {
  model: string;
  adapter?: string;
  prompt?: string;
  chat?: string;
  maxNewTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed: number;
  weights: LoadedWeights;
  activations?: "int8";
  backend: string;
  threads: number;
  wideSimd?: boolean;
  greedy?: boolean;
}

const examples = `
Examples:
  $ lowrank generate hf://org/name --prompt "Once upon a time" --temperature 0.8 --seed 7
  $ echo "Once upon a time" | lowrank generate --model ./model --adapter ./adapter --greedy`;

/** `lowrank generate`. */
export function generateCommand(): Command {
  const command = addModelOption(new Command("generate"))
    .summary("continues a prompt, with or without an adapter")
    .description(
      "Continues a prompt and writes the new text to stdout as it comes. Without --prompt or --chat, the prompt is read " +
        "from stdin. How tokens are chosen comes from the model's generation_config.json, else it is greedy.",
    )
    .option("--adapter <dir>", "folder of a PEFT adapter to use, or hf://org/name")
    .addOption(new Option("--prompt <text>", "text to continue").conflicts("chat"))
    .option("--chat <text>", "a user's message, put through the model's chat template")
    .option("--max-new-tokens <n>", "the most tokens to add (default: 64, or less where the model ends)", integer(1))
    .option("--temperature <t>", "sample, with logits divided by this; 0 is --greedy", number({ least: 0 }))
    .option("--top-k <k>", "sample among the k likeliest tokens; 0 means all", integer(0))
    .option(
      "--top-p <p>",
      "sample among the likeliest tokens that reach this probability",
      number({ above: 0, most: 1 }),
    )
    .option("--seed <n>", "of the random numbers; the same seed gives the same text", integer(0), 0)
    .addOption(new Option("--greedy", "always take the likeliest token").conflicts(["temperature", "topK", "topP"]))
    .addOption(weightsOption())
    .addOption(
      new Option(
        "--activations <type>",
        "int8 multiplies --weights packed in integers, as llama.cpp does: faster, less exact",
      ).choices(["int8"]),
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption());
  return addQuantizeOptions(
    command,
    `quantise linear layers to 4 bits while loading, as for an adapter of ${quantizedWords()}`,
  )
    .addHelpText("after", examples)
    .action((_, options) => generate(options));
}

async function generate(options: GenerateCommandOptions): Promise<void> {
  const prompt = options.prompt ?? options.chat ?? (await readPrompt());
  const loaded = await loadWithTokenizer(options.model, { ...options, quantize: quantizeToLoad(options) });
  const { model, tokenizer, backend } = loaded;
  sayAdapter(backend);
  if (options.adapter !== undefined) await useAdapter(model, options.adapter);
  const ids = options.chat === undefined ? tokenizer.encode(prompt) : await encodeChat(tokenizer, prompt);
  const room = model.maxPositions - ids.length;
  const maxNewTokens = options.maxNewTokens ?? Math.min(loaded.generationConfig?.maxNewTokens ?? 64, Math.max(room, 1));
  await generateText(model, tokenizer, ids, {
    ...sampling(options),
    maxNewTokens,
    onText: (piece) => process.stdout.write(piece),
  });
  process.stdout.write("\n");
}

async function readPrompt(): Promise<string> {
  if (process.stdin.isTTY) throw new Error('there is no prompt: give --prompt "text", --chat "text", or text on stdin');
  return (await text(process.stdin)).replace(/\r?\n$/, "");
}

async function encodeChat(tokenizer: Tokenizer, content: string): Promise<number[]> {
  const rendered = await tokenizer.applyChatTemplate([{ role: "user", content }], { addGenerationPrompt: true });
  return tokenizer.encode(rendered, { addSpecialTokens: false });
}

/**
 * The options of sampling that the command line gives; the model's generation config has the
 * others.
 */
function sampling({ greedy, seed, temperature, topK, topP }: GenerateCommandOptions): object {
  if (greedy || temperature === 0) return { doSample: false };
  const asked = [temperature, topK, topP].some((value) => value !== undefined);
  return { ...(asked && { doSample: true }), temperature, topK, topP, seed };
}
