/** A configuration key as files write it: `loraAlpha` is `lora_alpha`. */
export function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A configuration key as code writes it: `lora_alpha` is `loraAlpha`. */
export function toCamelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
