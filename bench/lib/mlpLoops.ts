// Two training loops of a three-layer MLP, for Node and browsers.
import { Generator, init, memory, randn, resetPeak, scope, type Tensor } from "@lowrank/core";
import { AdamW, Linear } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";

const batch = 32;
const inputs = 32;
/** The loss is read once per this many steps. */
const readEvery = 10;

/** The memory used by a loop, in MB. */
export interface LoopMemory {
  /** Size of the WebAssembly memory. */
  mb: number;
  /** Peak size of all live tensors. */
  peakMb: number;
}

/** The same training, written in two ways. Each call runs `steps` more steps. */
export interface MlpLoops {
  /** Written as in PyTorch: nothing is freed explicitly. */
  plain(steps: number): Promise<void>;
  /** Runs each step in a `scope`. */
  scoped(steps: number): Promise<void>;
  /** Returns the memory used since the loops were made. */
  memory(): Promise<LoopMemory>;
}

/** Makes the loops for a hidden size, on a separate WebAssembly backend. */
export async function mlpLoops(hidden: number): Promise<MlpLoops> {
  const backend = await wasm();
  await init(backend);
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
  const step = (): Tensor => {
    const x = randn([batch, inputs], { generator });
    const y = x.square().mean({ dim: 1, keepdim: true });
    const wrong = last.forward(second.forward(first.forward(x).relu()).relu()).sub(y);
    const loss = wrong.square().mean();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
  resetPeak();
  return {
    async plain(steps) {
      for (let i = 0; i < steps; i++) {
        const loss = step();
        if (i % readEvery === 0) await loss.item();
      }
    },
    async scoped(steps) {
      for (let i = 0; i < steps; i++) {
        const loss = scope(step);
        if (i % readEvery === 0) await loss.item();
        loss.dispose();
      }
    },
    memory: async () => ({ mb: backend.heapStats().length / 1e6, peakMb: memory().peakBytes / 1e6 }),
  };
}
