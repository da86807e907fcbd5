import { readFile } from "node:fs/promises";
import { type Sample, sampleOf } from "../sample.ts";

const messages = [
  { role: "user", content: "hello" },
  { role: "assistant", content: "world" },
];

/** A file with a few examples of each kind. */
const texts: Readonly<Record<string, string>> = {
  "text.jsonl": ["one", "two", "three"].map((text) => JSON.stringify({ text })).join("\n"),
  "prompts.jsonl": ["a", "b"].map((prompt) => JSON.stringify({ prompt, completion: "c" })).join("\r\n"),
  "chats.jsonl": [0, 1].map(() => JSON.stringify({ messages })).join("\n"),
  "alpaca.json": JSON.stringify([
    { instruction: "say", input: "", output: "hello" },
    { instruction: "add", input: "1, 2", output: "3" },
  ]),
  "shareGpt.json": JSON.stringify([
    {
      conversations: [
        { from: "human", value: "hello" },
        { from: "gpt", value: "you" },
      ],
    },
  ]),
  "prompts.csv": 'prompt,completion\nhello,world\n"a ""b"", c","two\nlines"\n',
  "prompts.tsv": "prompt\tcompletion\nhello\tworld\n",
  "plain.txt": "hello world\nhello all\n",
};

const parquets = ["chats.snappy.parquet", "chats.zstd.parquet"];

/** Data files of each format, each alone. */
export async function* datasetSamples(): AsyncGenerator<Sample> {
  for (const [name, text] of Object.entries(texts)) yield sampleOf("dataset", name, [[name, text]]);
  for (const name of parquets) {
    const source = new URL(`../../../packages/train/src/testing/${name}`, import.meta.url);
    yield sampleOf("dataset", name, [[name, await readFile(source)]]);
  }
}
