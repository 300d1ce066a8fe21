import type { Failure } from '@stox/kernel'

/** A failure whose SIP answer needs headers of its own (`Accept` in a 415, `Unsupported` in a 420, …). */
export interface SipFailure extends Failure {
  readonly headers?: readonly (readonly [name: string, value: string])[]
}
