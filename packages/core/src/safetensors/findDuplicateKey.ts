const [quote, backslash, colon] = [34, 92, 58];
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

/** Returns where the string that begins at `start` ends: at its closing quote. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); ; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (json.charCodeAt(end - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/**
 * The first key that some object of a valid JSON text holds twice; `JSON.parse` would keep
 * the last without a word.
 */
export function findDuplicateKey(json: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (char === openBrace) open.push(new Set());
    else if (char === openBracket) open.push(null);
    else if (char === closeBrace || char === closeBracket) open.pop();
    if (char !== quote) continue;
    const end = endOfString(json, i);
    let next = end + 1;
    while (" \t\n\r".includes(json[next] ?? "end")) next++;
    if (json.charCodeAt(next) === colon) {
      const text = json.slice(i + 1, end);
      const key: string = text.includes("\\") ? JSON.parse(`"${text}"`) : text;
      const keys = open[open.length - 1];
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
    i = end;
  }
  return undefined;
}
