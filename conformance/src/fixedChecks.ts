import { basename, join } from "node:path";
import { noGrad, scope } from "@lowrank/core";
import { ggufDTypes, loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig, PeftModel, preprocessCorda, preprocessLoraGa } from "@lowrank/peft";
import { findChromium, launch } from "@lowrank/test-support/chromium";
import { pageModel } from "@lowrank/test-support/pageModel";
import { pageScript, trainInPage } from "@lowrank/test-support/pageTraining";
import type { Browser } from "playwright";
import type { AdapterCase } from "./adapterCase.ts";
import { arrowRouting, measuredStart } from "./arrowAndStarts.ts";
import { asTensors, type Batch, randomBatch } from "./batch.ts";
import { cartridges } from "./cartridges.ts";
import { compare, type Findings, relativeDifference, usualTolerances } from "./compare.ts";
import { type Applied, complaints, oursInPeft, type Trial, theirsInLowrank } from "./directions.ts";
import { expertChecks } from "./expertChecks.ts";
import { ggufModels, ggufRead, ggufWritten } from "./ggufChecks.ts";
import { hubCache } from "./hubCache.ts";
import { type BaseName, bases, loraCases } from "./loraCases.ts";
import { logitsOf, measure, train, unpack } from "./measure.ts";
import { lora } from "./methods/lora.ts";
import { drawNet, moduleNet, netMethods } from "./moduleNets.ts";
import type { Python } from "./python.ts";
import { oursInTransformers, quantizedBases, quantizedCases, theirsQuantized } from "./quantized.ts";
import { blockSizes, blocks8bit, packedWeights, quantTypes } from "./quantizedWeights.ts";
import type { Report } from "./report.ts";
import { severalAdapters } from "./severalAdapters.ts";
import { shadowCheckpoints } from "./shadowCheckpoints.ts";
import { xloraExperts } from "./xloraExperts.ts";

const directions = { "ours in PEFT": oursInPeft, "PEFT's in Lowrank": theirsInLowrank };

/** The sizes of a second decoder of another architecture. */
const shadowSizes = { model_type: "qwen2", hidden_size: 24, num_hidden_layers: 1, num_attention_heads: 4 };

