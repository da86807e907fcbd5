/** Returns a snake_case name in camelCase: `lora_alpha` becomes `loraAlpha`. */
export function toCamelCase(name: string): string {
  return name.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
