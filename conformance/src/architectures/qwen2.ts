import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A qwen2, with sliding windows on some layers or on none. */
export const qwen2: DrawBase = llamaKin("qwen2", (draw, layers) => ({
  config: draw.chance(0.5)
    ? { use_sliding_window: true, sliding_window: draw.integer(2, 8), max_window_layers: draw.integer(0, layers) }
    : {},
  headDim: false,
}));
