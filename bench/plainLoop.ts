// Measures a training loop as it is written in PyTorch, without `scope` or `dispose`: the most
// memory that it needs in 10,000 steps, and its time over that of the same loop with `scope`.
import { Generator, init, memory, randn, resetPeak, scope, type Tensor } from "@lowrank/core";
import { AdamW, Linear } from "@lowrank/nn";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { type Contestant, interleave, machine, marginCell, printTable } from "./lib/measure.ts";

const hiddenSizes = [64, 1024];
const steps = 10_000;
const batch = 32;
const inputs = 32;
/** A loss is read once in so many steps. */
const readEvery = 10;
const rounds = 7;

/**
 * Makes an MLP of three layers and its optimiser; returns one training step, which gives the loss.
 */
function makeStep(hidden: number): () => Tensor {
  const generator = new Generator(1);
  const [first, second, last] = [
    Linear.create(inputs, hidden, { generator }),
    Linear.create(hidden, hidden, { generator }),
    Linear.create(hidden, 1, { generator }),
  ];
  const optimizer = new AdamW(
    [first, second, last].flatMap((layer) => [...layer.parameters()]),
    { lr: 1e-4 },
  );
  return () => {
    const x = randn([batch, inputs], { generator });
    const y = x.square().mean({ dim: 1, keepdim: true });
    const wrong = last.forward(second.forward(first.forward(x).relu()).relu()).sub(y);
    const loss = wrong.square().mean();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
}

async function plainly(step: () => Tensor, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const loss = step();
    if (i % readEvery === 0) await loss.item();
  }
}

async function inScopes(step: () => Tensor, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const loss = scope(step);
    if (i % readEvery === 0) await loss.item();
    loss.dispose();
  }
}

interface Figures {
  /** The length of the WebAssembly memory after all steps, in MB. */
  mb: number;
  /** The most bytes of tensors at one time, in MB. */
  peakMb: number;
  /** Time over that of the loop with `scope`, median of the rounds. */
  vsScope: number;
}

async function measure(hidden: number, backend: WasmBackend): Promise<Figures> {
  const step = makeStep(hidden);
  resetPeak();
  await plainly(step, steps);
  const [mb, peakMb] = [backend.heapStats().length / 1e6, memory().peakBytes / 1e6];
  const count = hidden > 500 ? 100 : 1000;
  const contestants: Contestant[] = [
    { name: "plain", run: () => plainly(step, count) },
    { name: "scope", run: () => inScopes(step, count) },
  ];
  const times = await interleave(contestants, 1, rounds);
  const [plain, scoped] = [times.get("plain")!, times.get("scope")!];
  console.log(`hidden size ${hidden}`);
  printTable(
    ["", "ms a step", ""],
    [
      ["plain", (plain.median / count).toFixed(3), marginCell(plain)],
      ["with scope", (scoped.median / count).toFixed(3), marginCell(scoped)],
    ],
  );
  return { mb: Math.round(mb), peakMb: Math.round(peakMb), vsScope: Number((plain.median / scoped.median).toFixed(3)) };
}

/** Ends with one line of JSON: `Figures` for each hidden size. */
export async function bench(): Promise<void> {
  console.log(machine());
  const figures: Record<string, Figures> = {};
  for (const hidden of hiddenSizes) {
    const backend = await wasm();
    await init(backend);
    figures[`hidden${hidden}`] = await measure(hidden, backend);
  }
  console.log(`\n${JSON.stringify({ plainLoop: figures })}`);
}
