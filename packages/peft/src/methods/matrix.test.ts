import {
  Generator,
  init,
  keep,
  memory,
  mul,
  rand,
  reference,
  scope,
  sum,
  type Tensor,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { PromptLearningConfig } from "../config/promptLearningConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import { LilyConfig } from "./lowRank/lilyConfig.ts";
import { AdaptionPromptConfig } from "./prompt/adaptionPrompt.ts";

const quiet = { onWarning: () => {} };

// The reference backend's loops are the same JavaScript in a page as in Node, so they run only in Node. Files, names,
// switches and memory do not depend on the loops, so their tests run on WebAssembly only.
const inNode = globalThis.process?.getBuiltinModule !== undefined;
const backends = { ...(inNode && { reference: reference() }), wasm: await wasm() };

// Bytes as text, since Vitest compares arrays slowly.
const bits = async (tensors: ReadonlyMap<string, Tensor>) =>
  Promise.all([...tensors].map(async ([name, t]) => [name, t.dtype, (await t.bytes()).join()] as const));

const lossBits = (model: TinyModel | PeftModel<TinyModel>) => scope(() => model.loss(tinyBatch())).bytes();

for (const [method, list, name, backend] of Object.entries(methodCases).flatMap(([method, list]) =>
  Object.entries(backends).map(([name, backend]) => [method, list, name, backend] as const),
)) {
  describe.each(list)(
    `${method}: $name, on ${name}`,
    ({ config, model: options, startsElsewhere, savesResult, unmergeable }) => {
      beforeAll(() => init(backend));
      const onWasm = (title: string, run: () => unknown) => {
        if (name === "wasm") test(title, run);
      };
      const base = () => new TinyModel(options).eval();
      const half = options?.dtype !== undefined;
      // Merging into 4-bit weights requires an option. Its rounding error is tested elsewhere.
      const mergeOptions = options?.quantize ? ({ dtype: "f32" } as const) : {};
      const trained = async () => {
        const peft = await getPeftModel(base(), config, quiet);
        train(peft, 2);
        // The forward pass of some methods (constrained OFT) rescales parameters after a step.
        scope(() => peft.forward(tinyBatch()));
        return peft;
      };
      let unchanging: ReturnType<typeof trained> | undefined;
      /** One model for all tests that do not change it. */
      const shared = () => {
        unchanging ??= trained();
        return unchanging;
      };

      if (startsElsewhere !== true) {
        test("a fresh adapter changes nothing, to the last bit", async () => {
          const [before, fresh] = [await logitBits(base()), await logitBits(await getPeftModel(base(), config, quiet))];
          if (typeof startsElsewhere === "number")
            expect(largestDifference(fresh, before)).toBeLessThan(startsElsewhere);
          else expect(fresh).toEqual(before);
        });
      }

      test("training lowers the loss and leaves the base as it was", async () => {
        const model = base();
        const before = await bits(new TinyModel(options).stateDict());
        const peft = await getPeftModel(model, config, quiet);
        const losses = train(peft, 6);
        expect(losses.at(-1)).toBeLessThan(losses[0] * 0.95);
        expect(await bits(peft.unload().stateDict())).toEqual(before);
        expect([...model.parameters()].some((p) => p.requiresGrad)).toBe(false);
      });

      if (unmergeable) {
        onWasm("merging is refused", async () => {
          const peft = await shared();
          const live = await logitBits(peft);
          await expect(peft.mergeAdapter()).rejects.toThrow(unmergeable);
          await expect(peft.mergeAndUnload()).rejects.toThrow(unmergeable);
          expect(await logitBits(peft)).toEqual(live);
        });
      } else {
        test("merged and live agree; unmerging restores to the last bit", async () => {
          const peft = await trained();
          const live = await logitBits(peft);
          await peft.mergeAdapter(mergeOptions);
          const merged = await logitBits(peft);
          expect(peft.isMerged).toBe(true);
          const difference = largestDifference(merged, live);
          expect(difference).toBeLessThan(half ? 0.05 : 1e-5);
          peft.unmergeAdapter();
          expect(await logitBits(peft)).toEqual(live);
          expect(await bits(peft.unload().stateDict())).toEqual(await bits(base().stateDict()));
        });

        onWasm("merging for good leaves a plain model that answers the same", async () => {
          const peft = await trained();
          const names = [...new TinyModel(options).stateDict().keys()];
          const adapted = peft.targetReport?.matched ?? [];
          const model = await peft.mergeAndUnload({ verify: { inputs: tinyBatch() }, ...mergeOptions });
          expect(peft.mergeReport?.maxAbsDiff).toBeLessThan(half ? 0.05 : 1e-5);
          const rounded = new Set(peft.mergeReport?.drift.map(({ path }) => path.slice(0, path.lastIndexOf("."))));
          expect(rounded.size).toBe(
            options?.quantize
              ? 0
              : adapted.filter((path) => (base().getSubmodule(path) as Linear).weight.dtype !== "f32").length,
          );
          const extra = [...model.stateDict().keys()].filter((name) => !names.includes(name));
          expect(extra.every((name) => name.endsWith("lm_head.weight"))).toBe(true);
          expect([...model.namedModules()].map(([path]) => path)).toEqual(
            [...base().namedModules()].map(([path]) => path),
          );
        });
      }

      onWasm("saved and loaded, all is equal to the last bit", async () => {
        const peft = await shared();
        const files = await peft.adapterFiles();
        const again = await PeftModel.fromPretrained(base(), files, quiet);
        expect(await bits(again.adapterTensors())).toEqual(await bits(peft.adapterTensors()));
        expect(await logitBits(again)).toEqual(await logitBits(peft));
        expect(await again.adapterFiles()).toEqual(files);
        expect([...again.trainableParameters()]).toEqual([]);
        const further = PeftModel.fromPretrained(base(), files, { ...quiet, isTrainable: true });
        if (savesResult) await expect(further).rejects.toThrow("cannot be trained further");
        else expect([...(await further).trainableParameters()].length).toBeGreaterThan(0);
      });

      onWasm("two adapters switch and do not touch each other", async () => {
        const peft = await trained();
        const first = await logitBits(peft);
        const before = await bits(peft.adapterTensors("default"));
        await peft.addAdapter("second", config);
        expect(await logitBits(peft)).toEqual(first);
        peft.setAdapter("second");
        train(peft, 2, 0.02);
        const second = await logitBits(peft);
        expect(second).not.toEqual(first);
        peft.setAdapter("default");
        expect(await logitBits(peft)).toEqual(first);
        expect(await bits(peft.adapterTensors("default"))).toEqual(before);
        peft.setAdapter("second");
        expect(await logitBits(peft)).toEqual(second);
        peft.deleteAdapter("default");
        expect(await logitBits(peft)).toEqual(second);
      });

      test("in a mixed batch each row has its adapter's answer and gradient, as in runs of their own", async () => {
        const peft = await trained();
        await peft.addAdapter("second", config, { generator: new Generator(3) });
        peft.setAdapter("second");
        train(peft, 2);
        const names = ["second", "__base__", "default", "second"];
        const wholeBatch =
          config instanceof PromptLearningConfig
            ? "puts virtual tokens before all sequences of a batch"
            : config instanceof AdaptionPromptConfig
              ? "takes the whole batch"
              : config instanceof LilyConfig
                ? "has outputs that depend on the other rows of the batch"
                : "bias" in config && config.bias !== "none" && "has its own biases or tables, which all rows share";
        if (wholeBatch) return expect(() => peft.withAdapterNames(names, () => 0)).toThrow(wholeBatch);
        const ids = [...tinyBatch().dataSync()].map(Number);
        const rows = [ids.slice(0, 5), ids.slice(5), ids.slice(2, 7), ids.slice(4, 9)];
        /** Returns the logits of rows, and an adapter's gradients of their weighted sum. */
        const run = (name: string, tokens: number[][]) => {
          const logits = keep(peft.forward(tensor(tokens, { dtype: "i32" })).logits);
          const weights = rand([5, 11], { generator: new Generator(8) });
          const loss = sum(mul(logits, weights));
          if (loss.requiresGrad) loss.backward();
          const gradientsOf = ["default", "second"].map((adapter) =>
            [...peft.base_model.trained(adapter)].map(([key, parameter]) => {
              const values = parameter.grad?.dataSync();
              parameter.grad?.dispose();
              parameter.grad = null;
              return [`${adapter} ${key}`, values] as const;
            }),
          );
          return { name, values: logits.dataSync(), gradients: new Map(gradientsOf.flat()) };
        };
        const mixed = scope(() => peft.withAdapterNames(names, () => run("mixed", rows)));
        const alone = ["second", "default"].map((name) => {
          peft.setAdapter(name);
          return scope(() =>
            run(
              name,
              rows.filter((_, row) => names[row] === name),
            ),
          );
        });
        const bare = peft.disableAdapter(() => scope(() => run("__base__", [rows[1]])));
        const size = 5 * 11;
        for (const { name, values } of [...alone, bare]) {
          const found = names.flatMap((other, row) =>
            other === name ? [...mixed.values.slice(row * size, (row + 1) * size)] : [],
          );
          expect(apart(found, values)).toBeLessThan(1e-6);
        }
        const learned = alone.flatMap(({ name, gradients }) => [...gradients].filter(([key]) => key.startsWith(name)));
        expect(learned.length).toBeGreaterThan(0);
        for (const [key, values] of learned) {
          const found = mixed.gradients.get(key);
          expect(found === undefined, key).toBe(values === undefined);
          if (values && found) expect(apart(found, values), key).toBeLessThan(1e-5);
        }
        expect(peft.activeAdapter).toBe("default");
      });

      onWasm("disabled, it is the base model to the last bit, nested and async too", async () => {
        const [logits, loss] = [await logitBits(base()), await lossBits(base())];
        const peft = await trained();
        const live = await logitBits(peft);
        const check = async () => {
          expect(await logitBits(peft)).toEqual(logits);
          expect(await lossBits(peft)).toEqual(loss);
        };
        await peft.disableAdapter(async () => {
          await peft.disableAdapter(check);
          await check();
        });
        expect(await logitBits(peft)).toEqual(live);
        if (unmergeable) return;
        await peft.mergeAdapter(mergeOptions);
        const merged = await logitBits(peft);
        await peft.disableAdapter(check);
        expect(await logitBits(peft)).toEqual(merged);
      });

      onWasm("a file with wrong keys is refused with all of them, and the model stays as it was", async () => {
        const peft = await shared();
        const [first, second, ...rest] = await Promise.all(
          [...peft.base_model.filed("default"), ...peft.base_model.buffers("default")].map(
            async ([name, { dtype, shape }]) => ({
              name,
              dtype,
              shape: [...shape],
            }),
          ),
        );
        const misshaped = second ? [{ ...second, shape: [...second.shape, 2] }] : [];
        const wrong = [...misshaped, { ...first, name: "base_model.model.extra" }, ...rest];
        const filled = wrong.map((entry) => ({
          ...entry,
          bytes: new Uint8Array(4 * entry.shape.reduce((a, n) => a * n, 1)),
        }));
        const saved = await peft.adapterFiles();
        const weights = [...saved.keys()].find((name) => name.endsWith(".safetensors"))!;
        const files = new Map([...saved, [weights, writeSafetensors(filled)]]);
        const model = base();
        const error = await PeftModel.fromPretrained(model, files, quiet).catch((e: Error) => e.message);
        expect(error).toContain(
          `missing: ${first.name}; unexpected: base_model.model.extra${second ? `; of another shape: ${second.name}` : ""}`,
        );
        expect(await logitBits(model)).toEqual(await logitBits(base()));
        expect([...model.namedParameters()].map(([name]) => name)).toEqual(
          [...base().namedParameters()].map(([n]) => n),
        );
      });

      onWasm("a deleted adapter gives its memory back", async () => {
        const peft = await getPeftModel(base(), config, quiet);
        const before = memory().buffers;
        await peft.addAdapter("second", config);
        expect(memory().buffers).toBeGreaterThan(before);
        peft.deleteAdapter("second");
        expect(memory().buffers).toBe(before);
      });

      test("forward and backward keep no memory", async () => {
        const peft = await getPeftModel(base(), config, quiet);
        const optimizerLess = () => scope(() => peft.loss(tinyBatch()).backward());
        optimizerLess();
        const before = memory().buffers;
        for (let i = 0; i < 3; i++) optimizerLess();
        expect(memory().buffers).toBe(before);
      });
    },
  );
}

/** Returns the largest difference, relative to the largest value or 0.1. */
function apart(a: Iterable<number | bigint>, b: Iterable<number | bigint>): number {
  const [x, y] = [a, b].map((values) => [...values].map(Number));
  expect(x.length).toBe(y.length);
  const size = Math.max(0.1, ...y.map(Math.abs));
  return Math.max(...x.map((value, i) => Math.abs(value - y[i]))) / size;
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [a, b].map((bytes) => new Float32Array(bytes.slice().buffer));
  return Math.max(...x.map((value, i) => Math.abs(value - y[i])));
}
