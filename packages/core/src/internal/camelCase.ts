/** Returns a name in snake_case as code writes it: `lora_alpha` is `loraAlpha`. */
export function toCamelCase(name: string): string {
  return name.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
