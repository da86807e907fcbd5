/** Returns a configuration key as files spell it: `loraAlpha` is `lora_alpha`, `applyGS` is `apply_GS`. */
export function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]{2,}(?![a-z])|[A-Z]/g, (found) => `_${found.length > 1 ? found : found.toLowerCase()}`);
}
