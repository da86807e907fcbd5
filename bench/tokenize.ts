// The time and the memory that one line of 10 MB takes, a JSONL record with one text, from the file
// to the tokens of an example, by the tokenizer of SmolLM2.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import { loadDataset, tokenizeExample } from "@lowrank/train";
import { sharedPath } from "../scripts/sharedFolder.ts";
import { machine, printTable } from "./lib/measure.ts";

const BYTES = 10_000_000;

/** Measures reading and tokenising of one long line. */
export async function bench(): Promise<void> {
  const model = sharedPath("models/smollm2-135m-instruct", "the tokenizer of SmolLM2");
  const data = sharedPath("data/tinyshakespeare.txt", "a text to repeat");
  if (!model || !data) return;
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  try {
    const path = join(folder, "line.jsonl");
    const text = await readFile(data, "utf8");
    await writeFile(path, `${JSON.stringify({ text: text.repeat(Math.ceil(BYTES / text.length)).slice(0, BYTES) })}\n`);
    const tokenizer = await Tokenizer.fromFiles(await folderFiles(model));
    const start = performance.now();
    const [example] = await loadDataset(path);
    const { inputIds } = await tokenizeExample(tokenizer, example);
    const tokenizeSeconds = (performance.now() - start) / 1000;
    const tokenizePeakMB = process.resourceUsage().maxRSS / 1000;
    const row = [BYTES, inputIds.length, tokenizeSeconds.toFixed(2), Math.round(tokenizePeakMB)].map(String);
    printTable(["bytes", "tokens", "seconds", "peak MB"], [row]);
    console.log(JSON.stringify({ tokenize: { seconds: tokenizeSeconds, peakMB: tokenizePeakMB }, machine: machine() }));
  } finally {
    await rm(folder, { recursive: true });
  }
}
