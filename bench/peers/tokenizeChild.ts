// `tokenizeChild.ts MODEL DATA`: reads a JSONL file with one record and tokenizes it in a separate process. Prints its
// time and memory as JSON.
import { folderFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import { loadDataset, tokenizeExample } from "@lowrank/train";
import { peakBytes } from "../lib/serveSteps.ts";

const [model, data] = process.argv.slice(2) as [string, string];
const tokenizer = await Tokenizer.fromFiles(await folderFiles(model));
const start = performance.now();
const [example] = await loadDataset(data);
const { inputIds } = await tokenizeExample(tokenizer, example!);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ tokens: inputIds.length, seconds, peakMB: peakBytes() / 1e6 }));
