const [quote, backslash, colon] = [34, 92, 58];
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

/** Returns the position of the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); ; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (json.charCodeAt(end - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/**
 * Returns the first key that occurs twice in one object of a valid JSON text, or undefined. `JSON.parse` does not
 * report such keys and uses the last value.
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
