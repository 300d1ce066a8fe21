import type { Failure } from '@stox/kernel'
import { deviceToPresence, presenceChanges, unavailableFrom } from '@stox/translate'
import type { DevicePresence, PresenceAddresses } from '@stox/translate'
import { newPresence } from '@stox/xmpp'
import type { PresenceStanza } from '@stox/xmpp'
import { ownJid } from './watch-effects.ts'
import type { Asker, SipTurn } from './watch-sip-state.ts'

/** What the watcher is told, as the contact's server would, and whether it arrived. @see mapping D.4, D.10 */

const LONGEST_RESEND_MS = 3_600_000
/** What is not heard again within this time after a dialog was lost is shown as unavailable. @see mapping D.4 */
const STALE_MS = 60_000
/** A resource's going may have been on a stream that broke. */
const GONE_FOR_MS = 120_000
const MOST_GONE = 10

/** Tells the watcher what is new to him; gives the resources that were told. */
export function show(turn: SipTurn, devices: readonly DevicePresence[]): ReadonlySet<string> {
  const { shown, tellAgain, gone } = turn.state
  const open = new Set(devices.map((device) => device.resource))
  const before = tellAgain ? shown.filter((device) => !open.has(device.resource)) : shown
  const stanzas = presenceChanges(before, devices, turn.addresses)
  for (const presence of stanzas) turn.tell(presence)
  const left = shown.filter((device) => !open.has(device.resource))
  const stillGone = gone.filter((one) => !open.has(one.resource))
  const nowGone = left.map((device) => ({ resource: device.resource, atMs: turn.context.nowMs, unsent: false }))
  turn.set({ shown: devices, gone: [...stillGone, ...nowGone].slice(-MOST_GONE) })
  return new Set(stanzas.map((presence) => presence.from.resource ?? ''))
}

export function tellShown(turn: SipTurn): void {
  for (const device of turn.state.shown) turn.tell(deviceToPresence(device, turn.addresses))
}

export function tellSubscribed(turn: SipTurn): void {
  turn.tellAuthorization('subscribed')
  turn.set({ owesSubscribed: false })
}

/** To the one who asked; the id is mirrored with `unavailable` only. @see RFC 6121 §4.3.2.1 */
export function answer(turn: SipTurn, asker: Asker, except: ReadonlySet<string> = new Set()): void {
  const { shown } = turn.state
  const addresses = { from: turn.addresses.from, to: ownJid(asker.jid) }
  const id = asker.id ?? undefined
  if (asker.resource !== undefined) return answerAbout(turn, asker.resource, addresses, id)
  if (shown.length === 0) turn.tell(unavailableFrom('', addresses, id))
  for (const device of shown) if (!except.has(device.resource)) turn.tell(deviceToPresence(device, addresses))
}

/** Of one device no more than whether it is there. @see RFC 6121 §4.3.2, mapping D.9 */
function answerAbout(turn: SipTurn, resource: string, addresses: PresenceAddresses, id: string | undefined): void {
  const isThere = turn.state.shown.some((device) => device.resource === resource)
  const from = { ...addresses.from, resource }
  turn.tell(isThere ? newPresence({ ...addresses, from }) : unavailableFrom(resource, addresses, id))
}

export function answerAll(turn: SipTurn, except: ReadonlySet<string> = new Set()): void {
  for (const asker of turn.state.askers)
    if (except.size === 0 || turn.state.shown.length > 0) answer(turn, asker, except)
  turn.set({ askers: [] })
}

/** As the contact's server does when its user takes back his consent. @see RFC 6121 §3.2.2, §3.3.3 */
export function cancel(turn: SipTurn): void {
  for (const device of turn.state.shown) turn.tell(unavailableFrom(device.resource, turn.addresses))
  turn.tellAuthorization('unsubscribed')
  turn.set({ authorization: 'none', shown: [], known: false, askers: [], gone: [], staleAtMs: null })
  turn.cancel('stale', 'resend')
}

export function becomeStale(turn: SipTurn): void {
  const { shown, staleAtMs } = turn.state
  const { nowMs } = turn.context
  if (shown.length === 0 || (staleAtMs !== null && staleAtMs > nowMs)) return
  turn.set({ staleAtMs: nowMs + STALE_MS })
  turn.arm('stale', STALE_MS)
}

export function believe(turn: SipTurn): void {
  if (turn.state.staleAtMs === null) return
  turn.set({ staleAtMs: null })
  turn.cancel('stale')
}

export function noteUnsent(turn: SipTurn, presence: PresenceStanza, failure: Failure): void {
  const { authorization, gone, resendAtMs, resendPauseMs } = turn.state
  const { nowMs } = turn.context
  if (authorization !== 'active' || failure.retry !== 'later') return
  const resource = presence.from.resource ?? ''
  if (presence.type === 'subscribed') turn.set({ owesSubscribed: true })
  else if (presence.type === 'unavailable')
    turn.set({ gone: gone.map((one) => (one.resource === resource ? { ...one, unsent: true } : one)) })
  else if (presence.type !== 'available') return
  if (resendAtMs !== null && resendAtMs > nowMs) return
  turn.set({
    resendAtMs: nowMs + resendPauseMs,
    resendPauseMs: Math.min(resendPauseMs * 2, LONGEST_RESEND_MS),
  })
  turn.arm('resend', resendPauseMs)
}

/** Everything that may have been lost on the way. @see mapping D.10 */
export function tellEverything(turn: SipTurn): void {
  const { authorization, owesSubscribed } = turn.state
  if (authorization !== 'active') return
  if (owesSubscribed) tellSubscribed(turn)
  const { nowMs } = turn.context
  const gone = turn.state.gone.filter((one) => one.unsent || nowMs - one.atMs < GONE_FOR_MS)
  for (const one of gone) turn.tell(unavailableFrom(one.resource, turn.addresses))
  tellShown(turn)
  turn.set({ gone: gone.map((one) => ({ ...one, unsent: false })) })
}
