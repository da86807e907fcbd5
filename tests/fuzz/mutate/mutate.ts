import type { Random } from "@lowrank/test-support/random";
import { type Mutation, mutateBytes } from "./bytes.ts";
import { mutateGguf } from "./gguf.ts";
import { mutateJson, writeJson } from "./json.ts";
import { mutateSafetensors } from "./safetensors.ts";
import { mutateText } from "./text.ts";
import { mutateZip } from "./zip.ts";

type Mutator = (bytes: Uint8Array, random: Random, good: Uint8Array) => Mutation;

/** Changes a JSON file by its fields, or as text if it is not valid JSON or nested too deeply. */
function mutateJsonFile(bytes: Uint8Array, random: Random): Mutation {
  if (random.next() < 0.1) return mutateText(bytes, random);
  try {
    const { value, what } = mutateJson(JSON.parse(new TextDecoder().decode(bytes)), random);
    return { bytes: new TextEncoder().encode(writeJson(value)), what };
  } catch {
    return mutateText(bytes, random);
  }
}

/** Changes one line of a JSONL file by its fields. */
function mutateLines(bytes: Uint8Array, random: Random, good: Uint8Array): Mutation {
  const lines = new TextDecoder().decode(bytes).split("\n");
  const at = random.below(lines.length);
  const { bytes: line, what } = mutateJsonFile(new TextEncoder().encode(lines[at]), random);
  if (random.next() < 0.2) return mutateText(good, random);
  lines[at] = new TextDecoder().decode(line);
  return { bytes: new TextEncoder().encode(lines.join("\n")), what: `line ${at + 1}: ${what}` };
}

const byEnding: Readonly<Record<string, Mutator>> = {
  json: mutateJsonFile,
  jsonl: mutateLines,
  safetensors: mutateSafetensors,
  gguf: mutateGguf,
  bin: mutateZip,
  parquet: mutateBytes,
};

/** Changes a file one to three times, by methods for its kind. */
export function mutateFile(name: string, good: Uint8Array, random: Random): Mutation {
  const mutate = byEnding[name.slice(name.lastIndexOf(".") + 1)] ?? mutateText;
  const times = random.next() < 0.7 ? 1 : 1 + random.below(3);
  let bytes = good;
  const done: string[] = [];
  for (let i = 0; i < times; i++) {
    const mutation = mutate(bytes, random, good);
    bytes = mutation.bytes;
    done.push(mutation.what);
  }
  return { bytes, what: done.join("; ") };
}
