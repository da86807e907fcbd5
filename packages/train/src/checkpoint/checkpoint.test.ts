import { Generator, init, reference } from "@lowrank/core";
import { filesIn, memoryFiles, opfsFiles, type WritableFiles } from "@lowrank/files";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig, PeftModel, type Warning } from "@lowrank/peft";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc32 } from "../data/crc32.ts";
import { loadDataset } from "../datasets/loadDataset.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "../trainer/trainer.ts";
import { getLastCheckpoint } from "./wholeCheckpoint.ts";

beforeAll(async () => {
  await init(reference());
});

const inBrowser = globalThis.navigator?.storage?.getDirectory !== undefined;
const top = `test-checkpoint-${crypto.randomUUID()}`;
afterAll(async () => {
  if (inBrowser) await (await navigator.storage.getDirectory()).removeEntry(top, { recursive: true });
});
const places: Record<string, () => WritableFiles> = {
  memory: () => memoryFiles(),
  ...(inBrowser && { OPFS: () => opfsFiles(`${top}/${crypto.randomUUID()}`) }),
};

const base = (): CausalLM => {
  const sizes = { vocab_size: 11, n_positions: 16, n_embd: 8, n_layer: 1, n_head: 2 };
  const config = parseModelConfig({ model_type: "gpt2", ...sizes, attn_pdrop: 0.2, embd_pdrop: 0.2, resid_pdrop: 0.2 });
  return createModel(config, randomParameters(new Generator(5)));
};
const adapted = async (): Promise<PeftModel<CausalLM>> =>
  getPeftModel(base(), new LoraConfig({ r: 2, targetModules: ["c_attn"], loraDropout: 0.1 }));
const examples = Array.from({ length: 10 }, (_, i) => {
  const inputIds = Array.from({ length: 5 }, (_, t) => 1 + ((i * 3 + t) % 9));
  return { inputIds, labels: inputIds };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 9 };

/** Runs a training that writes checkpoints 3, 6 and 9. */
async function trained(run: WritableFiles): Promise<PeftModel<CausalLM>> {
  const peft = await adapted();
  await new Trainer(peft, examples, { ...options, checkpoints: { folder: run, every: 3 } }).train();
  return peft;
}

/** Resumes from a place. Returns the weights, the step at which it resumed, and the warnings. */
async function resumed(run: Parameters<Trainer["resume"]>[0]) {
  const peft = await adapted();
  const warnings: Warning[] = [];
  const trainer = new Trainer(peft, examples, { ...options, onWarning: (warning) => void warnings.push(warning) });
  const step = await trainer.resume(run);
  await trainer.train();
  return { weights: await peft.adapterFiles(), step, warnings };
}

/** Returns the bytes of a file. */
async function bytesOf(files: WritableFiles, name: string): Promise<Uint8Array> {
  const source = await files.open(name);
  return (await source.read(0, source.size)).slice();
}

/** Rewrites a file with changed bytes. */
async function change(files: WritableFiles, name: string, to: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  await files.write(new Map([[name, to(await bytesOf(files, name))]]));
}

for (const [place, empty] of Object.entries(places)) {
  describe(`checkpoints in ${place}`, () => {
    it("goes on from the newest one to the last bit, and from any that is named", async () => {
      const run = empty();
      expect(await getLastCheckpoint(run)).toBe(null);
      await expect(resumed(run)).rejects.toThrow(
        `${run.label} is not a complete checkpoint and contains none: trainer_state.json is missing`,
      );
      const whole = await (await trained(run)).adapterFiles();
      expect((await run.list()).sort()).toEqual(["checkpoint-3/", "checkpoint-6/", "checkpoint-9/"]);
      expect(await getLastCheckpoint(run)).toBe("checkpoint-9");
      expect(await resumed(run)).toEqual({ weights: whole, step: 9, warnings: [] });
      expect(await resumed(filesIn(run, "checkpoint-3"))).toEqual({ weights: whole, step: 3, warnings: [] });
    });

    it("holds the adapter as PEFT lays it out", async () => {
      const run = empty();
      const peft = await trained(run);
      const last = await peft.adapterFiles();
      for (const [name, content] of last) {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
        expect(await bytesOf(run, `checkpoint-9/${name}`)).toEqual(bytes);
      }
      const loaded = await PeftModel.fromPretrained(base(), run, { subfolder: "checkpoint-9" });
      expect(await loaded.adapterFiles()).toEqual(last);
    });

    const damages: Record<string, [damage: (run: WritableFiles) => Promise<void>, message: string]> = {
      "its list is cut off": [
        (run) => change(run, "checkpoint-9/trainer_state.json", (bytes) => bytes.subarray(0, 100)),
        "trainer_state.json is no list of its files",
      ],
      "a file is cut off": [
        (run) => change(run, "checkpoint-9/adapter_model.safetensors", (bytes) => bytes.subarray(0, 100)),
        "adapter_model.safetensors has 100 bytes instead of ",
      ],
      "a file is of another training": [
        (run) => change(run, "checkpoint-9/optimizer.safetensors", (bytes) => bytes.with(-1, bytes.at(-1)! ^ 1)),
        "optimizer.safetensors has other bytes than those written with trainer_state.json",
      ],
    };
    for (const [name, [damage, message]] of Object.entries(damages)) {
      it(`skips one that was half-written, with a warning: ${name}`, async () => {
        const run = empty();
        const whole = await (await trained(run)).adapterFiles();
        await damage(run);
        const { weights, step, warnings } = await resumed(run);
        expect([weights, step]).toEqual([whole, 6]);
        expect(warnings).toEqual([
          { code: "incomplete-checkpoint", message: expect.stringContaining(`checkpoint-9 is skipped`) },
        ]);
        expect(warnings[0].message).toContain(message);
        await expect(resumed(filesIn(run, "checkpoint-9"))).rejects.toThrow(message);
      });
    }

    it("skips one of which files are missing", async () => {
      const run = empty();
      await trained(run);
      const name = "checkpoint-12/trainer_state.json";
      await run.write(new Map([["checkpoint-12/trainable.safetensors", "half"]]));
      const warnings: Warning[] = [];
      const onWarning = (warning: Warning) => void warnings.push(warning);
      expect(await getLastCheckpoint(run, onWarning)).toBe("checkpoint-9");
      await run.write(new Map([[name, await run.readText("checkpoint-9/trainer_state.json")]]));
      expect(await getLastCheckpoint(run, onWarning)).toBe("checkpoint-9");
      expect(warnings.map(({ message }) => /not whole: (.*?);/.exec(message)?.[1])).toEqual([
        "trainer_state.json is missing",
        expect.stringMatching(/^(trainable.safetensors has 4 bytes|optimizer.safetensors is missing)/),
      ]);
    });

    it("reads data sets too", async () => {
      const files = empty();
      const lines = Array.from({ length: 3000 }, (_, i) => ({ text: `é${"x".repeat(i % 1000)}` }));
      await files.write(new Map([["data/a.jsonl", lines.map((line) => JSON.stringify(line)).join("\n")]]));
      expect(await loadDataset("data/a.jsonl", { files })).toEqual(lines);
      await expect(loadDataset("data/b.jsonl", { files })).rejects.toThrow("has no data/b.jsonl (data holds a.jsonl)");
    });
  });
}

it("the CRC-32 of zip, in parts too", () => {
  const bytes = new TextEncoder().encode("123456789");
  expect(crc32(bytes)).toBe(0xcbf43926);
  expect(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4)))).toBe(0xcbf43926);
});
