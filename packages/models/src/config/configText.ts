/**
 * Returns the text of a config.json. Writes integer soft caps of logits as floats ("30.0"), since transformers accepts
 * only floats for them.
 */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(/(?<=_softcapping": \d+)(?=,?\n)/g, ".0");
}
