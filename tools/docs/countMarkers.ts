const marker = /<!-- count (\w+) -->([\d,]+)<!-- -->/g;

/** Returns the counts in the markers of a Markdown page, by name. */
export function countsIn(text: string): Record<string, number> {
  return Object.fromEntries(
    [...text.matchAll(marker)].map(([, name, count]) => [name, Number(count.replaceAll(",", ""))]),
  );
}

/** Returns the page with new counts in its markers. A marker without a new count, or with null, stays as it is. */
export function withCounts(text: string, counts: Readonly<Record<string, number | null>>): string {
  return text.replace(marker, (whole, name: string) => {
    const count = counts[name] ?? null;
    return count === null ? whole : `<!-- count ${name} -->${count.toLocaleString("en-US")}<!-- -->`;
  });
}
