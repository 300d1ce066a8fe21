import type { Peer } from './compatibility.ts'
import { until } from './heard.ts'
import type { Scene } from './play.ts'
import { statusOf } from './sip-text.ts'
import type { XmppUser } from './xmpp-user.ts'

const EVERY_MS = 40
const ENOUGH = 25
const HEALED_WITHIN_MS = 90_000
const ARRIVED_WITHIN_MS = 20_000

/** What a server without stream management may have taken from its socket, and not kept when it was told to stop. */
const LOST_WITHOUT_MANAGEMENT = 5

interface Sent {
  readonly body: string
  readonly status: Promise<number | undefined>
  settled?: number | undefined
}

/**
 * The partner's server stops, is away, and comes back, while both sides write. Whoever writes to it has an outcome for
 * each message, what was accepted arrives, and streams come back by themselves.
 */
export async function restartWhileTheyTalk(
  { stage, server, pair, xmpp, sip }: Scene<'juliet', 'romeo'>,
  peer: Peer,
): Promise<void> {
  const { romeo } = sip
  const toXmpp: Sent[] = []
  const name = `restart of ${peer}`
  let writer: XmppUser | undefined = xmpp.juliet
  let written = 0
  const listeners = [xmpp.juliet]
  const timer = setInterval(() => {
    const body = `${name}, to XMPP ${toXmpp.length}`
    const status = romeo.message(`sip:${xmpp.juliet.bare}`, body).then(statusOf, () => undefined)
    const sent: Sent = { body, status }
    void status.then((settled) => (sent.settled = settled))
    toXmpp.push(sent)
    writer?.message('romeo@sip.example', `${name}, to SIP ${(written += 1)}`)
  }, EVERY_MS)
  const heardBySip = () => romeo.heard.all.filter(({ body }) => body.startsWith(`${name}, to SIP`))
  const accepted = () => toXmpp.filter(({ settled }) => settled !== undefined && settled < 300)
  try {
    await until('messages each way', () => accepted().length > ENOUGH && heardBySip().length > ENOUGH, 30_000)
    await server.stop()
    writer = undefined
    await xmpp.juliet.stop()
    // Somebody must hear that it is away.
    await until('a refusal', () => toXmpp.some(({ settled }) => settled !== undefined && settled >= 300), 30_000)
    await server.start()
    const back = await stage.xmppUser(server, 'juliet', { resource: 'back' })
    listeners.push(back)
    const [before, heardBefore] = [accepted().length, heardBySip().length]
    writer = back
    await until(
      'messages each way again',
      () => accepted().length > before + ENOUGH && heardBySip().length > heardBefore + ENOUGH,
      HEALED_WITHIN_MS,
    )
  } finally {
    clearInterval(timer)
  }
  const statuses = await Promise.all(toXmpp.map(({ status }) => status))
  expect(statuses).not.toContain(undefined)
  const heard = () => new Set(listeners.flatMap((one) => one.heard.all.map(({ body }) => body)))
  const lost = () => accepted().filter(({ body }) => !heard().has(body))
  await until('what was accepted', () => lost().length === 0, ARRIVED_WITHIN_MS, 200).catch(() => undefined)
  const refused = statuses.filter((status) => status !== undefined && status >= 300)
  const twice = [...countOf(listeners.flatMap((one) => one.heard.all.map(({ body }) => body ?? '')))].filter(
    ([body, count]) => count > 1 && body.startsWith(name),
  )
  const sums = `${statuses.length} sent, ${refused.length} refused, ${lost().length} accepted and lost, ${twice.length} twice`
  process.stdout.write(`${name}: ${sums}\n`)
  expect(lost().length).toBeLessThanOrEqual(peer === 'ejabberd' ? LOST_WITHOUT_MANAGEMENT : 0)
  void pair
}

function countOf(bodies: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const body of bodies) counts.set(body, (counts.get(body) ?? 0) + 1)
  return counts
}
