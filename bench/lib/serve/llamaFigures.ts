import { basename, dirname, join } from "node:path";
import { init, reference } from "@lowrank/core";
import { openFile, openFiles, writeFolder } from "@lowrank/files";
import { fromGguf, type GgufDType, openGguf, toGguf, writeGguf } from "@lowrank/models";
import { decodeSpeed, sameLengthRequests } from "./decodeTogether.ts";
import { printSpeeds, type Racer, race, ratioOf } from "./race.ts";
import { engineRacer, newTokens, promptTokens, smolEngine } from "./startEngine.ts";

const sequences = 8;
const rounds = 5;
const seconds = 12;

/** Starts eight sequences of llama.cpp. If that fails, prints the reason and returns undefined. */
async function llamaCpp(name: string, model: string, vocabSize: number) {
  try {
    const { llamaCppSequences } = await import("../../peers/llamaCppSequences.ts");
    const adapters = new Array<null>(sequences).fill(null);
    const requests = sameLengthRequests({ adapters, promptTokens, newTokens, vocabSize });
    const prompts = requests.map(({ prompt }) => ("tokens" in prompt ? prompt.tokens : []));
    const peer = await llamaCppSequences(model, prompts, promptTokens + newTokens);
    const racer: Racer = { name, run: async () => decodeSpeed(await peer.run(newTokens)) };
    return { racer, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
  } catch (error) {
    console.log(`absent: node-llama-cpp (${error instanceof Error ? error.message : error})`);
    return undefined;
  }
}

async function versus(model: string, type: string): Promise<number | undefined> {
  const [ours, theirs] = [`lowrank ${type}`, `node-llama-cpp ${type}`];
  await using plain = await smolEngine(model);
  await using peer = await llamaCpp(theirs, model, plain.vocabSize);
  if (!peer) return undefined;
  const racer = await engineRacer(ours, plain, new Array<null>(sequences).fill(null));
  const speeds = await race([racer, peer.racer], { rounds, seconds });
  printSpeeds(speeds);
  return ratioOf(speeds, ours, theirs);
}

/** Compares eight concurrent requests to the base model with eight sequences in one llama.cpp context. */
export async function llamaFigures(model: string): Promise<Record<string, number | undefined>> {
  console.log(`\n${sequences} sequences side by side, decoding`);
  return { batch8VsLlamaCpp: await versus(model, "Q4_1") };
}

/** Like `llamaFigures`, with the model's matrices in other types. */
export async function otherLlamaFigures(model: string, folder: string): Promise<Record<string, number | undefined>> {
  const [q4, q8] = await repackGguf(model, folder, ["q4_0", "q8_0"]);
  return {
    batch8VsLlamaCppQ4_0: await versus(q4!, "Q4_0"),
    batch8VsLlamaCppQ8_0: await versus(q8!, "Q8_0"),
  };
}

/** Writes copies of a GGUF file with other matrix types into a folder. Returns their paths. */
async function repackGguf(model: string, folder: string, dtypes: readonly GgufDType[]): Promise<string[]> {
  await init(reference());
  const plain = join(folder, "plain");
  await writeFolder(plain, await fromGguf(await openGguf(await openFile(model), model), { dtype: "f16" }));
  const paths = [];
  for (const dtype of dtypes) {
    const path = join(folder, `${dtype}.gguf`);
    const contents = await toGguf(await openFiles(plain), { dtype });
    await writeFolder(dirname(path), new Map([[basename(path), writeGguf(contents)]]));
    paths.push(path);
  }
  return paths;
}
