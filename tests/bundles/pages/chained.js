// The same by the entry whose tensors have methods, `x.matmul(y)`.
import { init, matmul, tensor } from "@lowrank/core";

globalThis.runPage = async () => [init, matmul, tensor].map(({ name }) => name);
