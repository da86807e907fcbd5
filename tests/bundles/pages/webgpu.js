// Tensors on WebGPU.
import { init, matmul, tensor } from "@lowrank/core";
import { webgpu } from "@lowrank/webgpu";

globalThis.runPage = async () => {
  await init(webgpu());
  const square = tensor([1, 2, 3, 4], { shape: [2, 2] });
  return Array.from(await matmul(square, square).data());
};
