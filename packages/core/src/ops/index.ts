export { add } from "./add.ts";
export { expand, sumTo } from "./expand.ts";
export { type MatmulParams, matmul } from "./matmul.ts";
export { reshape } from "./reshape.ts";
