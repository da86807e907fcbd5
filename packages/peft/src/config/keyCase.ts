/** A configuration key as files write it: `loraAlpha` is `lora_alpha`, `applyGS` is `apply_GS`. */
export function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]{2,}(?![a-z])|[A-Z]/g, (found) => `_${found.length > 1 ? found : found.toLowerCase()}`);
}

/** A configuration key as code writes it: `lora_alpha` is `loraAlpha`. */
export function toCamelCase(key: string): string {
  return key.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
