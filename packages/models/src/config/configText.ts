/**
 * Returns the text of a config.json. Integer soft caps of logits are written as floats ("30.0"), since transformers
 * accepts only floats there.
 */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(/(?<=_softcapping": \d+)(?=,?\n)/g, ".0");
}
