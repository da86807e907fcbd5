/** Text that Markdown shows as it is, in a line. A table escapes its bars itself. */
export function markdownText(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>~&$]/g, "\\$&");
  // At the start of a line these begin a heading or a list.
  return line.replace(/^(\s*\d*)([#+.)-])/, "$1\\$2");
}

/**
 * Text within a line that Markdown shows as it is. Underscores within a word need no backslash.
 */
export function markdownInline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*{}[\]<>~&$|]|(?<!\w)_|_(?!\w)/g, "\\$&");
}

/** A block of code whose text cannot end it. */
export function codeBlock(language: string, text: string): string[] {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}${language}`, text, fence];
}
