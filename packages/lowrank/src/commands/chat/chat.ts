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
import { loadWithTokenizer } from "../../cli/loading/loading.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import { samplingOptions } from "../../cli/options/samplingOptions.ts";
import { styled } from "../../cli/terminalView.ts";
import { quantizedWords } from "../../report/methods.ts";
import { Conversation } from "./conversation.ts";
import { converse } from "./converse.ts";
import type { ChatSettings } from "./slashCommands.ts";

interface ChatCommandOptions extends QuantizeCommandOptions, ChatSettings {
  model: string;
  adapter?: string[];
  system?: string;
  weights: LoadedWeights;
  activations?: "int8";
  backend: string;
  threads: number;
  wideSimd?: boolean;
  json?: boolean;
}

const help = `
/help lists the commands: /use ADAPTER, /adapters, /system, /reset, /save, /set temperature 0.7, /exit.
Ctrl-C stops an answer, and twice leaves. In a pipe each line is a turn.

Examples:
  $ lowrank chat hf://HuggingFaceTB/SmolLM2-135M-Instruct --system "You answer in one sentence."
  $ lowrank chat ./model --adapter ./adapter --temperature 0.7
  $ printf 'Hello\\n/use none\\nHello\\n' | lowrank chat ./model --adapter ./adapter --greedy`;

const maxNewTokensOption = (): Option =>
  new Option("--max-new-tokens <n>", "maximum number of tokens of an answer").argParser(integer(1)).default(512);

/** Returns the `lowrank chat` command. */
export function chatCommand(): Command {
  const command = addModelOption(new Command("chat"))
    .summary("chats with a model and its adapters")
    .description(
      "Chats with a model in its chat template, with or without adapters. Answers are streamed, and the KV cache is kept " +
        "between turns. The sampling options default to those of the model's generation_config.json.",
    )
    .addOption(
      new Option(
        "--adapter <dir>",
        "folder of a PEFT adapter, or hf://org/name; may be repeated: the last one is active at the start, /use changes it",
      ).argParser((dir: string, dirs: readonly string[] = []) => [...dirs, dir]),
    )
    .option("--system <text>", "system message of the conversation")
    .addOption(maxNewTokensOption());
  for (const option of samplingOptions()) command.addOption(option);
  command
    .addOption(weightsOption())
    .addOption(activationsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--json", "print the whole conversation as one JSON object at the end");
  return addQuantizeOptions(
    command,
    `quantise linear layers to 4 bits while loading, as for an adapter of ${quantizedWords()}`,
  )
    .addHelpText("after", help)
    .action((_, options) => chat(options));
}

async function chat(options: ChatCommandOptions): Promise<void> {
  await checkAdaptersExist(options.adapter ?? []);
  const { model, tokenizer, backend } = await loadWithTokenizer(options.model, {
    ...options,
    quantize: quantizeToLoad(options),
  });
  printAdapter(backend);
  using conversation = await Conversation.with(model, tokenizer);
  conversation.system = options.system ?? null;
  for (const adapter of options.adapter ?? []) await conversation.use(adapter);
  const { temperature, topK, topP, seed, greedy, maxNewTokens, json = false } = options;
  const settings: ChatSettings = { temperature, topK, topP, seed, greedy, maxNewTokens };
  if (process.stdin.isTTY && process.stderr.isTTY) {
    const who = conversation.active === null ? "" : ` with ${conversation.active}`;
    console.error(styled("dim", `${options.model}${who}; /help lists commands, Ctrl-D leaves`, process.stderr));
  }
  const state = { conversation, settings, options: [maxNewTokensOption()] };
  const { turns, failures } = await converse(state, { quiet: json });
  if (json) {
    const { transcript: messages, active: adapter } = conversation;
    printJson({ model: options.model, adapter, settings, messages, turns });
  }
  if (failures > 0 && !process.stdin.isTTY) {
    throw new Error(`${failures} of the lines got no answer; see the errors above`);
  }
}
