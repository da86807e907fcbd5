// The least that a page needs: a tensor, a product, and the choice of a backend.
import { init, matmul, tensor } from "@lowrank/core/functions";

globalThis.runPage = async () => [init, matmul, tensor].map(({ name }) => name);
