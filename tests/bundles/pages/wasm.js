// Tensors on WebAssembly.
import { init, matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";

globalThis.runPage = async () => {
  await init(wasm());
  const square = tensor([1, 2, 3, 4], { shape: [2, 2] });
  return Array.from(await matmul(square, square).data());
};
