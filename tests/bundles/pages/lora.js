// LoRA on a layer of the page's own.
import { getPeftModel, init, Linear, LoraConfig, Module, matmul, tensor, wasm } from "lowrank";

class OneLayer extends Module {
  up = Linear.create(4, 4);

  forward(x) {
    return this.up.forward(x);
  }
}

globalThis.runPage = async () => {
  await init(wasm());
  const peft = await getPeftModel(new OneLayer(), new LoraConfig({ r: 2, targetModules: ["up"] }));
  const row = tensor([1, 2, 3, 4], { shape: [1, 4] });
  const four = matmul(row, tensor(new Array(16).fill(1), { shape: [4, 4] }));
  return Array.from(await peft.forward(four).data());
};
