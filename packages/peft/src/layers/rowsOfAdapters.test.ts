import { Generator, init, noGrad, reference, scope, type Tensor, tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";

const targetModules = ["up", "down"];
const lora = (r: number, options: object = {}) =>
  new LoraConfig({ r, initLoraWeights: false, targetModules, ...options });

/** Purely additive adapters: a row's bits are the same in any batch of its size. */
const adding: Readonly<Record<string, PeftConfig>> = {
  small: lora(2),
  usual: lora(8, { loraBias: true }),
  large: lora(64, { useRslora: true }),
  partial: lora(3, { targetModules: ["down"] }),
};

/** Adapters that do more than add, which run only on their own rows. */
const others: Readonly<Record<string, PeftConfig>> = {
  dora: lora(4, { useDora: true }),
  ia3: new IA3Config({ targetModules, feedforwardModules: ["down"], initIa3Weights: false }),
};

async function adapted(configs: Readonly<Record<string, PeftConfig>>): Promise<PeftModel<TinyModel>> {
  const [[first, config], ...rest] = Object.entries(configs);
  const generator = () => new Generator(7);
  const peft = await getPeftModel(new TinyModel().eval(), config, { adapterName: first, generator: generator() });
  for (const [name, own] of rest) await peft.addAdapter(name, own, { generator: generator() });
  return peft;
}

/** Returns the logits of each row of a batch whose rows use these adapters. */
function rowsOf(peft: PeftModel<TinyModel>, names: readonly string[], ids: readonly number[]): number[][] {
  const batch = names.map((_, row) => [ids[row], 3, 1, ids[row]]);
  const logits = peft.withAdapterNames(names, () => scope(() => peft.forward(tensor(batch, { dtype: "i32" })).logits));
  const numbers = [...logits.dataSync()];
  logits.dispose();
  return batch.map((_, row) =>
    numbers.slice((row * numbers.length) / names.length, ((row + 1) * numbers.length) / names.length),
  );
}

const orders = (names: readonly string[]) =>
  fc.array(fc.tuple(fc.constantFrom(...names, "__base__"), fc.integer({ min: 0, max: 10 })), {
    minLength: 1,
    maxLength: 9,
  });

const invariant = { reference: reference(), wasm: await wasm({ batchInvariant: true }) };

for (const [label, backend] of Object.entries(invariant)) {
  test(`a row has the same bits beside any adapters that add, on ${label}`, async () => {
    await init(backend);
    const peft = await adapted(adding);
    fc.assert(
      fc.property(orders(Object.keys(adding)), (rows) => {
        const [names, ids] = [rows.map(([name]) => name), rows.map(([, id]) => id)];
        const mixed = rowsOf(peft, names, ids);
        for (const name of new Set(names)) {
          const uniform = rowsOf(peft, Array(names.length).fill(name), ids);
          for (const [row, own] of names.entries()) if (own === name) expect(mixed[row]).toEqual(uniform[row]);
        }
      }),
      { numRuns: 15 },
    );
  });
}

for (const [label, backend] of Object.entries(invariant)) {
  test(`a row has the same bits alone and beside any adapters, on ${label}, whose products do not depend on a batch's size`, async () => {
    await init(backend);
    const all = { ...adding, ...others };
    const peft = await adapted(all);
    fc.assert(
      fc.property(orders(Object.keys(all)), (rows) => {
        const [names, ids] = [rows.map(([name]) => name), rows.map(([, id]) => id)];
        const alone = names.map((name, row) => rowsOf(peft, [name], [ids[row]])[0]);
        expect(rowsOf(peft, names, ids)).toEqual(alone);
      }),
      { numRuns: 15 },
    );
  });
}

test("rows of the base model alone are those of the bare model, to the bit, at the cost of no other op", async () => {
  await init(await wasm({ batchInvariant: true }));
  const peft = await adapted({ ...adding, ...others });
  const layer = [...peft.baseModel.layers][0].up as UnaryModule;
  const x = tensor(
    Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    { shape: [2, 6] },
  );
  const ran: string[] = [];
  const { backend } = x.storage;
  const { run } = backend;
  backend.run = (op, ...rest) => {
    ran.push(op.name);
    run(op, ...rest);
  };
  const count = (fn: () => Tensor) => {
    ran.length = 0;
    const bits = scope(fn).dataSync();
    return { bits, ran: [...ran] };
  };
  try {
    const bare = peft.disableAdapter(() => count(() => ([...peft.baseModel.layers][0].up as UnaryModule).forward(x)));
    const rows = peft.withAdapterNames(["__base__", "__base__"], () => count(() => layer.forward(x)));
    expect(rows).toEqual(bare);
    const mixed = peft.withAdapterNames(["small", "large"], () => count(() => layer.forward(x)));
    expect(mixed.ran).toEqual([...bare.ran, "lowRankRows"]);
  } finally {
    backend.run = run;
  }
});

test("a batch that runs again has the adapters as they are by then", async () => {
  await init(await wasm({ batchInvariant: true }));
  const peft = await adapted({ ...adding, dropping: lora(2, { loraDropout: 0.9 }) });
  const names = ["small", "usual", "__base__", "dropping"];
  const ids = [1, 2, 3, 4];
  const run = () => noGrad(() => rowsOf(peft, names, ids));
  const before = run();
  expect(run()).toEqual(before);
  const change = async (work: () => Promise<void>, changed: readonly number[]) => {
    const last = run();
    await work();
    const next = run();
    expect(next.map((row, i) => `${row}` !== `${last[i]}`)).toEqual(names.map((_, i) => changed.includes(i)));
  };
  const files = async (config: PeftConfig) => {
    const other = await getPeftModel(new TinyModel().eval(), config, { generator: new Generator(8) });
    return other.adapterFiles();
  };
  const other = await files(lora(2));
  const scaled = await files(lora(2, { loraAlpha: 80 }));
  await change(() => peft.hotswapAdapter(other, "small"), [0]);
  await change(() => peft.hotswapAdapter(scaled, "small"), [0]);
  await change(async () => peft.hotswapAdapter(await files(lora(5)), "small"), [0]);
  await change(async () => {
    peft.deleteAdapter("usual");
    await peft.addAdapter("usual", lora(8), { generator: new Generator(9) });
  }, [1]);
  await change(async () => void peft.train(), [3]);
  await change(async () => void peft.eval(), [3]);
});

const files = async (config: PeftConfig, seed: number) =>
  (await getPeftModel(new TinyModel().eval(), config, { generator: new Generator(seed) })).adapterFiles();

/** Compares batches with the same batches in a new model. */
async function checkFresh(peft: PeftModel<TinyModel>, batches: readonly (readonly string[])[]): Promise<void> {
  const saved = new Map<string, Map<string, Uint8Array | string>>();
  for (const name of peft.peftConfig.keys()) {
    const own = await peft.adapterFiles([name]);
    saved.set(name, new Map([...own].map(([path, content]) => [path.replace(`${name}/`, ""), content])));
  }
  for (const names of batches) {
    const fresh = new PeftModel(new TinyModel().eval());
    for (const [name, content] of saved) await fresh.loadAdapter(content, name);
    const ids = names.map((_, row) => row + 1);
    const expected = noGrad(() => rowsOf(fresh, names, ids));
    expect(noGrad(() => rowsOf(peft, names, ids))).toEqual(expected);
  }
}

test("batches of other rows have the adapters as they are by then", async () => {
  await init(await wasm({ batchInvariant: true }));
  const peft = await adapted({ ...adding, ...others });
  const check = () =>
    checkFresh(peft, [
      ["small", "usual", "large", "partial", "__base__"],
      ["usual", "usual", "dora", "large", "small"],
      ["partial", "ia3", "small", "small", "large"],
      ["large", "partial", "usual", "__base__", "small"],
    ]);
  await check();
  await peft.hotswapAdapter(await files(lora(2, { loraAlpha: 80 }), 8), "small");
  await check();
  await peft.hotswapAdapter(await files(lora(5), 9), "large");
  await check();
  peft.deleteAdapter("usual");
  await peft.addAdapter("usual", lora(8), { generator: new Generator(9) });
  await check();
  peft.deleteAdapter("partial");
  await peft.loadAdapter(await files(lora(4, { targetModules: ["up"] }), 10), "partial");
  await check();
  await peft.to(await init(wasm({ batchInvariant: true })));
  await check();
});

test("batches of products alone have the adapters as they are by then, of one scaling or of several", async () => {
  await init(await wasm({ batchInvariant: true }));
  const double = (r: number, options: object = {}) => lora(r, { loraAlpha: 2 * r, ...options });
  const peft = await adapted({ one: double(2), two: double(8), three: double(5) });
  const check = () =>
    checkFresh(peft, [
      ["one", "two", "three", "__base__"],
      ["two", "two", "one", "three"],
      ["three", "__base__", "one", "__base__"],
      ["two", "__base__", "two", "one"],
    ]);
  const replace = async (name: string, config: PeftConfig) => {
    peft.deleteAdapter(name);
    await peft.loadAdapter(await files(config, 9), name);
  };
  await check();
  await replace("two", double(8));
  await check();
  await peft.hotswapAdapter(await files(lora(5, { loraAlpha: 80 }), 8), "three");
  await check();
  peft.train();
  peft.eval();
  await check();
  await replace("three", double(3));
  await check();
  // An adapter on only one layer, and one that adds more than a product.
  await replace("one", double(2, { targetModules: ["down"] }));
  await check();
  await replace("one", double(2));
  await replace("two", double(4, { loraBias: true }));
  await check();
  for (const name of ["one", "two", "three"]) await replace(name, lora(4, { loraAlpha: 12 }));
  await check();
});
