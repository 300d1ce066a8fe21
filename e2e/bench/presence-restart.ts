import { until } from '../src/heard.ts'
import type { Pair } from '../src/pair.ts'
import type { XmppContacts } from './load-contacts.ts'
import { nobody } from './load-end.ts'
import type { SipLoad } from './load-sip.ts'
import { round, type Bench } from './measure.ts'
import { Told } from './presence-set-up.ts'
import { residentKiBOf } from './proc.ts'

/** Messages beside the resumption: their numbers, and how many a second. */
const MESSAGES_FROM = 1_000_000_000
const MESSAGE_EVERY_MS = 50

/**
 * kill -9 and a new process: a subscription is resumed when its watcher has been told anew. What is not within our time is
 * told as a number, not waited for. Messages go on meanwhile.
 */
export async function restart(
  bench: Bench,
  ends: { readonly pair: Pair; readonly sip: SipLoad; readonly contacts: XmppContacts },
  withinMs: number,
): Promise<Readonly<Record<string, number | null>>> {
  const { pair, sip, contacts } = ends
  const subscriptions = contacts.watched.length
  await pair.kill9('gateway')
  const told = new Told()
  const sentMs = new Map<number, number>()
  const latencies: number[] = []
  sip.listener = {
    ...nobody,
    arrived(seq) {
      const atMs = sentMs.get(seq)
      if (atMs === undefined) return told.note(contacts.subscriptionOf(seq))
      sentMs.delete(seq)
      latencies.push(performance.now() - atMs)
    },
  }
  const begunMs = performance.now()
  await pair.start('gateway')
  const known = async (): Promise<boolean> =>
    (await pair.metric('gateway', 'stox_subscriptions', { direction: 'sip-watches-xmpp' })) >= subscriptions
  await until('the subscriptions of before', known, withinMs, 100)
  const knownS = (performance.now() - begunMs) / 1000
  await pair.ready(['gateway'])
  let messages = 0
  const timer = setInterval(() => {
    const seq = MESSAGES_FROM + messages
    messages += 1
    sentMs.set(seq, performance.now())
    contacts.write(seq, `w${messages % 100}`)
    contacts.flush()
  }, MESSAGE_EVERY_MS)
  await until('all to be resumed', () => told.count >= subscriptions, withinMs, 100).catch(() => undefined)
  clearInterval(timer)
  await until('the last messages', () => sentMs.size === 0, 5000, 20).catch(() => undefined)
  sip.listener = nobody
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN, 2)
  bench.say(
    `after kill -9: all known again after ${knownS.toFixed(1)} s, ` +
      `${told.count} of ${subscriptions} resumed after ${told.tookS.toFixed(1)} s; ` +
      `${messages} messages meanwhile, ${sentMs.size} lost, p50 ${at(0.5)} ms p99 ${at(0.99)} ms`,
  )
  return {
    knownAfterS: round(knownS, 2),
    resumed: told.count,
    /** Null: not all of them in the time that this bench gives it. */
    resumedAfterS: told.count >= subscriptions ? round(told.tookS, 2) : null,
    resumedPerSecond: told.count === 0 ? 0 : round(told.count / told.tookS, 0),
    resumedMemoryMiB: round(residentKiBOf(pair.child('gateway').pid()) / 1024, 0),
    resumingMessageP50Ms: at(0.5),
    resumingMessageP99Ms: at(0.99),
    resumingMessagesLost: sentMs.size,
  }
}
