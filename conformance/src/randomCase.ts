import type { AdapterCase, PeftType } from "./adapterCase.ts";
import type { BatchShape } from "./batch.ts";
import { Draw } from "./draw.ts";
import type { MethodCases } from "./methodCases.ts";
import { type RandomBase, randomBase } from "./randomBases.ts";

/** The case of a seed and a method. */
export interface RandomCase {
  seed: number;
  base: RandomBase;
  adapter: AdapterCase;
  shape: BatchShape;
  /** A short description. */
  label: string;
}

/** Draws base models until the method has options that fit one. */
export function randomCase(seed: number, peftType: PeftType, method: MethodCases): RandomCase {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const draw = new Draw(seed, attempt);
    const base = randomBase(draw);
    const options = method.draw(draw, base);
    if (options === null) continue;
    const mergeable = !base.deepHead || peftType === "LORA";
    // PEFT merges a tied embedding into both modules that share it.
    const targets = (options as { targetModules?: string[] | string }).targetModules;
    const untied = !base.tied || !targets?.includes(base.embedding);
    const merges = mergeable && untied && (method.merges?.(options, base) ?? true);
    const length = draw.integer(5, 12);
    const side = base.padsRight ? "right" : draw.pick(["left", "right"]);
    // Padding on the right must attend to a real token, since softmax over no positions is undefined.
    const window = side === "right" ? base.config.sliding_window : null;
    const most = typeof window === "number" ? Math.min(length - 3, window - 1) : length - 3;
    const shape = { rows: draw.integer(1, 3), length, side, padding: draw.integer(0, most) };
    const kind = base.task === "SEQ_CLS" ? " that classifies" : "";
    const words = [`${base.config.model_type}${kind}`, base.dtype, ...(shape.padding > 0 ? [`padded ${side}`] : [])];
    const label = `seed ${seed}, ${peftType}, ${words.join(", ")}`;
    return { seed, base, shape, label, adapter: { peftType, options, method, merges, task: base.task } };
  }
  throw new Error(`${peftType}: no base drawn from seed ${seed} takes it; widen its draw`);
}
