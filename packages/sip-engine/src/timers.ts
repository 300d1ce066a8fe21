/** Round-trip estimate. @see RFC 3261 §17.1.1.1, table 4 */
export const T1_MS = 500
/** The longest pause between retransmissions. */
export const T2_MS = 4000
/** How long a message may stay in the network. */
export const T4_MS = 5000

const TRANSACTION_MS = 64 * T1_MS

/** Timer C, for proxies only, and A, B, D of the INVITE client have no user here: we send no INVITE yet. */
export const TIMER_E_MS = T1_MS
export const TIMER_F_MS = TRANSACTION_MS
export const TIMER_G_MS = T1_MS
export const TIMER_H_MS = TRANSACTION_MS
/** Zero on streams. */
export const TIMER_I_MS = T4_MS
/** Zero on streams. */
export const TIMER_J_MS = TRANSACTION_MS
/** Zero on streams. */
export const TIMER_K_MS = T4_MS
/** How long a SUBSCRIBE waits for its NOTIFY. @see RFC 6665 §4.1.2.4 */
export const TIMER_N_MS = TRANSACTION_MS
/** When Timer E of the client reaches T2 (0.5 + 1 + 2 s): before that no 100 on UDP, then one is due. @see RFC 4320 §4.1 */
export const TRYING_AFTER_MS = 7 * T1_MS

/** Whether the network may lose, repeat and swap messages. */
export type Carrier = 'datagram' | 'stream'
