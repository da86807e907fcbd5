/**
 * Returns the text of a config.json. Caps of logits that are whole numbers are written as floats
 * ("30.0"), the only numbers that transformers takes there.
 */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(/(?<=_softcapping": \d+)(?=,?\n)/g, ".0");
}
