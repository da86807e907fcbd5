/** Milliseconds to run a function until the engine has optimised it, and milliseconds of each timed trial. */
const [warmUp, trial] = [6, 3];

/**
 * Number of trials if one of the other functions seems faster than the default. There are more trials in this case,
 * because other work on the machine may have slowed the default down.
 */
const roundsInDoubt = 8;

/**
 * Minimum ratio of speeds at which another function replaces the default. It is larger than the measuring error of the
 * clock.
 */
const advantage = 1.05;

/** Returns the smallest step of the clock in milliseconds, which is coarse in web pages. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

/**
 * Times functions that do the same work. Returns the index of the fastest one, or 0 (the default) unless another is
 * clearly faster. `rounds` is the number of trials after which the default is kept.
 */
export function fastestOf(runs: readonly (() => void)[], rounds = 2): number {
  const speedOf = (run: () => void, milliseconds: number): number => {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    for (; elapsed < milliseconds; elapsed = performance.now() - start) {
      run();
      count++;
    }
    return count / elapsed;
  };
  const best = runs.map(() => 0);
  const clearly = advantage + clockStep() / trial;
  let fastest = 0;
  for (let round = -1; round < (fastest === 0 ? rounds : roundsInDoubt); round++) {
    for (const [i, run] of runs.entries()) {
      const speed = speedOf(run, round < 0 ? warmUp : trial);
      if (round >= 0) best[i] = Math.max(best[i], speed);
    }
    const most = Math.max(...best);
    fastest = most > best[0] * clearly ? best.indexOf(most) : 0;
  }
  return fastest;
}