/** Runs the checks that are the same in every run: LoRA's named cases, a page, 4-bit quantisation, GGUF. */
export async function fixedChecks(python: Python, folder: string, report: Report): Promise<void> {
  for (const name of Object.keys(bases) as BaseName[]) {
    await python.ask("make_model", { config: bases[name], seed: 1, out: join(folder, name) });
  }
  for (const [index, { name, base: baseName, options }] of loraCases.entries()) {
    const base = join(folder, baseName);
    const { vocab_size: classes } = bases[baseName];
    const trial = { python, base, batch: randomBatch(index, classes), folder: join(folder, `case${index}`), classes };
    const adapter: AdapterCase = { peftType: "LORA", options, method: lora, merges: true, task: "CAUSAL_LM" };
    for (const [direction, run] of Object.entries(directions)) {
      await report.check(`${baseName}, ${name}: ${direction}`, () => run(adapter, trial));
    }
  }
  for (const name of Object.keys(bases) as BaseName[]) {
    await report.check(`${name}: several adapters, by rows, summed and swapped`, () =>
      severalAdapters(python, join(folder, name), bases[name].vocab_size, 2),
    );
  }
  for (const name of ["llama", "gpt2"] as const) {
    const { vocab_size: vocab } = bases[name];
    const base = join(folder, name);
    await report.check(`${name}: an Arrow router over adapters of PEFT`, () => arrowRouting(python, base, vocab));
    for (const start of ["lora_ga", "corda"] as const) {
      await report.check(`${name}: ${start} measures the model`, () => measuredStart(python, base, vocab, start));
    }
  }
  await expertChecks(python, folder, report);
  await report.check("llama: X-LoRA over adapters of PEFT, in both directions", () => {
    const { vocab_size: classes, hidden_size: hidden } = bases.llama;
    return xloraExperts(python, { base: join(folder, "llama"), batch: randomBatch(7, classes), hidden });
  });
  await report.check("llama: cartridges from a text and from a cache, and joined ones, in both directions", () => {
    const { vocab_size: classes } = bases.llama;
    const [tokens] = randomBatch(12, classes).input_ids;
    return cartridges(python, { base: join(folder, "llama"), batch: randomBatch(11, classes), tokens });
  });
  await report.check("llama: Shadow with mirrors and checkpoints, in both directions", async () => {
    const { vocab_size: classes } = bases.llama;
    const decoder = join(folder, "shadow");
    await python.ask("make_model", { config: { ...bases.llama, ...shadowSizes }, seed: 2, out: decoder });
    const batch = randomBatch(8, classes, { rows: 2, length: 9, side: "right", padding: 0 });
    const decoders = { same: join(folder, "llama-tied"), small: decoder };
    return shadowCheckpoints(python, { base: join(folder, "llama"), decoders, batch });
  });
  for (const method of netMethods) {
    for (let seed = 0; seed < (method === "ATTENTION" ? 30 : 10); seed++) {
      const net = drawNet(method, seed);
      const layers = method === "ATTENTION" ? "attention" : "convolutions";
      await report.check(`network ${seed} of ${layers}, ${JSON.stringify(net.config)}: in both directions`, () =>
        moduleNet(python, net, join(folder, `net-${method}-${seed}`)),
      );
    }
  }
  for (const start of convertedStarts) {
    const { vocab_size: classes } = bases.llama;
    const base = join(folder, "llama");
    const trial = { python, base, batch: randomBatch(1, classes), folder: join(folder, start), classes };
    await report.check(`llama, ${start} saved as plain LoRA: ours in PEFT`, () => convertedToLora(start, trial));
  }
  await report.check("cache of the Hugging Face hub: each side reads what the other downloaded", () =>
    hubCache(python, join(folder, "llama"), join(folder, "hub")),
  );
  await runPage(python, folder, report);
  await runQuantized(python, folder, report);
  await runWeights(python, report);
  for (const [name, config] of Object.entries(ggufModels)) {
    await python.ask("make_model", { config, seed: 1, out: join(folder, name) });
  }
  const hasGgml = await python.ask<boolean>("has_ggml", {});
  if (!hasGgml) report.skip("GGUF in K-blocks: there is no gcc to compile ggml's quantiser");
  // The bases' rows are not whole blocks, so that writing falls back to other types.
  for (const name of [...Object.keys(bases), ...Object.keys(ggufModels)]) {
    for (const dtype of ggufDTypes) {
      if (!hasGgml && dtype.endsWith("_k")) continue;
      const path = join(folder, `${name}-${dtype}.gguf`);
      await report.check(`${name}, GGUF in ${dtype}: gguf-py reads what it would write`, () =>
        ggufWritten(python, join(folder, name), path, dtype),
      );
    }
  }
  for (const name of Object.keys(ggufModels)) {
    await report.check(`${name}, GGUF in every type: Lowrank reads what gguf-py reads`, () =>
      ggufRead(python, join(folder, name), join(folder, `${name}-random.gguf`), 1),
    );
  }
}

async function runPage(python: Python, folder: string, report: Report): Promise<void> {
  const model = pageModel();
  const name = `${basename(model)}, trained in a page that dies and is reloaded: ours in PEFT`;
  const executablePath = findChromium();
  if (executablePath === undefined) {
    report.skip(`${name} (no Chromium or Chrome was found; set CHROMIUM)`);
    return;
  }
  await report.check(name, async () => {
    await using browser = await launch(executablePath);
    return await trainedInPage(browser, { python, model, work: join(folder, "page") });
  });
}

async function runWeights(python: Python, report: Report): Promise<void> {
  for (const blockSize of blockSizes) {
    for (const quantType of quantTypes) {
      for (const doubleQuant of [false, true]) {
        const label = `random weights, ${quantType}, blocks of ${blockSize}${doubleQuant ? ", scales in 8 bits" : ""}`;
        await report.check(`${label}: the bytes of bitsandbytes`, () =>
          packedWeights(python, quantType, blockSize, doubleQuant),
        );
      }
    }
    for (const signed of [true, false]) {
      await report.check(`random numbers, ${signed ? "" : "un"}signed 8 bits, blocks of ${blockSize}`, () =>
        blocks8bit(python, blockSize, signed),
      );
    }
  }
}

