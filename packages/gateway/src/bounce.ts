import type { AbsorbedReason, Failure, Outcome } from '@stox/kernel'

export const bounced = (failure: Failure): Outcome => ({ kind: 'bounced', failure })
export const absorbed = (reason: AbsorbedReason): Outcome => ({ kind: 'absorbed', reason })
export const delivered = (status: number): Outcome => ({ kind: 'delivered', status })

const ours = (text: string, detail: string): Failure => ({
  fault: 'us',
  retry: 'later',
  condition: 'internal-server-error',
  errorType: 'wait',
  status: 500,
  text,
  detail,
})

/** A stanza or request whose addresses cannot be what the other half of the pair says they are. */
export const misaddressed = (detail: string): Failure => ({
  fault: 'us',
  retry: 'never',
  condition: 'not-allowed',
  status: 403,
  text: 'This address may not be used here',
  detail,
})

export const unreadable = (condition: Failure['condition'], detail: string): Failure => ({
  fault: 'sender',
  retry: 'after-change',
  condition,
  status: 400,
  detail,
})

/** A bug of ours must not become silence. */
export const brokeDown = (error: unknown): Failure =>
  ours('The gateway failed on this message', error instanceof Error ? error.message : String(error))

/** Too many wait for the same recipient. @see mapping C.7 */
export const tooManyWaiting: Failure = {
  fault: 'sender',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 480,
  text: 'Too many messages wait for this recipient',
  retryAfterS: 10,
  detail: 'queue full',
}

export const noSuchItem: Failure = {
  fault: 'sender',
  retry: 'later',
  condition: 'item-not-found',
  errorType: 'cancel',
  status: 404,
  detail: 'not known of this user, or not for the one who asks',
}

export const noSuchService: Failure = {
  fault: 'sender',
  retry: 'never',
  condition: 'service-unavailable',
  errorType: 'cancel',
  status: 403,
  detail: 'not offered on behalf of SIP users',
}

/** It comes before everything stands, or when the process has been told to stop. */
export const notReady: Failure = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 500,
  text: 'The gateway is not ready',
  detail: 'starting or stopping',
}
