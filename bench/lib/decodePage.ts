// Runs in a web page: loads contestants and runs their decoding on request.
import { wasm } from "@lowrank/wasm";
import type { DecodePeer, DecodeTask, DecodeTiming } from "../peers/decodePeer.ts";
import { type LowrankWeights, lowrankDecode } from "../peers/lowrankDecode.ts";

const peers = new Map<string, DecodePeer>();

/** The functions of the page that the benchmark calls. */
export interface DecodePage {
  load(name: string, weights: LowrankWeights | "wllama", task: DecodeTask): Promise<void>;
  decode(name: string): Promise<DecodeTiming>;
}

const page: DecodePage = {
  async load(name, weights, task) {
    const model = await (await fetch("/model.gguf")).blob();
    if (weights === "wllama") {
      const { wllama } = await import("../peers/wllama.ts");
      peers.set(name, await wllama(model, task));
    } else {
      const backend = await wasm();
      peers.set(name, await lowrankDecode(name, model, task, { weights, backend }));
    }
  },
  decode: (name) => peers.get(name)!.decode(),
};

Object.assign(globalThis, { decodePage: page });
