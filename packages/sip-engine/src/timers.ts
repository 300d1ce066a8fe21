/** The times of RFC 3261 table 4. Timers E and G start with T1, K and I are T4 (zero on streams). */

/** Round-trip estimate. @see RFC 3261 §17.1.1.1 */
export const T1_MS = 500
/** The longest pause between retransmissions. */
export const T2_MS = 4000
/** How long a message may stay in the network. */
export const T4_MS = 5000

/** Timers B, D, F, H, J, and of RFC 6026 L and M: how long a transaction is worth the trouble. */
export const TRANSACTION_MS = 64 * T1_MS
/** How long a SUBSCRIBE waits for its NOTIFY. @see RFC 6665 §4.1.2.4 */
export const TIMER_N_MS = 64 * T1_MS
/** When Timer E of the client reaches T2 (0.5 + 1 + 2 s): before that no 100 on UDP, then one is due. @see RFC 4320 §4.1 */
export const TRYING_AFTER_MS = 7 * T1_MS
/** An INVITE that is not answered by then gets a 100. @see RFC 3261 §17.2.1 */
export const INVITE_TRYING_AFTER_MS = 200

/** Whether the network may lose, repeat and swap messages. */
export type Carrier = 'datagram' | 'stream'
