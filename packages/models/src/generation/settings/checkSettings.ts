import type { GenerateOptions, GenerationSettings } from "./settings.ts";

/** For each sampling option, the value with which it has no effect. */
const unused = { temperature: 1, topK: 0, topP: 1, minP: 0 } as const;

/**
 * Throws if a beam option has an invalid value, or if options do not fit together. An example is `topK` without
 * `doSample`: it would have no effect.
 */
export function checkSettings(options: GenerateOptions, settings: GenerationSettings): void {
  const { doSample, numBeams, numReturnSequences } = settings;
  for (const [name, value] of Object.entries({ numBeams, numReturnSequences })) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new Error(`generate: ${name} is ${value}; expected a whole number of at least 1`);
  }
  if (!doSample) checkUnused(options);
  checkBeams(options, settings);
}

function checkUnused(options: GenerateOptions): void {
  for (const [name, neutral] of Object.entries(unused)) {
    const { [name as keyof typeof unused]: value = neutral } = options;
    if (value === neutral) continue;
    throw new Error(`generate: ${name} is ${value}, which only affects sampling; give doSample: true, or leave it out`);
  }
}

function checkBeams(options: GenerateOptions, settings: GenerationSettings): void {
  const { doSample, numBeams, numReturnSequences, lengthPenalty, earlyStopping } = settings;
  if (numBeams === 1) {
    const lone = [options.lengthPenalty !== undefined && "lengthPenalty", options.earlyStopping && "earlyStopping"];
    const name = lone.find(Boolean);
    if (name) throw new Error(`generate: ${name} only affects beam search; give numBeams above 1, or leave it out`);
    if (numReturnSequences > 1 && !doSample) {
      throw new Error(
        `generate: numReturnSequences is ${numReturnSequences}, but greedy decoding gives one sequence; give doSample: true, or numBeams above 1`,
      );
    }
    return;
  }
  if (numReturnSequences > numBeams) {
    throw new Error(
      `generate: numReturnSequences is ${numReturnSequences}, more than numBeams ${numBeams}; give numBeams of at least ${numReturnSequences}`,
    );
  }
  if (!Number.isFinite(lengthPenalty))
    throw new Error(`generate: lengthPenalty is ${lengthPenalty}; expected a number`);
  if (![true, false, "never"].includes(earlyStopping)) {
    throw new Error(`generate: earlyStopping is ${earlyStopping}; expected true, false or "never"`);
  }
  if (settings.promptCache) throw new Error("generate: promptCache does not support beam search; give numBeams: 1");
  if (settings.onToken)
    throw new Error(
      "generate: onToken does not support beam search, whose tokens are known only at the end; give numBeams: 1",
    );
}
