/** Calls `run` `warmUps` times unmeasured and `runs` times measured. Returns the median time in milliseconds. */
export async function medianTime(run: () => unknown, warmUps: number, runs: number): Promise<number> {
  for (let i = 0; i < warmUps; i++) await run();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((x, y) => x - y)[runs >> 1]!;
}
