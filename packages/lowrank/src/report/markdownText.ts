/** Escapes a text for Markdown and puts it on one line. Table cells also need their bars escaped. */
export function markdownText(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>~&$]/g, "\\$&");
  // At the start of a line, these characters begin a heading or a list.
  return line.replace(/^(\s*\d*)([#+.)-])/, "$1\\$2");
}

/** Escapes a text inside a Markdown line, bars included. Underscores within a word need no backslash. */
export function markdownInline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*{}[\]<>~&$|]|(?<!\w)_|_(?!\w)/g, "\\$&");
}

/** Returns a code block with a fence longer than any in its text. */
export function codeBlock(language: string, text: string): string[] {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}${language}`, text, fence];
}
