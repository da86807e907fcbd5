/** Formats a duration in seconds: "1 h 02 min", "3 min 20 s" or "8.4 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return whole >= 10 ? `${whole} s` : `${seconds.toFixed(1)} s`;
}
