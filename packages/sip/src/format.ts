import type { SipMessage } from './message.ts'

/** The bytes of a message. Content-Length is always written, and always right. */
export declare function formatSipMessage(message: SipMessage): Uint8Array
