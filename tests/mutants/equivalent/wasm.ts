import type { Equivalents } from "./equivalents.ts";

export const wasm: Equivalents = [];
