import { memoryMiBOf, cpuMsOf } from '../bench/proc.ts'
import type { Pair } from './pair.ts'
import type { SipUser } from './sip-user.ts'
import type { XmppUser } from './xmpp-user.ts'

/** What something has cost the edge, and what honest people noticed of it. */
export interface Cost {
  readonly edgeCpuMs: number
  readonly edgeGrewMiB: number
  readonly tookMs: number
  /** The slowest of the messages that an honest partner's user sent meanwhile; all of them arrived. */
  readonly slowestMs: number
}

const EVERY_MS = 200
const ARRIVES_WITHIN_MS = 20_000

/** Does something while an honest partner's user writes to one of ours, and says what it cost. */
export async function besideHonest(
  people: { readonly pair: Pair; readonly from: XmppUser; readonly to: SipUser },
  act: () => Promise<void>,
): Promise<Cost> {
  const { pair, from, to } = people
  const edge = pair.child('edge').pid()
  const address = to.aor.slice('sip:'.length)
  const arrivals: Promise<number>[] = []
  let highestMiB = 0
  const send = (): void => {
    const sentMs = performance.now()
    const body = `honest ${sentMs}`
    from.message(address, body)
    const arrival = to.hears(body, ARRIVES_WITHIN_MS).then(() => performance.now() - sentMs)
    // Looked at in the end.
    arrival.catch(() => undefined)
    arrivals.push(arrival)
    highestMiB = Math.max(highestMiB, memoryMiBOf(edge).now)
  }
  const before = { atMs: performance.now(), cpuMs: cpuMsOf(edge), miB: memoryMiBOf(edge).now }
  send()
  const sending = setInterval(send, EVERY_MS)
  try {
    await act()
  } finally {
    clearInterval(sending)
  }
  send()
  const spent = { tookMs: performance.now() - before.atMs, edgeCpuMs: cpuMsOf(edge) - before.cpuMs }
  const slowestMs = Math.max(...(await Promise.all(arrivals)))
  return { ...spent, slowestMs, edgeGrewMiB: highestMiB - before.miB }
}
