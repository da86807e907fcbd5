import { text } from "node:stream/consumers";
import { type ChatMessage, generateText, type Tokenizer } from "@lowrank/models";
import { Command, Option } from "commander";
import {
  activationsOption,
  integer,
  type LoadedWeights,
  threadsOption,
  weightsOption,
  wideSimdOption,
} from "../../cli/argument.ts";
import { printJson } from "../../cli/json.ts";
import { backendOption, printAdapter } from "../../cli/loading/backends.ts";
import { checkAdaptersExist } from "../../cli/loading/checkInputs.ts";
import { loadWithTokenizer, useAdapter } from "../../cli/loading/loading.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import { type SamplingCommandOptions, samplingOptions, samplingSettings } from "../../cli/options/samplingOptions.ts";
import { stdoutLostSignal } from "../../cli/process/guardOutput.ts";
import { quantizedWords } from "../../report/methods.ts";

interface GenerateCommandOptions extends QuantizeCommandOptions, SamplingCommandOptions {
  model: string;
  adapter?: string;
  prompt?: string;
  chat?: boolean;
  system?: string;
  stop?: string[];
  maxNewTokens?: number;
  taskId?: number;
  weights: LoadedWeights;
  activations?: "int8";
  backend: string;
  threads: number;
  wideSimd?: boolean;
  json?: boolean;
}

const examples = `
Examples:
  $ lowrank generate ./model --chat --system "You are a poet." --prompt "The sea." --stop "\\n\\n" --json
  $ echo "Once upon a time" | lowrank generate hf://org/name --adapter ./adapter --temperature 0.8 --seed 7`;

/** Returns the `lowrank generate` command. */
export function generateCommand(): Command {
  const command = addModelOption(new Command("generate"))
    .summary("continues a prompt, with or without an adapter")
    .description(
      "Continues a prompt and streams the new text to stdout. Without --prompt, the prompt is read from stdin. " +
        "With --chat, the prompt is a user's message. The sampling options default to those of the model's generation_config.json, else to greedy decoding.",
    )
    .option("--adapter <dir>", "folder of a PEFT adapter to use, or hf://org/name")
    .option("--prompt <text>", "text to continue")
    .option("--chat", "apply the model's chat template, with the prompt as the user's message")
    .option("--system <text>", "with --chat: system message")
    .addOption(
      new Option(
        "--stop <text>",
        "stop string: generation ends before this text; \\n is a line break; may be repeated",
      ).argParser((text: string, texts: readonly string[] = []) => [...texts, text.replaceAll("\\n", "\n")]),
    )
    .option(
      "--max-new-tokens <n>",
      "most tokens to generate (default: 64, or fewer if the model's maximum length is reached)",
      integer(1),
    );
  command.option(
    "--task-id <n>",
    "task of the prompt, for an adapter of several tasks (Poly, multitask prompt tuning)",
    integer(0),
  );
  for (const option of samplingOptions()) command.addOption(option);
  command
    .addOption(weightsOption())
    .addOption(activationsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--json", "print one JSON object instead of the text");
  return addQuantizeOptions(
    command,
    `quantise linear layers to 4 bits while loading, as for an adapter of ${quantizedWords()}`,
  )
    .addHelpText("after", examples)
    .action((_, options) => generate(options));
}

async function generate(options: GenerateCommandOptions): Promise<void> {
  if (options.system !== undefined && !options.chat) throw new Error("--system needs --chat; add it");
  if (options.adapter !== undefined) await checkAdaptersExist([options.adapter]);
  const prompt = options.prompt ?? (await readPrompt());
  const loaded = await loadWithTokenizer(options.model, { ...options, quantize: quantizeToLoad(options) });
  const { model, tokenizer, backend } = loaded;
  printAdapter(backend);
  if (options.adapter !== undefined) await useAdapter(model, options.adapter);
  const ids = options.chat ? await encodeChat(tokenizer, prompt, options.system) : tokenizer.encode(prompt);
  const room = model.maxPositions - ids.length;
  const maxNewTokens = options.maxNewTokens ?? Math.min(loaded.generationConfig?.maxNewTokens ?? 64, Math.max(room, 1));
  const begin = performance.now();
  let newTokens = 0;
  const answer = await generateText(model, tokenizer, ids, {
    ...samplingSettings(options),
    stop: options.stop,
    maxNewTokens,
    ...(options.taskId !== undefined && { taskIds: [options.taskId] }),
    signal: stdoutLostSignal,
    onToken: () => void newTokens++,
    onText: (piece) => void (options.json || process.stdout.write(piece)),
  });
  if (!options.json) {
    process.stdout.write("\n");
    return;
  }
  const seconds = (performance.now() - begin) / 1000;
  // An answer with all `maxNewTokens` tokens may have been cut off.
  const finishReason = newTokens < maxNewTokens ? "stop" : "length";
  const { model: name, adapter = null } = options;
  const counts = { promptTokens: ids.length, newTokens, finishReason, seconds };
  printJson({ model: name, adapter, prompt, text: answer, ...counts });
}

async function readPrompt(): Promise<string> {
  if (process.stdin.isTTY) throw new Error('there is no prompt: give --prompt "text", or text on stdin');
  return (await text(process.stdin)).replace(/\r?\n$/, "");
}

async function encodeChat(tokenizer: Tokenizer, content: string, system?: string): Promise<number[]> {
  const messages: ChatMessage[] = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content },
  ];
  const rendered = await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
  return tokenizer.encode(rendered, { addSpecialTokens: false });
}
