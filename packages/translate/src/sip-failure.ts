import type { Failure } from '@stox/kernel'

/** A failure whose SIP answer needs headers of its own (`Accept` in a 415, `Unsupported` in a 420, …). */
export interface SipFailure extends Failure {
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

export const badRequest = (text: string): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'bad-request',
  status: 400,
  text,
  detail: text,
})

/** @see RFC 3261 §21.4.13 */
export const unsupported = (text: string, headers: readonly (readonly [string, string])[]): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'not-acceptable',
  status: 415,
  text,
  headers,
  detail: text,
})
