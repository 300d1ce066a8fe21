/** State that ends by itself unless it is refreshed. @see RFC 3903 §4, RFC 6665 §4.1.2.2 */

/** More than any server has reason to ask for (423) or to grant. */
export const LONGEST_S = 30 * 86_400

/** A tenth, at least a minute, before the end, ± 5 %; never before half of the time. @see mapping note D.6 */
export function refreshAfterMs(lifetimeMs: number, fraction: number): number {
  const plainMs = lifetimeMs - Math.max(60_000, lifetimeMs / 10)
  return Math.round(Math.max(lifetimeMs / 2, plainMs * (0.95 + 0.1 * fraction)))
}
