import { spawn } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createModel, Generator, init, parseModelConfig, randomParameters, saveModel, wasm } from "../index.gen.ts";
import { type Outcome, type RunOptions, runCommand } from "./runCommand.ts";

/** Options for a child process. `onStderr` is called with each piece of stderr. */
interface ProcessOptions extends RunOptions {
  onStderr?: (text: string, stop: () => void) => void;
}

/** Runs the command in a folder. */
interface Runner<Options> {
  lowrank(args: readonly string[], options?: Options): Promise<Outcome>;
  /** Runs the command. Throws an error with its stderr if the exit code is not 0. */
  succeed(args: readonly string[], options?: Options): Promise<Outcome>;
}

/** Temporary folder in which the command runs, in this process. */
export interface CommandFolder extends Runner<RunOptions> {
  readonly folder: string;
  /** Returns the path of a file in the folder. */
  at(name: string): string;
  /** Runs the command as a child process, as users do. Slower, with its own plugins, signals and pipes. */
  readonly process: Runner<ProcessOptions>;
}

// One token for each printable character, the space as in byte-level tokenizers, and the BOS and EOS tokens.
const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const vocab = ["<s>", "</s>", ...characters, "Ġ", "Ċ"];
const bosFirst = { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }] };
const tokenizerJson = {
  added_tokens: [0, 1].map((id) => ({ id, content: vocab[id], special: true })),
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: { ...bosFirst, special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } } },
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [] },
};
const tokenizerConfig = {
  bos_token: "<s>",
  eos_token: "</s>",
  chat_template: "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
};

/** Makes a folder with a small random model (`model`), a text (`text.txt`) and examples (`pairs.jsonl`). */
export async function commandFolder(): Promise<CommandFolder> {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-command-"));
  const at = (name: string) => join(folder, name);
  await init(wasm());
  const config = parseModelConfig({
    model_type: "llama",
    vocab_size: vocab.length,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 1,
  });
  // A large standard deviation, so that logits differ clearly.
  const wide = randomParameters(new Generator(1));
  const model = createModel(config, (name, shape, init) => wide(name, shape, "std" in init ? { std: 0.3 } : init));
  await saveModel(model, config, at("model"));
  await writeFile(at("model/tokenizer.json"), JSON.stringify(tokenizerJson));
  await writeFile(at("model/tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  await writeFile(at("text.txt"), "the cat sat on the mat. ".repeat(120));
  const pairs = Array.from({ length: 24 }, (_, i) => ({ prompt: `say ${i % 3}: `, completion: "abc"[i % 3] }));
  await writeFile(at("pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  return {
    folder,
    at,
    ...runner((args, options: RunOptions = {}) => runCommand(args, { cwd: folder, ...options })),
    process: runner((args, options: ProcessOptions = {}) => runProcess(args, { cwd: folder, ...options })),
  };
}

function runner<Options>(lowrank: Runner<Options>["lowrank"]): Runner<Options> {
  const succeed = async (args: readonly string[], options?: Options) => {
    const outcome = await lowrank(args, options);
    if (outcome.code !== 0) throw new Error(`lowrank ${args.join(" ")} ended with ${outcome.code}: ${outcome.stderr}`);
    return outcome;
  };
  return { lowrank, succeed };
}

function runProcess(args: readonly string[], { cwd, env, stdin = "", onStderr }: ProcessOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../bin.ts"), ...args], {
      cwd,
      env: { ...process.env, LOWRANK_DEBUG: "", ...env },
    });
    const outcome: Outcome = { code: null, stdout: "", stderr: "" };
    child.stdout.on("data", (text) => {
      outcome.stdout += text;
    });
    child.stderr.on("data", (text) => {
      outcome.stderr += text;
      onStderr?.(String(text), () => child.kill("SIGINT"));
    });
    child.stdin.end(stdin);
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...outcome, code }));
  });
}
