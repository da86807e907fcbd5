/**
 * The first key that some object of a valid JSON text holds twice; `JSON.parse` would keep
 * the last without a word.
 */
export function findDuplicateKey(json: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  let i = 0;
  while (i < json.length) {
    const char = json[i];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(null);
    else if (char === "}" || char === "]") open.pop();
    if (char !== '"') {
      i++;
      continue;
    }
    let end = i + 1;
    while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
    let next = end + 1;
    while (" \t\n\r".includes(json[next] ?? "end")) next++;
    if (json[next] === ":") {
      const key: string = JSON.parse(json.slice(i, end + 1));
      const keys = open[open.length - 1];
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
    i = end + 1;
  }
  return undefined;
}