async function runQuantized(python: Python, folder: string, report: Report): Promise<void> {
  for (const [name, config] of Object.entries(quantizedBases)) {
    const base = join(folder, name);
    await python.ask("make_model", { config, seed: 1, out: base });
    for (const [index, packing] of quantizedCases.entries()) {
      const trial = { python, base, batch: randomBatch(index, config.vocab_size), folder: `${base}-${index}` };
      const label = `${name}, ${packing.quantType}${packing.doubleQuant ? ", scales in 8 bits" : ""}`;
      await report.check(`${label}: ours in transformers`, () => oursInTransformers(packing, trial));
      await report.check(`${label}: theirs in Lowrank`, () => theirsQuantized(packing, trial));
    }
  }
}

/** Initialisations that subtract from the base weights. */
const convertedStarts = ["pissa", "olora", "lora_ga", "corda"] as const;

/**
 * Trains an adapter with such an initialisation and saves it as plain LoRA for the original weights. PEFT loads it on
 * these and must get the same logits and loss.
 */
async function convertedToLora(
  start: (typeof convertedStarts)[number],
  { python, base, batch, folder }: Trial,
): Promise<Findings> {
  const [initial, adapter, again] = ["initial", "converted", "again"].map((name) => join(folder, name));
  const inputs = asTensors(batch);
  const options = { r: 4, initLoraWeights: start, targetModules: "all-linear", taskType: "CAUSAL_LM" } as const;
  const { model } = await loadModel(base);
  const config = new LoraConfig(options);
  if (start === "lora_ga") await preprocessLoraGa(model, config, () => scope(() => model.loss(inputs).backward()));
  if (start === "corda") await preprocessCorda(model, config, () => void noGrad(() => scope(() => model.loss(inputs))));
  const peft = await getPeftModel(model, config, { onWarning: () => {} });
  await peft.savePretrained(initial);
  await train(peft, inputs, { steps: 4, lr: 5e-3 });
  await peft.savePretrained(adapter, { pathInitialModelForWeightConversion: initial });
  const ours = await measure(peft, inputs, false);
  ours.set("merged_logits", await logitsOf(await peft.mergeAndUnload(), inputs));
  const theirs = await python.ask<Applied>("apply_adapter", { base, adapter, inputs: batch, merge: "float32", again });
  // Its gradients belong to other factors.
  const answers = [...unpack(theirs.tensors)].filter(([name]) => !name.startsWith("grad."));
  const { differences, problems } = compare(ours, new Map(answers));
  return { differences, problems: [...complaints(theirs, []), ...problems] };
}

/**
 * Trains an adapter in a page that crashes and reloads, and downloads it. The result must equal an uninterrupted
 * training, and Lowrank in Node and PEFT must read it.
 */
async function trainedInPage(
  browser: Browser,
  { python, model, work }: { python: Python; model: string; work: string },
): Promise<Findings> {
  const { adapter, inputIds, logits, problems } = await trainInPage(browser, { script: pageScript, model, work });
  const batch: Batch = {
    input_ids: inputIds,
    attention_mask: inputIds.map((row) => row.map(() => 1)),
    labels: inputIds,
  };
  const { model: base } = await loadModel(model);
  const peft = await PeftModel.fromPretrained(base, adapter, { isTrainable: true });
  peft.eval();
  const ours = await measure(peft, asTensors(batch));
  const request = { base: model, adapter, inputs: batch, merge: null, again: `${work}/again` };
  const theirs = await python.ask<Applied>("apply_adapter", request);
  const inPage = relativeDifference(Float32Array.from(logits), ours.get("logits") as Float32Array);
  const { differences, problems: found } = compare(ours, unpack(theirs.tensors));
  if (!(inPage <= usualTolerances.logits)) found.push(`the page's logits differ from Node's by ${inPage}`);
  return { differences, problems: [...problems, ...complaints(theirs), ...found] };
}
