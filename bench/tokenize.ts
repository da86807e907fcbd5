// Measures the time and memory for one line of 10 MB, a JSONL record with one text, from the file to the tokens of an
// example. SmolLM2's tokenizer splits the text into words. The tokenizer of stories260K treats the text as one word and
// produces twice as many tokens.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { sharedPath } from "@lowrank/test-support/folders";
import { compiledChild } from "./lib/lineServer.ts";
import { machine, median, printTable } from "./lib/measure.ts";

const BYTES = 10_000_000;
const ROUNDS = 3;
const MODELS = { smollm2: "smollm2-135m-instruct", stories260k: "stories260K-hf" };

interface Figures {
  readonly tokens: number;
  readonly seconds: number;
  readonly peakMB: number;
}

/** Measures reading and tokenizing one long line, in fresh processes. */
export async function bench(): Promise<void> {
  const data = sharedPath("data/tinyshakespeare.txt", "a text to repeat");
  if (!data) return;
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  try {
    const line = join(folder, "line.jsonl");
    const text = await readFile(data, "utf8");
    await writeFile(line, `${JSON.stringify({ text: text.repeat(Math.ceil(BYTES / text.length)).slice(0, BYTES) })}\n`);
    const tokenize: Record<string, Figures> = {};
    for (const [name, path] of Object.entries(MODELS)) {
      const model = sharedPath(`models/${path}`, `the tokenizer of ${path}`);
      if (model) tokenize[name] = await figuresOf(model, line);
    }
    const rows = Object.entries(tokenize).map(([name, { tokens, seconds, peakMB }]) => [
      ...[name, String(tokens), seconds.toFixed(2), peakMB.toFixed(0)],
    ]);
    printTable(["", "tokens", "seconds", "peak MB"], rows);
    console.log(JSON.stringify({ tokenize, machine: machine() }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Returns the medians of several processes. */
async function figuresOf(model: string, line: string): Promise<Figures> {
  const args = [...(await compiledChild("peers/tokenizeChild")), model, line];
  const runs: Figures[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    runs.push(JSON.parse((await promisify(execFile)(process.execPath, args)).stdout) as Figures);
  }
  return {
    tokens: runs[0]!.tokens,
    seconds: median(runs.map(({ seconds }) => seconds)),
    peakMB: median(runs.map(({ peakMB }) => peakMB)),
  };
}
