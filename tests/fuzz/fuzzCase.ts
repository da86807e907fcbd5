import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { folderFiles, memoryFiles } from "@lowrank/files";
import { Random } from "@lowrank/test-support/random";
import { attempts } from "./attempts/index.ts";
import { mutateFile } from "./mutate/mutate.ts";
import type { Sample } from "./sample.ts";
import { judgeError, type Verdict } from "./tallyTable.ts";

/** Relative frequencies of the attempts among cases. */
const shares: Readonly<Record<string, number>> = {
  adapter: 5,
  checkpoint: 2,
  classifier: 2,
  dataset: 3,
  gguf: 4,
  model: 5,
  tokenizer: 3,
};
const wheel = Object.entries(shares).flatMap(([name, share]) => Array.from({ length: share }, () => name));

/** A case that is ready to be tried. */
export interface FuzzCase {
  readonly sample: Sample;
  /** The damaged file. */
  readonly file: string;
  readonly what: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** True if the files are read from disk. */
  readonly onDisk: boolean;
  readonly random: Random;
}

/** Makes case `number` of a seed: always the same one. */
export function makeCase(samples: readonly Sample[], seed: number, number: number): FuzzCase {
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const attempt = random.pick(wheel);
  const sample = random.pick(samples.filter((one) => one.attempt === attempt));
  const file = random.pick([...sample.files.keys()].filter((name) => !name.endsWith(".md")));
  const { bytes, what } = mutateFile(file, sample.files.get(file) as Uint8Array, random);
  const files = new Map([...sample.files, [file, bytes]]);
  if (file !== listing && random.next() < 0.8) listAnew(files, file, bytes);
  return { sample, file, what, files, onDisk: random.next() < 0.25, random };
}

const listing = "trainer_state.json";

/** Updates a checkpoint's list of files, so that the damaged file passes its integrity check and is read. */
function listAnew(files: Map<string, Uint8Array>, file: string, bytes: Uint8Array): void {
  const text = files.get(listing);
  if (text === undefined) return;
  const state = JSON.parse(new TextDecoder().decode(text));
  state.files[file] = { bytes: bytes.length, crc32: crc32(bytes) };
  files.set(listing, new TextEncoder().encode(JSON.stringify(state)));
}

/** The outcome of a case, and its error if it threw one. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly error?: unknown;
}

/** Runs a case; `room` is an empty folder for cases that are read from disk. */
export async function tryCase({ sample, files, onDisk, random }: FuzzCase, room: string): Promise<Outcome> {
  const folder = onDisk ? join(room, "fuzzed") : null;
  let accepted = false;
  const label = "fuzzed files";
  try {
    if (folder !== null) {
      mkdirSync(folder);
      for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
    }
    await attempts[sample.attempt]({
      files: folder === null ? memoryFiles(files, label) : await folderFiles(folder),
      folder,
      name: sample.name,
      random,
      accepted: () => {
        accepted = true;
      },
    });
    return { verdict: "fine" };
  } catch (error) {
    const names = [label, folder ?? label, ...files.keys()];
    return { verdict: judgeError(error, { names, accepted }), error };
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

/** Describes a case: the kind of its file, which is its name without digits, and its mutation. */
export function describeCase({ sample, file, onDisk, what }: FuzzCase): { kind: string; what: string } {
  const name = sample.attempt === "dataset" ? `*${file.slice(file.lastIndexOf("."))}` : file;
  const place = `${sample.attempt}/${sample.name}/${file}${onDisk ? " on disk" : ""}`;
  return { kind: name.replaceAll(/\d{2,}/g, "*"), what: `${place}: ${what}` };
}
